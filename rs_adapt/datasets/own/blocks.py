"""Divide the tiles of one scene: blocks of them are held out, with a gap around each (pixels)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rs_adapt.scenes import Box

# Blocks along a side, at most.
_MOST_BLOCKS = 4
# Smallest share of the tiles that training must have left; a narrower gap is taken before that.
_LEAST_TRAIN = 0.3
# Fewer blocks than these count as a disadvantage.
_ENOUGH_BLOCKS = 4

# First and last tile of a block, the last not included, along x and y.
_Block: TypeAlias = tuple[int, int, int, int]


@dataclass(frozen=True, kw_only=True)
class Division:
    """The positions of the tiles that train and of those that are held out, and the pixels between them at least."""

    train: tuple[int, ...]
    val: tuple[int, ...]
    gap_px: int


def divide_tiles(
    boxes: Sequence[Box], counts_NK: NDArray[np.int64] | None, *, share: float, tile_px: int
) -> Division | None:
    """Hold out blocks of a scene's tiles.

    Blocks lie on a regular grid or at the scene's edges. The one of many such divisions is taken that has every class
    on both sides, holds out nearly `share` of the tiles with nearly the shares of classes of all of them, and loses few
    tiles to the gap; the same tiles always give the same division. No training tile is nearer to a held-out one than a
    tile's side; where that would leave less than 30 % of the tiles to train, half a side, then a quarter, then only
    tiles that touch and do not overlap, and at last a smaller share; as well where training would lack a class.

    Args:
        boxes: Windows of the N tiles in the scene.
        counts_NK: Pixels of each class in each tile, shape (N, K); None where labels must not decide.
        share: Share to hold out, 0 to 1.
        tile_px: Side of a tile.

    Returns:
        The division; None where the scene has too few tiles.
    """
    grid = _Grid(boxes)
    tries = [(share, tile_px), (share, tile_px // 2), (share, tile_px // 4), (share, 0), (share / 2, 0), (share / 4, 0)]
    best: tuple[float, Division] | None = None
    for part, gap_px in tries:
        division = _best_division(grid, counts_NK, share=part, gap_px=gap_px)
        # A narrower gap, rather than training without a class.
        if division is not None and (best is None or division[0] < best[0]):
            best = division
        if best is not None and best[0] == 0:
            break
    return None if best is None else best[1]


def _best_division(
    grid: _Grid, counts_NK: NDArray[np.int64] | None, *, share: float, gap_px: int
) -> tuple[float, Division] | None:
    """Return the number of classes that training lacks, and the division; None where the gap leaves too few tiles."""
    best: tuple[tuple[float, ...], Division] | None = None
    for blocks in _arrangements(grid.num_x, grid.num_y, share):
        val_N, train_N = grid.sides(blocks, gap_px)
        if not val_N.any() or train_N.sum() < max(1.0, _LEAST_TRAIN * len(train_N)):
            continue
        cost = _cost(val_N, train_N, grid.quarters_N4, counts_NK, share, len(blocks))
        if best is None or cost < best[0]:
            train, val = (tuple(map(int, np.flatnonzero(side_N))) for side_N in (train_N, val_N))
            best = (cost, Division(train=train, val=val, gap_px=gap_px))
    return None if best is None else (best[0][0], best[1])


class _Grid:
    """The tiles of a scene in rows and columns; some may be missing."""

    def __init__(self, boxes: Sequence[Box]) -> None:
        self.x0, self.column_of = np.unique([box.x0 for box in boxes], return_inverse=True)
        self.y0, self.row_of = np.unique([box.y0 for box in boxes], return_inverse=True)
        self.x1 = self.x0 + max(box.x1 - box.x0 for box in boxes)
        self.y1 = self.y0 + max(box.y1 - box.y0 for box in boxes)
        self.num_x, self.num_y = len(self.x0), len(self.y0)
        quarter_N = 2 * (2 * self.row_of >= self.num_y) + (2 * self.column_of >= self.num_x)
        self.quarters_N4 = (quarter_N[:, None] == np.arange(4)).astype(np.int64)

    def sides(self, blocks: Sequence[_Block], gap_px: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which tiles are held out, and which are far enough from these to train, shape (N,) each."""
        val, near = np.zeros((2, self.num_y, self.num_x), dtype=bool)
        for left, top, right, bottom in blocks:
            val[top:bottom, left:right] = True
            near_x = (self.x0 < self.x1[right - 1] + gap_px) & (self.x1 > self.x0[left] - gap_px)
            near_y = (self.y0 < self.y1[bottom - 1] + gap_px) & (self.y1 > self.y0[top] - gap_px)
            near |= near_y[:, None] & near_x[None]
        return val[self.row_of, self.column_of], ~near[self.row_of, self.column_of]


