"""Dynamic flow convolution of FISR: kernels whose taps follow the flow (B batch, C channels, h/w pixels, T taps)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

# Taps of a kernel as (along, across), row by row: -1, 0, 1 each.
_TAPS = tuple((along, across) for across in (-1.0, 0.0, 1.0) for along in (-1.0, 0.0, 1.0))
# Droplets are at most this many times as long or as wide as a kernel of 3 x 3, and at least its inverse.
MAX_STRETCH = 3.0
# Velocities below this part of the standard deviation have no direction; the taps of their kernels draw together.
_NO_DIRECTION = 0.1


class DynamicFlowConv(nn.Module):
    """Dynamic flow convolution (FISR, arXiv 2401.15913), whose samples lie in a droplet along the local flow.

    The paper gives the idea, deformable sampling that follows droplet-like shapes, and neither offsets nor kernel size
    nor constraints; this is one form of it. With the unit vector t of the in-plane velocity, corrected by the features,
    its normal n, and a length l, a width b and a taper q in (-1, 1) computed from the features at every pixel, tap
    (a, c) of a kernel of 3 x 3, a and c in {-1, 0, 1}, samples at

        a l t + c b (1 - q a) n

    pixels from the centre, bilinearly: a droplet that is narrow ahead and broad behind, or the reverse. The result is
    `x + V gelu(sum over taps W_tap x(tap))` with V of 1 x 1. At the start the correction is 0, l = b = 1 and q = 0: a
    convolution of 3 x 3 that is turned into the direction of the flow, so that turning the flow and the features turns
    the result.

    Trained: `9 C^2 + C` for W, `C^2 + C` for V, `5 (9 C + 1)` for the droplet.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.taps = nn.Conv2d(channels, channels, 3)
        self.mix = nn.Conv2d(channels, channels, 1)
        self.droplet = nn.Conv2d(channels, 5, 3, padding=1)
        nn.init.zeros_(self.droplet.weight)
        nn.init.zeros_(self.droplet.bias)  # type: ignore[arg-type]

    def forward(self, x_BChw: Tensor, flow_B2hw: Tensor) -> Tensor:
        """Map features to features of the same shape.

        Args:
            x_BChw: Features (B, C, h, w).
            flow_B2hw: Velocity along the columns and along the rows, in standard deviations.
        """
        sampled = sample_taps(x_BChw, self.offsets(x_BChw, flow_B2hw))
        kernel = self.taps.weight.flatten(2)
        hidden = torch.einsum("bcthw,oct->bohw", sampled, kernel)
        hidden = hidden + self.taps.bias.reshape(1, -1, 1, 1)  # type: ignore[union-attr]
        change: Tensor = self.mix(functional.gelu(hidden))
        return x_BChw + change

    def offsets(self, x_BChw: Tensor, flow_B2hw: Tensor) -> Tensor:
        """Return the offsets of the taps, pixels (B, T, 2, h, w): along the columns, then along the rows."""
        droplet = self.droplet(x_BChw)
        direction = flow_B2hw + droplet[:, :2]
        along = direction * (direction.square().sum(dim=1, keepdim=True) + _NO_DIRECTION**2).rsqrt()
        across = torch.stack([-along[:, 1], along[:, 0]], dim=1)
        length, breadth = MAX_STRETCH ** torch.tanh(droplet[:, 2:3]), MAX_STRETCH ** torch.tanh(droplet[:, 3:4])
        taper = torch.tanh(droplet[:, 4:5])
        places = [a * length * along + c * breadth * (1 - a * taper) * across for a, c in _TAPS]
        return torch.stack(places, dim=1)


def sample_taps(x_BChw: Tensor, offsets_BT2hw: Tensor) -> Tensor:
    """Return the features at offsets from every pixel (B, C, T, h, w), bilinear; those outside are the border's."""
    batch, channels, height, width = x_BChw.shape
    taps = offsets_BT2hw.shape[1]
    rows = torch.arange(height, device=x_BChw.device, dtype=x_BChw.dtype)
    columns = torch.arange(width, device=x_BChw.device, dtype=x_BChw.dtype)
    # grid_sample counts from -1 at the outer edge of the first pixel to 1 at that of the last.
    x = (2 * (columns[None, None, None, :] + offsets_BT2hw[:, :, 0]) + 1) / width - 1
    y = (2 * (rows[None, None, :, None] + offsets_BT2hw[:, :, 1]) + 1) / height - 1
    grid = torch.stack([x, y], dim=-1).reshape(batch, taps * height, width, 2)
    sampled = functional.grid_sample(x_BChw, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return sampled.reshape(batch, channels, taps, height, width)


def count_flow_conv(channels: int) -> int:
    """Return the number of parameters of `DynamicFlowConv`."""
    return 9 * channels**2 + channels + channels**2 + channels + 5 * (9 * channels + 1)
