"""Blocks that a ViT leaves to its head: the same function as in the ViT, with an adapter, prompts and queries."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from rs_adapt.adapters import EarthAdapter, Vpt
from rs_adapt.backbones import Clip, Dinov2, Dinov3, Vit
from rs_adapt.backbones.features import tokens_to_map

SIZES: dict[str, Any] = {"embed_dim": 32, "depth": 4, "num_heads": 2, "patch_px": 8}
FAMILIES: dict[str, Any] = {
    "dinov2": lambda **more: Dinov2(image_px=32, **SIZES, **more),
    "dinov2_reg": lambda **more: Dinov2(image_px=32, num_registers=2, **SIZES, **more),
    "dinov3": lambda **more: Dinov3(mlp_dim=64, num_registers=2, **SIZES, **more),
    "clip": lambda **more: Clip(image_px=32, **SIZES, **more),
}


def earth_adapter() -> EarthAdapter:
    torch.manual_seed(1)
    return EarthAdapter(embed_dim=32, depth=4, rank=4, frequency_layers=(2, 3), cutoff=0.6, scale_init=1.0)


def prompts() -> Vpt:
    torch.manual_seed(1)
    return Vpt(embed_dim=32, depth=4, num_tokens=3, patch_px=8)


ADAPTERS: dict[str, Any] = {"none": lambda: None, "earth_adapter": earth_adapter, "vpt": prompts}


def images() -> Tensor:
    return torch.randn(2, 3, 32, 48, generator=torch.Generator().manual_seed(0))


def all_blocks(family: str, adapter: str) -> Vit:
    return FAMILIES[family](out_layers=(3,), level_scales=(1.0,), adapter=ADAPTERS[adapter]()).eval()


def two_blocks_left(family: str, adapter: str) -> Vit:
    return FAMILIES[family](out_layers=(1,), level_scales=(1.0,), adapter=ADAPTERS[adapter]()).eval()


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("family", FAMILIES)
def test_the_blocks_left_are_those_of_the_vit(family: str, adapter: str) -> None:
    whole, part = all_blocks(family, adapter), two_blocks_left(family, adapter)
    (expected,) = whole(images())
    left = part(images()).blocks_left
    assert left is not None
    assert len(left) == 2
    x_BND = left.x_BND
    for number in range(2):
        x_BND = left.run(number, x_BND, num_queries=0, attend_B1NN=None)
    torch.testing.assert_close(tokens_to_map(x_BND, left.grid_hw, num_prefix=left.num_prefix), expected)


def test_a_vit_that_runs_all_of_its_blocks_leaves_none_and_says_the_size_of_the_images() -> None:
    features = all_blocks("dinov2", "none")(images())
    assert features.blocks_left is None
    assert features.image_hw == (32, 48)


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_mask_hides_tokens_from_a_query_and_a_query_from_the_others(family: str, adapter: str) -> None:
    left = two_blocks_left(family, adapter)(images()).blocks_left
    start, patches = left.num_prefix, left.grid_hw[0] * left.grid_hw[1]
    queries = torch.randn(2, 2, 32, generator=torch.Generator().manual_seed(2))
    with_queries = torch.cat([left.x_BND[:, :start], queries, left.x_BND[:, start:]], dim=1)
    total = with_queries.shape[1]
    assert total == start + 2 + patches
    attend = torch.ones(2, 1, total, total, dtype=torch.bool)
    # Nothing sees the queries; the first of them sees itself and the last patch only.
    attend[..., start : start + 2] = False
    attend[:, :, start, :] = False
    attend[:, :, start, [start, total - 1]] = True
    with torch.no_grad():
        seen = left.run(0, with_queries, num_queries=2, attend_B1NN=attend)
        alone = left.run(0, left.x_BND, num_queries=0, attend_B1NN=None)
        others = torch.cat([seen[:, :start], seen[:, start + 2 :]], dim=1)
        torch.testing.assert_close(others, alone)
        changed = with_queries.clone()
        # A different number in every channel: the norm takes out what they share.
        changed[:, start + 2 : -1] += torch.linspace(-1, 1, 32)
        again = left.run(0, changed, num_queries=2, attend_B1NN=attend)
    torch.testing.assert_close(again[:, start], seen[:, start])
    assert not torch.allclose(again[:, start + 1], seen[:, start + 1])


def test_an_adapter_is_not_shown_the_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    vit = two_blocks_left("dinov2", "earth_adapter")
    left = vit(images()).blocks_left
    shapes: list[torch.Size] = []
    monkeypatch.setattr(vit.adapter, "after_block", lambda x, layer, grid: shapes.append(x.shape) or 2 * x)
    queries = torch.zeros(2, 5, 32)
    x_BND = torch.cat([left.x_BND[:, :1], queries, left.x_BND[:, 1:]], dim=1)
    changed = left.run(0, x_BND, num_queries=5, attend_B1NN=None)
    plain = vit.run_block(2, x_BND, None)
    assert shapes == [left.x_BND.shape]
    torch.testing.assert_close(changed[:, 1:6], plain[:, 1:6])
    torch.testing.assert_close(changed[:, 6:], 2 * plain[:, 6:])


def test_gradients_pass_through_frozen_blocks_to_the_queries() -> None:
    left = two_blocks_left("dinov2", "none")(images()).blocks_left
    queries = torch.zeros(2, 1, 32, requires_grad=True)
    x_BND = torch.cat([left.x_BND[:, :1], queries, left.x_BND[:, 1:]], dim=1)
    left.run(0, x_BND, num_queries=1, attend_B1NN=None).sum().backward()
    assert queries.grad is not None
    assert queries.grad.any()
    assert all(parameter.grad is None for parameter in left.vit.parameters())
