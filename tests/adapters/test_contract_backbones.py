"""Every method on every family of ViTs: the part of the contract in which families can differ.

`test_contract.py` has the whole contract on a generic ViT and on DINOv2.
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import rs_adapt.adapters
from rs_adapt.adapters import Adapter, attach
from rs_adapt.backbones import Clip, Dinov2, Dinov3, Sam, Vit
from rs_adapt.errors import ConfigError, IncompatibleCell
from rs_adapt.registry import MODELS

assert rs_adapt.adapters
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
    "sam": functools.partial(Sam, **SIZES, image_px=48, window=3, global_layers=(1, 3)),
}
MLP_DIM = {"dinov3": 72}
METHODS = sorted(
    (c for c in MODELS.module_dict.values() if isinstance(c, type) and issubclass(c, Adapter)), key=lambda c: c.__name__
)
CASES = [pytest.param(c, k, id=f"{c.__name__}-{i}") for c in METHODS for i, k in enumerate(c.examples())]
# Rows and columns differ, and windows of 3 do not divide them.
IMAGE = torch.randn(1, 3, 32, 56, generator=torch.Generator().manual_seed(3))


@functools.cache
def _base(family: str) -> tuple[Vit, Tensor]:
    vit = FAMILIES[family]()
    return vit, torch.stack(list(vit(IMAGE)))


def _arguments(function: Callable[..., Any], kwargs: dict[str, Any], family: str) -> dict[str, Any]:
    facts = {key: SIZES[key] for key in ("embed_dim", "depth", "patch_px")}
    given = facts | {"mlp_dim": MLP_DIM.get(family, 128), "gated_mlp": False} | kwargs
    parameters = inspect.signature(function).parameters.values()
    every = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)
    return {key: value for key, value in given.items() if every or key in {one.name for one in parameters}}


def _attached(cls: type[Adapter], kwargs: dict[str, Any], family: str) -> Vit:
    vit = copy.deepcopy(_base(family)[0])
    torch.manual_seed(0)
    adapter = cls(**_arguments(cls, kwargs, family))
    attach(adapter, vit)
    vit.adapter = adapter
    return vit.train()


def _maps(vit: Vit) -> Tensor:
    return torch.stack(list(vit(IMAGE)))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("cls", "kwargs"), CASES)
def test_contract(cls: type[Adapter], kwargs: dict[str, Any], family: str) -> None:
    base, plain = _base(family)
    if cls(**_arguments(cls, kwargs, family)).adds_tokens and not base.takes_tokens:
        with pytest.raises(IncompatibleCell, match=f"{cls.__name__} adds tokens.*no place for more"):
            FAMILIES[family](adapter=cls(**_arguments(cls, kwargs, family)))
        return
    vit = _attached(cls, kwargs, family)
    adapter: Any = vit.adapter
    own = adapter.adapter_params()

    start = _maps(vit)
    assert torch.allclose(start, plain, atol=1e-5) == adapter.identity_at_init
    counted = sum({id(p): p.numel() for p in vit.parameters() if p.requires_grad}.values())
    assert cls.num_params(**_arguments(cls.num_params, kwargs, family)) == counted

    before = {name: p.detach().clone() for name, p in vit.named_parameters()}
    optimizer = torch.optim.AdamW([p for p in vit.parameters() if p.requires_grad], lr=1e-2)
    for step in range(2):
        optimizer.zero_grad()
        queries = adapter.queries()
        (_maps(vit).square().mean() + (0 if queries is None else queries.square().mean())).backward()
        if step == 0:
            for name, p in own.items():
                reached = p.grad is not None and bool(p.grad.abs().sum() > 0)
                assert reached != any(part in name for part in adapter.zero_grad_at_init), name
        optimizer.step()
    ids = {id(p) for p in own.values()}
    for name, p in vit.named_parameters():
        assert torch.equal(p, before[name]) != (id(p) in ids), name

    trained = _maps(vit.eval())
    assert not torch.allclose(trained, plain, atol=1e-4)
    other = _attached(cls, kwargs, family).eval()
    other.adapter.load_state_dict(adapter.state_dict())
    assert torch.equal(_maps(other), trained)
    with vit.without_adapter():
        assert torch.equal(_maps(vit), plain)
    assert vit.base_sha256() == base.base_sha256()

    if adapter.why_unmergeable() is not None:
        with pytest.raises(ConfigError, match="cannot be merged"):
            adapter.merge(vit)
        return
    adapter.merge(vit)
    vit.adapter = None
    assert vit.state_dict().keys() == base.state_dict().keys()
    torch.testing.assert_close(_maps(vit), trained, atol=1e-5, rtol=1e-4)
