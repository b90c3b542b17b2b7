"""A part of a frozen weight that trains: exact at the start, and gone from the weight where it is trained away."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from rs_adapt.adapters.contract.moved_part import MovedPart
from rs_adapt.errors import ConfigError


class TwoColumns(MovedPart):
    """The first and the last column of a weight, as two parts."""

    def __init__(self, *, train_bias: bool = False) -> None:
        super().__init__(5, 7, ranks={"first": 1, "last": 1}, train_bias=train_bias)

    def take(self, weight_OI: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        one_hot = torch.eye(weight_OI.shape[1])
        return {"first": (one_hot[:1], weight_OI[:, :1]), "last": (one_hot[-1:], weight_OI[:, -1:])}


def bound(layer: nn.Linear, **settings: bool) -> TwoColumns:
    change = TwoColumns(**settings)
    change.bind(layer)
    return change


def test_start_is_exact_to_the_bit_in_every_precision() -> None:
    layer = nn.Linear(5, 7)
    change, x = bound(layer), torch.randn(3, 5)
    assert torch.equal(change(layer, x), layer(x))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(change(layer, x), layer(x))
    assert torch.equal(change.merged_weight(layer.weight), layer.weight)


def test_a_part_that_is_trained_to_zero_leaves_the_weight() -> None:
    layer = nn.Linear(5, 7)
    change, x, before = bound(layer), torch.randn(3, 5), layer.weight.detach().clone()
    with torch.no_grad():
        change.first_up.zero_()
    without = before.clone()
    without[:, 0] = 0
    torch.testing.assert_close(change(layer, x), nn.functional.linear(x, without, layer.bias))
    torch.testing.assert_close(change.merged_weight(layer.weight), without)
    assert torch.equal(layer.weight, before)


def test_start_is_saved_so_that_it_need_not_be_computed_again() -> None:
    layer = nn.Linear(5, 7)
    change, other = bound(layer), bound(nn.Linear(5, 7))
    with torch.no_grad():
        change.last_down += 1
    other.load_state_dict(change.state_dict())
    x = torch.randn(3, 5)
    assert torch.equal(other(layer, x), change(layer, x))


def test_a_bias_trains_where_there_is_one() -> None:
    layer = nn.Linear(5, 7)
    change, x = bound(layer, train_bias=True), torch.randn(3, 5)
    with torch.no_grad():
        change.bias += 2
    torch.testing.assert_close(change(layer, x), layer(x) + 2)
    with pytest.raises(ConfigError, match="train_bias=False"):
        bound(nn.Linear(5, 7, bias=False), train_bias=True)
