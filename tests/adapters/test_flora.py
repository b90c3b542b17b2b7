"""FLoRA: order of the axes, convolutions with groups, and counts."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from rs_adapt.adapters import Flora
from rs_adapt.adapters.flora import TuckerChange, count_tucker_params
from rs_adapt.errors import ConfigError


def filled(dims: tuple[int, ...], ranks: tuple[int, ...], scale: float = 1.0) -> TuckerChange:
    torch.manual_seed(0)
    change = TuckerChange(dims, ranks=ranks, scale=scale)
    nn.init.normal_(change.core)
    return change


def test_delta_contracts_in_out_height_width_in_that_order() -> None:
    change = filled((3, 4, 5, 2), (2, 3, 2, 1))
    a_in, a_out, a_h, a_w = change.factors
    by_hand = torch.zeros(4, 3, 5, 2)
    for o, i, h, w in torch.cartesian_prod(*(torch.arange(n) for n in by_hand.shape)).tolist():
        for a, b, c, d in torch.cartesian_prod(*(torch.arange(n) for n in change.core.shape)).tolist():
            by_hand[o, i, h, w] += change.core[a, b, c, d] * a_in[i, a] * a_out[o, b] * a_h[h, c] * a_w[w, d]
    torch.testing.assert_close(change.delta(), by_hand)


def test_linear_layers_never_build_the_weight_and_give_the_same_output() -> None:
    base, change = nn.Linear(6, 4), filled((6, 4), (3, 2), scale=2.0)
    x = torch.randn(5, 6)
    torch.testing.assert_close(change(base, x), base(x) + 2.0 * x @ change.delta().T)


@pytest.mark.parametrize(("groups", "stride", "padding", "dilation"), [(1, 2, 1, 1), (2, 1, 0, 2), (4, 1, 1, 1)])
def test_convolution_equals_one_with_the_merged_weight(groups: int, stride: int, padding: int, dilation: int) -> None:
    base = nn.Conv2d(8, 12, 3, stride=stride, padding=padding, dilation=dilation, groups=groups)
    change = filled((8 // groups, 12, 3, 3), (2, 4, 2, 2), scale=0.5)
    merged = copy.deepcopy(base)
    with torch.no_grad():
        merged.weight.copy_(change.merged_weight(base.weight))
    x = torch.randn(2, 8, 9, 7)
    torch.testing.assert_close(change(base, x), merged(x), atol=1e-5, rtol=1e-5)


def test_parameter_counts_are_the_closed_form() -> None:
    assert count_tucker_params((8, 12, 3, 3), (4, 4, 2, 2)) == 156
    assert count_tucker_params((1024, 1024), (16, 16)) == 33_024
    facts = {"embed_dim": 1024, "depth": 2, "mlp_dim": 4096, "patch_px": 16}
    assert Flora.num_params(**facts, rank=16, targets=("attn_q",)) == 2 * 33_024


def test_factors_start_with_the_documented_deviation() -> None:
    change = TuckerChange((4000, 16), ranks=(16, 4), scale=1.0)
    assert change.factors[0].std().item() == pytest.approx((0.5 / 16) ** 0.5, rel=0.02)
    assert not change.core.any()


def test_bad_ranks_are_refused() -> None:
    with pytest.raises(ConfigError, match="kernel_rank is 0"):
        Flora(embed_dim=8, depth=1, mlp_dim=8, patch_px=2, kernel_rank=0)
