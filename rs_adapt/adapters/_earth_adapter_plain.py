"""Earth-Adapter as the paper writes it, with an FFT over all channels: the reference for tests and benchmarks.

Shapes: B batch, N patch tokens, D embed, h/w token grid, R rank.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, kw_only=True)
class Bottleneck:
    """Weights of one expert, `up relu(down v + down_bias) + up_bias`."""

    down_RD: Tensor
    down_bias_R: Tensor
    up_DR: Tensor
    up_bias_D: Tensor

    def __call__(self, v_BND: Tensor) -> Tensor:
        """Apply the expert to tokens (B, N, D)."""
        hidden_BNR = functional.relu(functional.linear(v_BND, self.down_RD, self.down_bias_R))
        return functional.linear(hidden_BNR, self.up_DR, self.up_bias_D)


def low_pass(x_BND: Tensor, grid_hw: tuple[int, int], half_hw: tuple[int, int]) -> Tensor:
    """Preserve only a box of the shifted 2-D spectrum: rows `centre - a .. centre + a - 1`, columns alike with c.

    Args:
        x_BND: Patch tokens, real.
        grid_hw: Rows and columns of the token grid.
        half_hw: Half the height a and half the width c of the box, in frequency bins.

    Returns:
        Real part of the filtered tokens, (B, N, D).
    """
    (h, w), (a, c) = grid_hw, half_hw
    grid_BDhw = x_BND.transpose(1, 2).reshape(*x_BND.shape[::2], h, w)
    spectrum = torch.fft.fftshift(torch.fft.fft2(grid_BDhw, norm="ortho"), dim=(-2, -1))
    mask_hw = torch.zeros(grid_hw, dtype=x_BND.dtype, device=x_BND.device)
    mask_hw[h // 2 - a : h // 2 + a, w // 2 - c : w // 2 + c] = 1
    low_spectrum = torch.fft.ifftshift(spectrum * mask_hw, dim=(-2, -1))
    low_BDhw: Tensor = torch.fft.ifft2(low_spectrum, norm="ortho").real
    return low_BDhw.flatten(2).transpose(1, 2)


def earth_adapter_plain(
    x_BND: Tensor,
    grid_hw: tuple[int, int],
    *,
    experts: tuple[Bottleneck, ...],
    router: tuple[Tensor, Tensor] | None,
    scale: Tensor,
    half_hw: tuple[int, int],
    num_prefix: int = 1,
) -> Tensor:
    """Apply one layer of Earth-Adapter.

    Args:
        x_BND: Tokens of a block, prefix first.
        grid_hw: Rows and columns of the token grid.
        experts: One (spatial-only layer) or three (spatial, low frequency, high frequency).
        router: Weight (3, D) and bias (3,), or None in a spatial-only layer.
        scale: Scalar.
        half_hw: Half the height and half the width of the low-pass box.
        num_prefix: Tokens before the patches; they pass unchanged.

    Returns:
        Tokens of the same shape.
    """
    prefix_BPD, patches_BND = x_BND[:, :num_prefix], x_BND[:, num_prefix:]
    if router is None:
        delta_BND = experts[0](patches_BND)
    else:
        low_BND = low_pass(patches_BND, grid_hw, half_hw)
        views = (patches_BND, low_BND, patches_BND - low_BND)
        mix_BN3 = functional.linear(patches_BND, *router).softmax(dim=-1)
        delta_BND = torch.zeros_like(patches_BND)
        for i, (expert, view_BND) in enumerate(zip(experts, views, strict=True)):
            delta_BND = delta_BND + mix_BN3[..., i : i + 1] * expert(view_BND)
    return torch.cat([prefix_BPD, patches_BND + scale * delta_BND], dim=1)
