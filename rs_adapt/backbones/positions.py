"""Positions of patches in units of ground distance, as Scale-MAE has them (Reed et al., arXiv 2212.14532, eq. 1)."""

from __future__ import annotations

import torch
from torch import Tensor

# The ground size of a pixel at which the codes are those of MAE, metres.
REFERENCE_M = 1.0
_BASE = 10000.0


def ground_positions(
    grid_hw: tuple[int, int], embed_dim: int, *, gsd_m: float, device: torch.device | None = None
) -> Tensor:
    """Return sine-cosine codes of a grid of patches whose distances are scaled by the ground size of a pixel.

    With v of width W = D / 2 for one coordinate: `v(pos, 2i) = sin(g/G pos / 10000^(2i/W))` and
    `v(pos, 2i+1) = cos(g/G pos / 10000^(2i/W))`, where g is `gsd_m` and G is 1 m. As in the released weights, the
    sines of a coordinate stand before its cosines, and the column before the row.

    Args:
        grid_hw: Rows and columns of the grid.
        embed_dim: Width D, a multiple of 4.
        gsd_m: Ground size of a pixel, metres.
        device: Where to compute.

    Returns:
        Codes (h*w, D), float32, row by row.
    """
    scale = gsd_m / REFERENCE_M
    rows, columns = (torch.arange(count, device=device, dtype=torch.float32) * scale for count in grid_hw)
    num_waves = embed_dim // 4
    rates = _BASE ** -(torch.arange(num_waves, device=device, dtype=torch.float32) / num_waves)
    by_row, by_column = (
        torch.cat([angles.sin(), angles.cos()], dim=-1)
        for angles in (coordinate[:, None] * rates for coordinate in (rows, columns))
    )
    h, w = grid_hw
    codes_hwD = torch.cat([by_column[None].expand(h, -1, -1), by_row[:, None].expand(-1, w, -1)], dim=-1)
    return codes_hwD.reshape(h * w, embed_dim)
