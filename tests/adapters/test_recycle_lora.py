"""RecycleLoRA: which columns a pivoted QR puts first and last, and that these train, at two rates."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from rs_adapt.adapters import RecycleLora
from rs_adapt.adapters.recycle_lora import RecycledColumns, rank_revealing_order
from rs_adapt.errors import ConfigError

FACTS = {"embed_dim": 32, "depth": 4, "mlp_dim": 64}
# Columns by what they add: the fourth is long, the first and the third nearly lie on it.
WEIGHT = torch.tensor([[9.0, 0.0, 9.0, 10.0, 0.0], [0.0, 4.0, 0.1, 0.0, 0.0], [0.0, 0.0, 0.5, 0.0, 2.0]])


def test_columns_come_in_the_order_of_what_they_add() -> None:
    order = rank_revealing_order(WEIGHT)
    assert order[:3].tolist() == [3, 1, 4]
    assert sorted(order.tolist()) == [0, 1, 2, 3, 4]
    # The diagonal of R falls, with the columns in that order.
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(24, 16, generator=generator, dtype=torch.float64)
    diagonal = torch.linalg.qr(weight[:, rank_revealing_order(weight)]).R.diag().abs()
    assert bool((diagonal[:-1] >= diagonal[1:] - 1e-9).all())


def test_adapters_start_as_the_columns_themselves() -> None:
    layer = nn.Linear(5, 3)
    with torch.no_grad():
        layer.weight.copy_(WEIGHT)
    change = RecycledColumns(5, 3, main_rank=2, sub_rank=1)
    change.bind(layer)
    assert change.sub_down.tolist() == [[0, 0, 0, 1, 0]]
    assert change.sub_up[:, 0].tolist() == [10, 0, 0]
    last = {int(row.argmax()) for row in change.main_down}
    assert last == {0, 2}
    assert change.main_down.sum(1).tolist() == [1, 1]
    with torch.no_grad():
        change.main_up.zero_()
        change.sub_up.zero_()
    kept = WEIGHT.clone()
    kept[:, [0, 2, 3]] = 0
    torch.testing.assert_close(change.merged_weight(layer.weight), kept)


def test_count_is_that_of_two_adapters() -> None:
    sides = 4 * 2 * 1024 + 2 * (1024 + 4096)
    assert RecycleLora.num_params(embed_dim=1024, depth=24, mlp_dim=4096) == 24 * (32 + 4) * sides


def test_only_the_sub_adapter_has_a_rate_of_its_own() -> None:
    adapter = RecycleLora(**FACTS, main_rank=4, sub_rank=1)
    slow = {name for name in adapter.adapter_params() for part in adapter.lr_mults if part in name}
    assert slow == {name for name in adapter.adapter_params() if name.rpartition(".")[2].startswith("sub_")}
    assert set(adapter.lr_mults.values()) == {0.5}


def test_more_columns_than_a_weight_has_are_refused() -> None:
    with pytest.raises(ConfigError, match="main_rank is 30 and sub_rank 4; together they may have the 32 columns"):
        RecycleLora(**FACTS, main_rank=30)
