"""SoMA: what trains are the smallest singular components, in the later blocks, and the largest stay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from rs_adapt.adapters import Soma, attach
from rs_adapt.adapters.soma import MinorComponents
from rs_adapt.errors import ConfigError

FACTS = {"embed_dim": 32, "depth": 4, "mlp_dim": 64}
VIT_L = {"embed_dim": 1024, "depth": 24, "mlp_dim": 4096}


def test_part_is_that_of_the_smallest_singular_values() -> None:
    layer = nn.Linear(12, 20)
    change = MinorComponents(12, 20, rank=3, train_bias=False)
    change.bind(layer)
    u, s, v = torch.linalg.svd(layer.weight, full_matrices=False)
    torch.testing.assert_close(change.minor_up @ change.minor_down, u[:, -3:] * s[-3:] @ v[-3:], atol=1e-6, rtol=1e-4)
    # Each factor has half of the singular values.
    torch.testing.assert_close(change.minor_up.norm(dim=0), s[-3:].sqrt())
    torch.testing.assert_close(change.minor_down.norm(dim=1), s[-3:].sqrt())


def test_large_components_stay_whatever_is_trained() -> None:
    layer = nn.Linear(12, 20)
    change = MinorComponents(12, 20, rank=3, train_bias=False)
    change.bind(layer)
    s = torch.linalg.svdvals(layer.weight)
    with torch.no_grad():
        change.minor_up.zero_()
    kept = torch.linalg.svdvals(change.merged_weight(layer.weight))
    torch.testing.assert_close(kept[:-3], s[:-3], atol=1e-5, rtol=1e-4)
    assert kept[-3:].max() < 1e-5


def test_first_third_of_the_blocks_and_the_keys_bias_stay(make_vit: Callable[[], nn.Module]) -> None:
    vit: Any = make_vit()
    vit.adapter = Soma(**FACTS, rank=2)
    attach(vit.adapter, vit)
    assert {layer for layer, _, _ in vit.adapter.changes()} == {1, 2, 3}
    biases = {name.split(".")[2] for name in vit.adapter.adapter_params() if name.endswith("bias")}
    assert biases == {"attn_q", "attn_v", "attn_out", "fc1", "fc2"}


def test_count_on_vit_l_is_that_of_the_papers_layers() -> None:
    sides = 4 * 2 * 1024 + 2 * (1024 + 4096)
    biases = 3 * 1024 + 4096 + 1024
    assert Soma.num_params(**VIT_L) == 16 * (16 * sides + biases) == 4_849_664
    assert Soma.num_params(**VIT_L, first_block=0, train_bias=False) == 24 * 16 * sides


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"rank": 33}, "rank is 33; a weight has 32 singular values"),
        ({"first_block": 4}, "first_block is 4; the ViT has the blocks 0 to 3"),
        ({"first_block": -1}, "first_block is -1"),
    ],
)
def test_what_no_weight_has_is_refused(knobs: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Soma(**FACTS, **knobs)