def _arrangements(num_x: int, num_y: int, share: float) -> Iterator[list[_Block]]:
    """Yield blocks of different numbers, shapes and places, each time about `share` of the tiles."""
    for many_x, many_y in product(range(1, min(_MOST_BLOCKS, num_x) + 1), range(1, min(_MOST_BLOCKS, num_y) + 1)):
        each = share * num_x * num_y / (many_x * many_y)
        side = max(1, round(each**0.5))
        shapes = {(side, max(1, round(each / side))), (max(1, round(each / side)), side)}
        if many_x == 1:
            shapes.add((num_x, max(1, round(share * num_y / many_y))))
        if many_y == 1:
            shapes.add((max(1, round(share * num_x / many_x)), num_y))
        for wide, high in sorted(shapes):
            if wide * many_x > num_x or high * many_y > num_y:
                continue
            for left, top in product(_starts(num_x, many_x, wide), _starts(num_y, many_y, high)):
                yield [(x, y, x + wide, y + high) for y in top for x in left]


def _starts(number: int, many: int, length: int) -> list[tuple[int, ...]]:
    """Return places of blocks along a side that do not touch: from end to end, or at one place of each equal part."""
    last = number - length
    ends = [(last,), (0,)] if many == 1 else [tuple(round(index * last / (many - 1)) for index in range(many))]
    inside = [
        tuple(min(last, max(0, round((index + part) * number / many - length / 2))) for index in range(many))
        for part in (1 / 2, 1 / 3, 2 / 3)
    ]
    return [
        starts
        for starts in dict.fromkeys([*ends, *inside])
        if all(here + length < after for here, after in pairwise(starts))
    ]


def _cost(
    val_N: NDArray[np.bool_],
    train_N: NDArray[np.bool_],
    quarters_N4: NDArray[np.int64],
    counts_NK: NDArray[np.int64] | None,
    share: float,
    num_blocks: int,
) -> tuple[float, ...]:
    """Return the classes that training lacks, those that scoring lacks, and the other faults of a division."""
    held, left = float(val_N.mean()), float(train_N.mean())
    cost = abs(held - share) / share + (1 - held - left)
    # Several blocks all over a scene show more of it than one at its edge.
    cost += max(0, 1 - num_blocks / _ENOUGH_BLOCKS) / 4 + _difference(quarters_N4, val_N, train_N) / 3
    if counts_NK is None:
        return (0, 0, round(cost, 1))
    cost += _difference(counts_NK, val_N, train_N)
    there_K, val_K, train_K = counts_NK.sum(axis=0) > 0, counts_NK[val_N].sum(axis=0), counts_NK[train_N].sum(axis=0)
    return (float((there_K & (train_K == 0)).sum()), float((there_K & (val_K == 0)).sum()), round(cost, 1))


def _difference(counts_NK: NDArray[np.int64], val_N: NDArray[np.bool_], train_N: NDArray[np.bool_]) -> float:
    """Return how much the shares of K kinds differ between two sides, 0 to 2."""
    val_K, train_K = counts_NK[val_N].sum(axis=0), counts_NK[train_N].sum(axis=0)
    return float(np.abs(val_K / max(1, val_K.sum()) - train_K / max(1, train_K.sum())).sum())
