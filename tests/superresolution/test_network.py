from __future__ import annotations

from typing import Any

import pytest
import torch

from rs_adapt.errors import ConfigError
from rs_adapt.superresolution.flow_convolution import count_flow_conv
from rs_adapt.superresolution.network import FlowNetwork, interpolate, reconstruction_loss
from rs_adapt.superresolution.quaternion_spatial import count_quaternion_spatial

TINY = {
    "scale": 4,
    "embed_dim": 12,
    "depths": (2,),
    "num_heads": 2,
    "window_px": 4,
    "mlp_ratio": 1.0,
    "quaternion": True,
    "flow_conv": True,
}


def build(**changes: Any) -> FlowNetwork:
    torch.manual_seed(0)
    return FlowNetwork(**(TINY | changes))


@pytest.mark.parametrize(("scale", "side"), [(2, (8, 8)), (4, (6, 9)), (8, (4, 4))])
def test_training_starts_at_the_bicubic_interpolation(scale: int, side: tuple[int, int]) -> None:
    coarse = torch.randn(2, 3, *side)
    fine = build(scale=scale)(coarse)
    assert fine.shape == (2, 3, side[0] * scale, side[1] * scale)
    torch.testing.assert_close(fine, interpolate(coarse, scale))


def test_parts_add_their_parameters_and_nothing_else() -> None:
    counts = {
        (q, d): sum(p.numel() for p in build(quaternion=q, flow_conv=d).parameters())
        for q in (False, True)
        for d in (False, True)
    }
    assert counts[True, False] - counts[False, False] == count_quaternion_spatial(12)
    assert counts[False, True] - counts[False, False] == count_flow_conv(12)
    assert counts[True, True] == counts[True, False] + count_flow_conv(12)


def test_padding_to_whole_windows_leaves_other_windows_alone() -> None:
    network = build(quaternion=False, flow_conv=False)
    coarse = torch.randn(1, 3, 8, 8)
    torch.testing.assert_close(network.features(coarse), network.body(coarse).last_hidden_state)
    assert network.features(coarse[..., :7, :6]).shape == (1, 12, 7, 6)
    # No mean of colour images is subtracted: a velocity of 0 is 0.
    assert network.body.pad_and_normalize(torch.zeros(1, 3, 8, 8)).abs().max() == 0


def test_interpolation_of_a_linear_image_is_exact_inside() -> None:
    ramp = torch.arange(8.0).expand(1, 3, 8, 8)
    fine = interpolate(ramp, 4)
    expected = (torch.arange(32) + 0.5) / 4 - 0.5
    torch.testing.assert_close(fine[0, 0, 16, 8:24], expected[8:24])


def test_every_network_learns_an_image() -> None:
    torch.manual_seed(1)
    truth = torch.randn(2, 3, 16, 16)
    coarse = torch.nn.functional.avg_pool2d(truth, 4)
    for quaternion, flow_conv in ((False, False), (True, False), (False, True), (True, True)):
        network = build(quaternion=quaternion, flow_conv=flow_conv)
        optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
        losses = []
        for _ in range(12):
            loss = reconstruction_loss(network(coarse), truth)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < 0.95 * losses[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scale": 3}, "The factor of super-resolution is 3; allowed are 2, 4, 8."),
        ({"num_heads": 5}, "12 channels cannot be divided among 5 attention heads."),
        ({"window_px": 1}, "window_px is 1"),
        ({"depths": ()}, "at least one group"),
    ],
)
def test_impossible_networks_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(**changes)
