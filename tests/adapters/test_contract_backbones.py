"""Every method on every family of ViTs: the part of the contract in which families can differ.

`test_contract.py` has the whole contract on a generic ViT and on DINOv2.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from rs_adapt.adapters import attach
from rs_adapt.backbones import Clip, Dinov2, Dinov3, PlainVit, Sam, ScaleMae, Vit
from rs_adapt.errors import ConfigError, IncompatibleCell

SIZES: dict[str, Any] = {
    "embed_dim": 32,
    "depth": 4,
    "num_heads": 2,
    "patch_px": 8,
    "out_layers": (1, 3),
    "level_scales": (1.0, 1.0),
}
FAMILIES: dict[str, Callable[..., Vit]] = {
    "dinov2_registers": functools.partial(Dinov2, **SIZES, image_px=48, num_registers=4),
    "dinov3": functools.partial(Dinov3, **SIZES, mlp_dim=72),
    "clip": functools.partial(Clip, **SIZES, image_px=48),
    # At other sizes all five ReLUs of QNet's example may be off for the CLS token of this random ViT.
    "plain": functools.partial(PlainVit, **SIZES, image_px=40),
    "scale_mae": functools.partial(ScaleMae, **SIZES, gsd_m=10.0),
    "sam": functools.partial(Sam, **SIZES, image_px=48, window=3, global_layers=(1, 3)),
}
MLP_DIM = {"dinov3": 72}
# Rows and columns differ, and windows of 3 do not divide them.
IMAGE = torch.randn(1, 3, 32, 56, generator=torch.Generator().manual_seed(3))


@functools.cache
def _base(family: str) -> tuple[Vit, Tensor, str]:
    vit = FAMILIES[family]()
    return vit, torch.stack(list(vit(IMAGE))), vit.base_sha256()


def _maps(vit: Vit) -> Tensor:
    return torch.stack(list(vit(IMAGE)))


# Those whose blocks are like DINOv2's, which test_contract.py runs, are slow.
@pytest.mark.parametrize(
    "family",
    [
        pytest.param(
            name, marks=[pytest.mark.slow] if name in ("dinov2_registers", "clip", "plain", "scale_mae") else []
        )
        for name in FAMILIES
    ],
)
def test_every_method_meets_the_contract_on_every_backbone(
    example: Any, family: str, subtests: pytest.Subtests
) -> None:
    base, plain, base_sha256 = _base(family)
    facts = {key: SIZES[key] for key in ("embed_dim", "depth", "patch_px")}
    facts |= {"mlp_dim": MLP_DIM.get(family, 128), "gated_mlp": False}
    adapter: Any = example.build(facts)
    if adapter.adds_tokens and not base.takes_tokens:
        with pytest.raises(IncompatibleCell, match=f"{type(adapter).__name__} adds tokens.*no place for extra tokens"):
            FAMILIES[family](adapter=adapter)
        return
    vit = copy.deepcopy(base)
    attach(adapter, vit)
    vit.adapter = adapter
    other = copy.deepcopy(vit).eval()
    vit.train()
    own = adapter.adapter_params()

    with subtests.test("starts at the frozen features if it says so"):
        assert torch.allclose(_maps(vit), plain, atol=1e-5) == adapter.identity_at_init
    with subtests.test("counts its parameters in closed form"):
        counted = sum({id(p): p.numel() for p in vit.parameters() if p.requires_grad}.values())
        assert example.num_params(facts) == counted

    before = {name: p.detach().clone() for name, p in vit.named_parameters()}
    optimizer = torch.optim.AdamW([p for p in vit.parameters() if p.requires_grad], lr=1e-2)
    for step in range(2):
        optimizer.zero_grad()
        queries = adapter.queries()
        (_maps(vit).square().mean() + (0 if queries is None else queries.square().mean())).backward()
        if step == 0:
            with subtests.test("gradients reach all but the named"):
                for name, p in own.items():
                    reached = p.grad is not None and bool(p.grad.abs().sum() > 0)
                    assert reached != any(part in name for part in adapter.zero_grad_at_init), name
        optimizer.step()
    trained = _maps(vit.eval())
    with subtests.test("training moves the adapter and nothing else"):
        ids = {id(p) for p in own.values()}
        for name, p in vit.named_parameters():
            assert torch.equal(p, before[name]) != (id(p) in ids), name
        assert not torch.allclose(trained, plain, atol=1e-4)
    with subtests.test("state dict round trip"):
        other.adapter.load_state_dict(adapter.state_dict())  # type: ignore[union-attr]
        assert torch.equal(_maps(other), trained)
    with subtests.test("without the adapter it is the base"):
        with vit.without_adapter():
            assert torch.equal(_maps(vit), plain)
        assert vit.base_sha256() == base_sha256
    with subtests.test("merges into a plain ViT or says why not"):
        if adapter.why_unmergeable() is not None:
            with pytest.raises(ConfigError, match="cannot be merged"):
                adapter.merge(vit)
            return
        adapter.merge(vit)
        vit.adapter = None
        assert vit.state_dict().keys() == base.state_dict().keys()
        torch.testing.assert_close(_maps(vit), trained, atol=1e-5, rtol=1e-4)
