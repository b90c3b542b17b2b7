"""Smooth noise, cells and lines: the drawing primitives of the synthetic scenes (H/W pixels)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
MOST_POINTS = 4096


def noise(rng: np.random.Generator, size_px: int, scale_px: float, octaves: int = 3) -> Field:
    """Smooth noise with mean 0 and standard deviation 1, shape (size_px, size_px).

    Random grids are enlarged with cubic interpolation and added; each octave has half the scale and half the weight.
    """
    # Octaves are added on a smaller grid where the finest one is still smooth there.
    finest_px = scale_px / 2 ** (octaves - 1)
    small_px = -(-size_px // (4 if finest_px >= 14 else 2 if finest_px >= 6 else 1))
    total = np.zeros((small_px, small_px), dtype=np.float32)
    for octave in range(octaves):
        cells = max(2, round(size_px * 2**octave / scale_px)) + 3
        grid = rng.standard_normal((cells, cells), dtype=np.float32)
        total += _enlarged(grid, small_px) * 0.5**octave
    if small_px < size_px:
        total = np.asarray(cv2.resize(total, (size_px, size_px), interpolation=cv2.INTER_LINEAR), dtype=np.float32)
    total -= total.mean()
    spread = float(total.std())
    return total / max(spread, 1e-6)


def grain(rng: np.random.Generator, size_px: int, blur_px: float) -> Field:
    """Fine noise with mean 0 and standard deviation 1, blurred by `blur_px`."""
    field = rng.standard_normal((size_px, size_px), dtype=np.float32)
    if blur_px > 0:
        field = blurred(field, blur_px)
    return np.asarray(field / max(float(field.std()), 1e-6), dtype=np.float32)


def blurred(field: Field, sigma_px: float) -> Field:
    """Gaussian blur."""
    return np.asarray(cv2.GaussianBlur(field, (0, 0), sigma_px), dtype=np.float32)


def coordinates(size_px: int, gsd_m: float) -> tuple[Field, Field]:
    """Metres to the right and downwards of the scene's centre."""
    axis = (np.arange(size_px, dtype=np.float32) + 0.5 - size_px / 2) * np.float32(gsd_m)
    x_HW, y_HW = np.meshgrid(axis, axis)
    return x_HW, y_HW


def turned(x_HW: Field, y_HW: Field, angle: float) -> tuple[Field, Field]:
    """Coordinates along and across a direction (radians)."""
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return x_HW * c + y_HW * s, y_HW * c - x_HW * s


def cells(
    rng: np.random.Generator, x_HW: Field, y_HW: Field, cell_m: float, jitter: float
) -> tuple[NDArray[np.int32], Field, Field]:
    """Voronoi cells of a jittered grid of points.

    Returns:
        Number of the cell, distance to its nearest border in metres, and the direction of that border in radians.
    """
    reach = float(max(np.abs(x_HW).max(), np.abs(y_HW).max())) + cell_m
    axis = np.arange(-reach, reach + cell_m, cell_m)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    # Every second row is shifted, as in brickwork: fewer crossings with four arms.
    grid[:, 0] += np.where(np.arange(len(grid)) // len(axis) % 2, cell_m / 2, 0.0)
    points = (grid + rng.uniform(-jitter, jitter, grid.shape) * cell_m).astype(np.float32)
    inside = (np.abs(points[:, 0]) < np.abs(x_HW).max() + cell_m) & (np.abs(points[:, 1]) < np.abs(y_HW).max() + cell_m)
    points = points[inside]
    # Distance (in thousandths of a square metre) and number share one integer: two minima then rank the points.
    best = np.full(x_HW.shape, np.iinfo(np.int64).max, dtype=np.int64)
    second = best.copy()
    for i, (px, py) in enumerate(points):
        key = (((x_HW - px) ** 2 + (y_HW - py) ** 2) * np.float32(1000)).astype(np.int64)
        key *= MOST_POINTS
        key += i
        np.minimum(second, np.maximum(best, key), out=second)
        np.minimum(best, key, out=best)
    first_id, second_id = (best % MOST_POINTS).astype(np.int32), (second % MOST_POINTS).astype(np.int32)
    step = points[second_id] - points[first_id]
    apart = np.maximum(np.hypot(step[..., 0], step[..., 1]), 1e-3)
    gap = (second // MOST_POINTS - best // MOST_POINTS).astype(np.float32) / 1000
    border_m = gap / (2 * apart)
    return first_id, border_m, np.arctan2(step[..., 0], -step[..., 1]).astype(np.float32)


def lattice(
    rng: np.random.Generator, u_HW: Field, v_HW: Field, cell_m: float
) -> tuple[NDArray[np.int32], Field, NDArray[np.bool_]]:
    """Blocks of a street grid with uneven spacing.

    Returns:
        Number of the block, distance to its nearest border in metres, and where that border runs along v.
    """
    sides = []
    for field, stretch in ((u_HW, 1.5), (v_HW, 0.85)):
        reach = float(np.abs(field).max()) + 3 * cell_m
        steps = cell_m * stretch * rng.uniform(0.75, 1.25, size=int(2 * reach / (cell_m * stretch * 0.75)) + 2)
        lines = (-reach - rng.uniform(0, cell_m) + np.cumsum(steps)).astype(np.float32)
        index = np.clip(np.searchsorted(lines, field), 1, len(lines) - 1)
        sides.append((index, np.minimum(field - lines[index - 1], lines[index] - field)))
    (iu, du), (iv, dv) = sides
    return (iu * 1000 + iv).astype(np.int32), np.minimum(du, dv).astype(np.float32), du < dv


def curve_distance(rng: np.random.Generator, u_HW: Field, v_HW: Field, swing_m: float, wave_m: float) -> Field:
    """Distance in metres to a winding line that runs along v and is displaced along u."""
    phase = rng.uniform(0, 2 * np.pi, 2)
    waves = np.sin(2 * np.pi * v_HW / wave_m + phase[0]) + 0.4 * np.sin(5 * np.pi * v_HW / wave_m + phase[1])
    return np.asarray(np.abs(u_HW - swing_m * waves), dtype=np.float32)


def per_cell(ids_HW: NDArray[np.int32], values: NDArray[np.float32], shift: int = 0) -> Field:
    """Give each cell one of `values`, in an order that looks random but depends on the number of the cell alone."""
    mixed = (ids_HW.astype(np.int64) * 2654435761 + shift * 40503) >> 7
    return np.asarray(values[mixed % len(values)], dtype=np.float32)


def _enlarged(grid: Field, size_px: int) -> Field:
    # One and a half grid steps are cut off at each side: the border of a cubic enlargement is flat.
    step = size_px / (grid.shape[0] - 3)
    full = cv2.resize(grid, (round(step * grid.shape[0]),) * 2, interpolation=cv2.INTER_CUBIC)
    start = (full.shape[0] - size_px) // 2
    return np.asarray(full[start : start + size_px, start : start + size_px], dtype=np.float32)
