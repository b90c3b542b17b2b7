"""Patch kernels and position grids at a new size.

Shapes: N positions, D embed, C channels, h/w grid.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from rs_adapt.backbones.conversion import Names
from rs_adapt.errors import ConfigError, WeightsError


def resize(
    state: Mapping[str, Tensor], names: Names, *, patch_px: int | None, image_px: int | None, antialias: bool = False
) -> dict[str, Tensor]:
    """Resize patch kernel and position grid of a state under our names; tensors that fit are left unchanged.

    Bicubic without aligned corners, as Rein's published conversion does (patch 14 -> 16, grid 37 -> 32). The kernel's
    sum is not rescaled, so patch responses grow by about (16 / 14)^2.

    Args:
        state: Tensors under our names, not necessarily all.
        names: The names of the family.
        patch_px: New patch size, pixels; None leaves the file's.
        image_px: Image size for whose square grid (side image_px // patch_px) the positions are resized; None leaves
            the file's.
        antialias: Smooth positions before their grid gets smaller, where the model itself does so.

    Raises:
        ConfigError: If image_px is given and the patch size is neither given nor in the state.
        WeightsError: If the position grid is not square.
    """
    resized = dict(state)
    if patch_px is not None and names.kernel in state:
        resized[names.kernel] = bicubic(state[names.kernel], (patch_px, patch_px))
    if image_px is not None and names.positions is not None and names.positions in state:
        if patch_px is None and names.kernel not in state:
            raise ConfigError(
                f"image_px={image_px} alone does not determine the token grid: give patch_px too, or weights "
                "with a patch kernel."
            )
        patch = patch_px or state[names.kernel].shape[-1]
        resized[names.positions] = _resize_positions(state[names.positions], image_px // patch, antialias=antialias)
    return resized


def _resize_positions(positions: Tensor, grid: int, *, antialias: bool) -> Tensor:
    if positions.ndim == 4:
        return bicubic(positions.permute(0, 3, 1, 2), (grid, grid), antialias=antialias).permute(0, 2, 3, 1)
    positions_ND = positions.reshape(-1, positions.shape[-1])
    num_patches, embed_dim = positions_ND.shape[0] - 1, positions_ND.shape[1]
    side = math.isqrt(num_patches)
    if side * side != num_patches:
        raise WeightsError(
            f"{num_patches} position embeddings do not form a square grid and cannot be resized to {grid} x {grid}."
        )
    if side == grid:
        return positions
    map_1Dhw = positions_ND[1:].reshape(1, side, side, embed_dim).permute(0, 3, 1, 2)
    patches_1hwD = bicubic(map_1Dhw, (grid, grid), antialias=antialias).permute(0, 2, 3, 1)
    resized_ND = torch.cat([positions_ND[:1].float(), patches_1hwD.reshape(-1, embed_dim)])
    return resized_ND.reshape(*positions.shape[:-2], *resized_ND.shape)


def bicubic(image_NChw: Tensor, size_hw: tuple[int, int], *, antialias: bool = False) -> Tensor:
    """Resize maps in fp32, corners not aligned; maps that have the size already are returned unchanged."""
    if tuple(image_NChw.shape[-2:]) == size_hw:
        return image_NChw
    return F.interpolate(image_NChw.float(), size=size_hw, mode="bicubic", align_corners=False, antialias=antialias)
