"""Burn polygons into the pixels of a window; a pixel belongs to a polygon that holds its centre (H/W pixels)."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from rasterio.features import rasterize
from rasterio.transform import Affine

from rs_adapt.scenes.polygons.arrays import Bounds, Geometry, Polygons
from rs_adapt.scenes.sources import Box

# Side of the grid that tells whether polygons reach a scene.
COARSE_PX = 1024
FEW = 64
# Polygons up to this size (px) may hold no pixel's centre.
TINY_PX = 3


def rasterize_polygons(
    polygons: Polygons, values_P: NDArray[np.int64], box: Box, *, background: int
) -> NDArray[np.int32]:
    """Burn polygons into a window of a scene; where they overlap, the later one counts.

    Args:
        polygons: Polygons in pixels of the scene, from `PolygonFile.on_grid`.
        values_P: Value of each part, shape (P).
        box: Window in pixels of the scene.
        background: Value of pixels outside all polygons.

    Returns:
        int32, shape (H, W) of the window.
    """
    near_P = polygons.touch(Bounds(*box))
    near = polygons.take(near_P)
    shape = (box.y1 - box.y0, box.x1 - box.x0)
    return _burn(near.shapes(offset=(box.x0, box.y0)), values_P[near_P], shape, background=background)


def reach(polygons: Polygons, width_px: int, height_px: int) -> bool:
    """Return whether any part of a polygon lies in a scene, to 1/1024 of its size."""
    step_px = max(1, math.ceil(max(width_px, height_px) / COARSE_PX))
    shape = (math.ceil(height_px / step_px), math.ceil(width_px / step_px))
    number_P = np.arange(len(polygons))
    # Few decide where a scene is full of polygons.
    for chosen_P in (number_P < FEW, number_P >= FEW):
        some = polygons.take(chosen_P)
        values_P = np.ones(len(some), dtype=np.int64)
        if _burn(some.shapes(), values_P, shape, background=0, step_px=step_px, all_touched=True).any():
            return True
    return False


def count_without_pixel(polygons: Polygons) -> int:
    """Return the number of polygons that hold no pixel's centre.

    Args:
        polygons: Polygons in pixels of the scene.
    """
    bounds_P4 = polygons.bounds_P4
    tiny_P = np.all(bounds_P4[:, 2:] - bounds_P4[:, :2] <= TINY_PX, axis=1)
    larger = set(polygons.feature_P[~tiny_P].tolist())
    tiny = polygons.take(tiny_P)
    if not len(tiny):
        return 0
    # Each is burnt in a cell of its own, moved by whole pixels.
    side = TINY_PX + 1
    columns = math.ceil(math.sqrt(len(tiny)))
    corner_P2 = np.floor(tiny.bounds_P4[:, :2])
    cell_P2 = np.stack(np.divmod(np.arange(len(tiny)), columns)[::-1], axis=1) * side
    points_P = np.diff(tiny.ring_starts[tiny.part_starts])
    moved = tiny.moved(tiny.xy_N2 + np.repeat(cell_P2 - corner_P2, points_P, axis=0))
    burnt = _burn(moved.shapes(), np.arange(len(tiny)), (columns * side, columns * side), background=-1)
    seen_P = np.isin(np.arange(len(tiny)), burnt)
    covering = larger | set(tiny.feature_P[seen_P].tolist())
    return len(set(tiny.feature_P.tolist()) - covering)


def _burn(
    shapes: Iterable[Geometry],
    values_P: NDArray[np.int64],
    shape: tuple[int, int],
    *,
    background: int,
    step_px: int = 1,
    all_touched: bool = False,
) -> NDArray[np.int32]:
    if not len(values_P):
        return np.full(shape, background, dtype=np.int32)
    burnt: NDArray[np.int32] = rasterize(
        zip(shapes, values_P.tolist(), strict=True),
        out_shape=shape,
        transform=Affine.scale(step_px),
        fill=background,
        dtype="int32",
        all_touched=all_touched,
        # By default, what rasterio takes for no polygon becomes background without a word.
        skip_invalid=False,
    )
    return burnt
