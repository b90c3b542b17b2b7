"""Quaternion products as real matrices."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from rs_adapt.errors import ConfigError
from rs_adapt.quaternions import QuaternionConv2d, QuaternionLinear, check_quaternions, hamilton_matrix


def product(a: Tensor, b: Tensor) -> Tensor:
    """The Hamilton product of two quaternions."""
    r, i, j, k = a
    s, x, y, z = b
    return torch.stack(
        [
            r * s - i * x - j * y - k * z,
            r * x + i * s + j * z - k * y,
            r * y - i * z + j * s + k * x,
            r * z + i * y - j * x + k * s,
        ]
    )


def test_matrix_is_the_left_product() -> None:
    weight, x = torch.randn(4), torch.randn(4)
    matrix = hamilton_matrix(*weight.reshape(4, 1, 1))
    torch.testing.assert_close(x @ matrix, product(weight, x))


def test_a_single_quaternion_is_a_scaled_rotation() -> None:
    weight = torch.randn(4)
    matrix = hamilton_matrix(*weight.reshape(4, 1, 1))
    torch.testing.assert_close(matrix @ matrix.T, weight.square().sum() * torch.eye(4))


def test_i_times_j_is_k() -> None:
    one, i, j, k = torch.eye(4)
    assert torch.equal(j @ hamilton_matrix(*i.reshape(4, 1, 1)), k)
    assert torch.equal(one @ hamilton_matrix(*i.reshape(4, 1, 1)), i)


def test_layer_counts_its_start_and_its_half_form() -> None:
    torch.manual_seed(0)
    layer = QuaternionLinear(1024, 512)
    assert sum(p.numel() for p in layer.parameters()) == QuaternionLinear.num_params(1024, 512) == 131_584
    assert QuaternionLinear.num_params(1024, 768) == 197_376
    squared = sum(p.square() for p in (layer.r, layer.i, layer.j, layer.k))
    # The mean of a squared chi variable with four degrees of freedom is 4.
    assert squared.mean().item() == pytest.approx(4 / (2 * (256 + 128)), rel=0.02)
    x = torch.randn(3, 512)
    torch.testing.assert_close(layer.from_second_half(x), layer(torch.cat([torch.zeros_like(x), x], dim=-1)))


def test_widths_that_are_not_whole_quaternions_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"width is 10; .*nearest: 8 or 12"):
        check_quaternions("QNet", width=10)


def test_convolution_is_the_hamilton_product_at_every_position_of_the_kernel() -> None:
    torch.manual_seed(0)
    layer = QuaternionConv2d(8, 12, kernel_px=3).double()
    assert layer.bias is not None
    nn.init.normal_(layer.bias)
    x = torch.randn(1, 8, 5, 6, dtype=torch.float64)
    padded = functional.pad(x, (1, 1, 1, 1))
    out = layer(x)
    for y_px, x_px in ((0, 0), (2, 3), (4, 5)):
        for number in range(3):
            total = torch.zeros(4, dtype=torch.float64)
            for row, column, channel in itertools.product(range(3), range(3), range(2)):
                weight = torch.stack([p[channel, number, row, column] for p in (layer.r, layer.i, layer.j, layer.k)])
                total += product(weight, padded[0, channel::2, y_px + row, x_px + column])
            torch.testing.assert_close(out[0, number::3, y_px, x_px] - layer.bias[number::3], total)


def test_a_convolution_has_a_quarter_of_the_weights_and_takes_pure_quaternions_directly() -> None:
    layer = QuaternionConv2d(16, 24, kernel_px=3)
    assert sum(p.numel() for p in layer.parameters()) == QuaternionConv2d.num_params(16, 24) == 16 * 24 * 9 // 4 + 24
    x = torch.randn(2, 12, 6, 6)
    torch.testing.assert_close(layer.from_pure(x), layer(torch.cat([torch.zeros(2, 4, 6, 6), x], dim=1)))
    # The start keeps the size of its input: each output is a sum over in / 4 * 9 quaternions.
    y = QuaternionConv2d(64, 64, kernel_px=3)(torch.randn(4, 64, 16, 16))
    assert 0.5 < y.std() < 2
