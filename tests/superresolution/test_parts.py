"""Quaternion spatial modelling and dynamic flow convolution."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from rs_adapt.errors import ConfigError
from rs_adapt.superresolution.flow_convolution import (
    MAX_STRETCH,
    DynamicFlowConv,
    count_flow_conv,
    sample_taps,
)
from rs_adapt.superresolution.quaternion_spatial import QuaternionSpatial, count_quaternion_spatial


def num_params(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_quaternion_spatial_is_its_formula_and_has_a_quarter_of_the_weights() -> None:
    torch.manual_seed(0)
    part = QuaternionSpatial(12)
    x = torch.randn(2, 12, 5, 6)
    zero = torch.zeros(2, 4, 5, 6)
    hidden = functional.gelu(
        functional.conv2d(torch.cat([zero, x], 1), part.first.kernel(), part.first.bias, padding=1)
    )
    whole = functional.conv2d(hidden, part.second.kernel(), padding=1)
    torch.testing.assert_close(part(x), x + whole[:, 4:])
    assert num_params(part) == count_quaternion_spatial(12) == 2 * 9 * 16**2 // 4 + 16


def test_quaternion_spatial_needs_three_groups() -> None:
    with pytest.raises(
        ConfigError, match="divides 16 channels into three groups: use a multiple of 3, such as 15 or 18"
    ):
        QuaternionSpatial(16)


def test_every_weight_of_the_parts_learns() -> None:
    torch.manual_seed(0)
    quaternion, flow_conv = QuaternionSpatial(6), DynamicFlowConv(6)
    x, flow = torch.randn(2, 6, 8, 8), torch.randn(2, 2, 8, 8)
    flow_conv(quaternion(x), flow).square().mean().backward()
    for name, parameter in [*quaternion.named_parameters(), *flow_conv.named_parameters()]:
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_along_a_uniform_flow_the_convolution_starts_as_an_ordinary_one() -> None:
    torch.manual_seed(0)
    layer = DynamicFlowConv(4)
    x = torch.randn(1, 4, 7, 9)
    flow = torch.zeros(1, 2, 7, 9)
    flow[:, 0] = 1e4
    padded = functional.pad(x, (1, 1, 1, 1), mode="replicate")
    plain = functional.conv2d(padded, layer.taps.weight, layer.taps.bias)
    torch.testing.assert_close(layer(x, flow), x + layer.mix(functional.gelu(plain)), rtol=1e-4, atol=1e-5)
    assert num_params(layer) == count_flow_conv(4)


def test_turning_the_flow_and_the_features_turns_the_result() -> None:
    torch.manual_seed(0)
    layer = DynamicFlowConv(4)
    x, flow = torch.randn(1, 4, 8, 8), torch.randn(1, 2, 8, 8)
    turned_flow = torch.rot90(torch.stack([-flow[:, 1], flow[:, 0]], dim=1), -1, (2, 3))
    turned = layer(torch.rot90(x, -1, (2, 3)), turned_flow)
    torch.testing.assert_close(turned, torch.rot90(layer(x, flow), -1, (2, 3)), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(layer(x, -flow), layer(x, flow), atol=1e-3)


def test_the_droplet_is_tapered_along_the_flow_and_bounded() -> None:
    layer = DynamicFlowConv(1)
    flow = torch.tensor([0.0, 1e4]).reshape(1, 2, 1, 1)
    x = torch.zeros(1, 1, 1, 1)
    # Length 3, width 1/3, taper -0.5; the flow runs down the rows, and the normal is against the columns.
    layer.droplet.bias.data = torch.tensor([0, 0, 50, -50, -0.5493])
    offsets = layer.offsets(x, flow)[0, :, :, 0, 0].reshape(3, 3, 2)
    behind, ahead = offsets[:, 0], offsets[:, 2]
    torch.testing.assert_close(behind[:, 1], torch.full((3,), -MAX_STRETCH))
    torch.testing.assert_close(ahead[:, 1], torch.full((3,), MAX_STRETCH))
    torch.testing.assert_close(behind[:, 0], torch.tensor([0.5, 0, -0.5]) / MAX_STRETCH, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(ahead[:, 0], torch.tensor([1.5, 0, -1.5]) / MAX_STRETCH, rtol=1e-3, atol=1e-3)
    # Where nothing flows, the taps draw together instead of pointing somewhere.
    assert DynamicFlowConv(1).offsets(x, 0 * flow).abs().max() == 0


def test_taps_are_sampled_bilinearly_and_clamped_to_the_border() -> None:
    x = torch.arange(12.0).reshape(1, 1, 3, 4)
    offsets = torch.zeros(1, 3, 2, 3, 4)
    offsets[:, 1, 0], offsets[:, 2, 1] = 0.25, -1
    sampled = sample_taps(x, offsets)[0, 0]
    torch.testing.assert_close(sampled[0], x[0, 0])
    torch.testing.assert_close(sampled[1, :, :3], x[0, 0, :, :3] + 0.25)
    torch.testing.assert_close(sampled[1, :, 3], x[0, 0, :, 3])
    torch.testing.assert_close(sampled[2], x[0, 0, [0, 0, 1]])
