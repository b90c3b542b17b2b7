"""SAM-PARSER: only singular values move, the start is exact, and the count is that of the paper's neck."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from rs_adapt.adapters import Lora, SamParser, Stack, attach
from rs_adapt.adapters.sam_parser import SpectrumChange
from rs_adapt.errors import ConfigError

LAYERS = [nn.Linear(6, 9), nn.Conv2d(3, 5, 2)]


def bound(layer: nn.Module, *, relative: bool) -> SpectrumChange:
    change = SpectrumChange(min(layer.weight.flatten(1).shape), relative=relative)
    change.bind(layer)
    return change


@pytest.mark.parametrize("layer", LAYERS, ids=["linear", "conv"])
@pytest.mark.parametrize("relative", [False, True])
def test_start_is_exact_to_the_bit(layer: nn.Module, relative: bool) -> None:
    assert torch.equal(bound(layer, relative=relative).merged_weight(layer.weight), layer.weight)


@pytest.mark.parametrize("layer", LAYERS, ids=["linear", "conv"])
def test_singular_values_move_and_their_bases_stay(layer: nn.Module) -> None:
    change, share = bound(layer, relative=False), bound(layer, relative=True)
    before = torch.linalg.svdvals(layer.weight.flatten(1))
    with torch.no_grad():
        change.change += 0.25
        share.change += 0.5
        moved, scaled = change.merged_weight(layer.weight), share.merged_weight(layer.weight)
    torch.testing.assert_close(torch.linalg.svdvals(moved.flatten(1)), before + 0.25)
    torch.testing.assert_close(scaled, 1.5 * layer.weight)


def test_parameter_count_equals_the_papers() -> None:
    neck = [nn.Conv2d(768, 256, 1), nn.Conv2d(256, 256, 3)]
    assert sum(min(conv.weight.flatten(1).shape) for conv in neck) == 512
    vit_b = {"embed_dim": 768, "depth": 12, "mlp_dim": 3072, "patch_px": 16}
    assert SamParser.num_params(**vit_b, targets=("attn_out", "fc1", "fc2")) == 3 * 768 * 12
    assert SamParser.num_params(**vit_b, targets=("patch_embed",)) == 768


def test_bases_are_not_saved() -> None:
    adapter = SamParser(embed_dim=32, depth=4, mlp_dim=64, patch_px=8)
    assert all(name.endswith(".change") for name in adapter.state_dict())


def test_must_come_before_methods_that_wrap_the_same_layer(make_vit: Callable[[], nn.Module]) -> None:
    facts = {"embed_dim": 32, "depth": 4, "mlp_dim": 64, "patch_px": 8}
    adapters = {
        "lora": {"type": "rs_adapt.Lora"},
        "sam_parser": {"type": "rs_adapt.SamParser", "targets": ("attn_q",)},
    }
    with pytest.raises(ConfigError, match="before all others"):
        attach(Stack(adapters=adapters, **facts), make_vit())
    vit = make_vit()
    attach(Stack(adapters=dict(reversed(adapters.items())), **facts), vit)
    assert isinstance(vit.blocks[0].attn_q.base.base, nn.Linear)
    assert Lora.num_params(embed_dim=32, depth=4, mlp_dim=64) == 4 * 2 * 16 * 64
