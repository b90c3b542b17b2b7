"""Stacks of methods that change the same layers: the order in which they act, and plain weights of the same effect."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
import torch
from torch import nn

from rs_adapt.adapters import attach
from rs_adapt.adapters.stack import Stack
from rs_adapt.errors import ConfigError

TARGETS = ("attn_q", "fc1")


def _peft(kind: str, **options: object) -> dict[str, Any]:
    return {"type": "rs_adapt.PeftAdapter", "kind": kind, "options": options, "targets": TARGETS}


METHODS: dict[str, dict[str, Any]] = {
    "lora": {"type": "rs_adapt.Lora", "rank": 4, "dropout": 0.3, "targets": TARGETS},
    "flora": {"type": "rs_adapt.Flora", "rank": 2, "targets": ("patch_embed", *TARGETS)},
    "sam_parser": {"type": "rs_adapt.SamParser"},
    "bitfit": {"type": "rs_adapt.BitFit"},
    "norm": {"type": "rs_adapt.NormTuning"},
    "hclip": {"type": "rs_adapt.HClip", "block_dim": 8},
    "cobot": {"type": "rs_adapt.Cobot", "host": {"type": "rs_adapt.Lora", "rank": 4, "targets": TARGETS}},
    "oft": _peft("oft", r=0, oft_block_size=8),
    "boft": _peft("boft", boft_block_size=8),
    "hra": _peft("hra", r=4),
    "dora": _peft("dora", r=4),
    "ia3": _peft("ia3"),
    "adalora": {
        "type": "rs_adapt.PeftAdaLora",
        "total_iters": 20,
        "options": {"init_r": 4, "target_r": 2},
        "targets": TARGETS,
    },
}
# Each reads the weight of the layer that it changes, so it must be the first to change it.
READS_WEIGHT = {"sam_parser", "hclip", "oft", "boft", "hra", "dora", "ia3", "adalora"}


def _stack(vit: Any, *names: str) -> Any:
    torch.manual_seed(0)
    vit.adapter = Stack(
        adapters={name: METHODS[name] for name in names}, embed_dim=32, depth=4, patch_px=8, mlp_dim=vit.mlp_dim
    )
    attach(vit.adapter, vit)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in vit.adapter.adapter_params().values():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return vit.eval()


def _refused(names: tuple[str, ...]) -> bool:
    return names == ("bitfit", "norm") or (names[1] in READS_WEIGHT and names[0] != "norm")


PAIRS = list(permutations(METHODS, 2))
QUICK = {
    ("oft", "lora"),
    ("boft", "bitfit"),
    ("hra", "lora"),
    ("dora", "cobot"),
    ("ia3", "bitfit"),
    ("adalora", "lora"),
}


@pytest.mark.parametrize(
    "names",
    [pytest.param(names, id="+".join(names), marks=[] if names in QUICK else pytest.mark.slow) for names in PAIRS],
)
@torch.no_grad()
def test_each_stack_merges_to_its_own_features_or_is_refused(
    make_vit: Callable[[], nn.Module], names: tuple[str, str]
) -> None:
    if _refused(names):
        with pytest.raises(ConfigError, match="before all others"):
            _stack(make_vit(), *names)
        return
    image = torch.randn(1, 3, 32, 24, generator=torch.Generator().manual_seed(2))
    vit = _stack(make_vit(), *names)
    features = vit(image)
    vit.adapter.merge(vit)
    vit.adapter = None
    largest = (vit(image) - features).abs().max() / features.abs().max()
    assert largest < 1e-5


def test_no_adapter_of_a_stack_is_without_effect(make_vit: Callable[[], nn.Module]) -> None:
    for names in (("oft", "lora"), ("hra", "bitfit"), ("norm", "bitfit"), ("lora", "norm")):
        vit = _stack(make_vit(), *names)
        vit(torch.randn(1, 3, 32, 24)).square().mean().backward()
        for name, parameter in vit.adapter.adapter_params().items():
            assert parameter.grad is not None, (names, name)
            assert parameter.grad.abs().sum() > 0, (names, name)


def test_drop_out_does_not_disturb_a_merge_and_stays_on(make_vit: Callable[[], nn.Module]) -> None:
    vit = _stack(make_vit(), "oft", "lora")
    image = torch.randn(1, 3, 32, 24)
    expected = vit(image)
    vit.train()
    adapter = vit.adapter
    adapter.merge(vit)
    assert adapter.training
    vit.adapter = None
    torch.testing.assert_close(vit.eval()(image), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("names", [("lora", "oft"), ("bitfit", "norm")])
def test_a_method_that_would_cancel_an_earlier_one_is_refused(
    make_vit: Callable[[], nn.Module], names: tuple[str, str]
) -> None:
    with pytest.raises(ConfigError, match="In a stack, name methods that change weights"):
        _stack(make_vit(), *names)
