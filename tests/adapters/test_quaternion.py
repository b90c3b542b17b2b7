"""Quaternion products as real matrices."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rs_adapt.adapters._quaternion import QuaternionLinear, check_quaternions, hamilton_matrix
from rs_adapt.errors import ConfigError


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
