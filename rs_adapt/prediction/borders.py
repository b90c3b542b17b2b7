"""The borders of regions as rings of pixel corners, traced strip by strip."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rs_adapt.errors import RunFailed

# Straight pieces of border that wait for the end of their regions: 22 bytes each, and about 100 more while traced.
_MOST_PIECES = 8_000_000
_NORTH, _EAST, _SOUTH, _WEST = range(4)


@dataclass(frozen=True, kw_only=True)
class Ring:
    """A closed line around a region, or around a hole in it (V corners).

    The region lies on the left where the picture is seen with its first row on top.

    Attributes:
        region: Number of the region.
        x_V: Columns of the corners, in pixels from the left edge.
        y_V: Rows of the corners, in pixels from the top edge.
        is_node_V: Whether borders of more than two sides meet here.
        is_outer: Whether it is around the region.
    """

    region: int
    x_V: NDArray[np.int64]
    y_V: NDArray[np.int64]
    is_node_V: NDArray[np.bool_]
    is_outer: bool


@dataclass(frozen=True, kw_only=True)
class _Pieces:
    """Straight pieces of border (P), each with its region on the left; corners are numbered row by row."""

    region_P: NDArray[np.int32]
    start_P: NDArray[np.int64]
    stop_P: NDArray[np.int64]
    direction_P: NDArray[np.int8]
    from_node_P: NDArray[np.bool_]

    def take(self, positions: NDArray[np.intp]) -> _Pieces:
        return _Pieces(**{name: values[positions] for name, values in vars(self).items()})

    @classmethod
    def joined(cls, parts: list[_Pieces]) -> _Pieces:
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])})


class BorderTracer:
    """Collects the borders of regions and gives the rings of those that are complete.

    Args:
        width_px: Columns of the map.
        last_strip_N: Last strip of each region.
        source: The map, for errors.
    """

    def __init__(self, width_px: int, last_strip_N: NDArray[np.int64], source: str) -> None:
        self._width_px, self._last_strip_N, self._source = width_px, last_strip_N, source
        self._waiting: defaultdict[int, list[_Pieces]] = defaultdict(list)
        self._number = 0

    def add(self, regions_HW: NDArray[np.int32], first_row: int) -> None:
        """Add a strip.

        Args:
            regions_HW: Numbers of regions, -1 for none, with one more row above and below.
            first_row: Row of the map below the first row given.

        Raises:
            RunFailed: The borders of open regions do not fit into memory.
        """
        pieces = _find_pieces(regions_HW, first_row, self._width_px)
        self._number += len(pieces.region_P)
        if self._number > _MOST_PIECES:
            raise RunFailed(
                f"{self._source} is not written: polygons that reach over many rows would have "
                f"more than {_MOST_PIECES // 10**6} million corners, which do not fit into memory. Merge small ones "
                "with --min-area, or predict parts of the scene."
            )
        last_strip_P = self._last_strip_N[pieces.region_P]
        for strip in np.unique(last_strip_P):
            self._waiting[int(strip)].append(pieces.take(np.flatnonzero(last_strip_P == strip)))

    def take(self, strip: int) -> Iterator[list[Ring]]:
        """Yield the rings of each region that ends in a strip; the outer one first."""
        parts = self._waiting.pop(strip, [])
        if not parts:
            return
        pieces = _Pieces.joined(parts)
        self._number -= len(pieces.region_P)
        rings: list[Ring] = []
        for ring in _trace(pieces, self._width_px + 1):
            if rings and ring.region != rings[0].region:
                yield sorted(rings, key=lambda each: not each.is_outer)
                rings = []
            rings.append(ring)
        yield sorted(rings, key=lambda each: not each.is_outer)


def _find_pieces(regions_HW: NDArray[np.int32], first_row: int, width_px: int) -> _Pieces:
    padded = np.pad(regions_HW, ((0, 0), (1, 1)), constant_values=-1)
    height_px = len(padded) - 2
    across = padded[:-1, 1:-1] != padded[1:, 1:-1]  # Below each row but the last: (H + 1, W).
    upright = padded[:, :-1] != padded[:, 1:]  # Left of each pixel, and right of the last: (H + 2, W + 1).
    left = np.pad(across, ((0, 0), (1, 0)))
    right = np.pad(across, ((0, 0), (0, 1)))
    above, below = upright[:-1], upright[1:]
    is_node = left.astype(np.int8) + right + above + below >= 3
    turns_across = ~(left & right) | above | below
    turns_upright = ~(above & below) | left | right
    # Pieces end at the edges of a strip; the corners there are removed when rings are traced.
    turns_upright[[0, -1]] = True

    # The edge below a strip is traced with it, since regions of the strip may end there.
    across[: 0 if first_row == 0 else 1] = False
    starts = np.flatnonzero(across & turns_across[:, :-1])
    stops = np.flatnonzero(across & turns_across[:, 1:])
    y, x0 = np.divmod(starts, width_px)
    x1 = stops % width_px + 1
    parts = [
        (padded[y, x0 + 1], (y, x0), (y, x1), _EAST),
        (padded[y + 1, x0 + 1], (y, x1), (y, x0), _WEST),
    ]
    upright = upright[1:-1].T
    starts = np.flatnonzero(upright & turns_upright[:-1].T)
    stops = np.flatnonzero(upright & turns_upright[1:].T)
    x, y0 = np.divmod(starts, height_px)
    y1 = stops % height_px + 1
    parts += [
        (padded[y0 + 1, x], (y1, x), (y0, x), _NORTH),
        (padded[y0 + 1, x + 1], (y0, x), (y1, x), _SOUTH),
    ]
    every: list[_Pieces] = []
    for region, (start_y, start_x), (stop_y, stop_x), direction in parts:
        pieces = _Pieces(
            region_P=region,
            start_P=(start_y + first_row) * (width_px + 1) + start_x,
            stop_P=(stop_y + first_row) * (width_px + 1) + stop_x,
            direction_P=np.full(len(region), direction, dtype=np.int8),
            from_node_P=is_node[start_y, start_x],
        )
        every.append(pieces.take(np.flatnonzero(region >= 0)))
    return _Pieces.joined(every)


def _trace(pieces: _Pieces, corners_a_row: int) -> Iterator[Ring]:
    """Yield the rings of pieces, region by region.

    Where a region touches itself at a corner, two of its pieces arrive and two leave. Each turns right there, away from
    the region, so that rings touch but do not cross or visit a corner twice, as the OGC's rules for polygons ask.
    """
    leaving = np.lexsort((pieces.direction_P, pieces.start_P, pieces.region_P))
    arriving = np.lexsort(((pieces.direction_P + 1) % 4, pieces.stop_P, pieces.region_P))
    following = np.empty(len(leaving), dtype=np.int64)
    following[arriving] = leaving
    follows: list[int] = following.tolist()
    seen = bytearray(len(follows))
    walk: list[int] = []
    starts: list[int] = []
    for first in map(int, leaving):
        if seen[first]:
            continue
        starts.append(len(walk))
        piece = first
        while not seen[piece]:
            seen[piece] = 1
            walk.append(piece)
            piece = follows[piece]
    in_order = pieces.take(np.array(walk))
    first_R = np.array(starts)
    length_R = np.diff(np.append(first_R, len(walk)))
    before = np.arange(-1, len(walk) - 1)
    before[first_R] = first_R + length_R - 1
    turns = in_order.from_node_P | (in_order.direction_P != in_order.direction_P[before])
    y, x = np.divmod(in_order.start_P[turns], corners_a_row)
    is_node = in_order.from_node_P[turns]
    region_R = in_order.region_P[first_R]
    first_R = np.append(0, np.cumsum(np.add.reduceat(turns, first_R, dtype=np.int64)))
    # Twice the area, of the picture seen with its first row on top.
    after = np.arange(1, len(x) + 1)
    after[first_R[1:] - 1] = first_R[:-1]
    doubled_R = np.add.reduceat(x[after] * y - x * y[after], first_R[:-1])
    for region, start, stop, doubled in zip(
        region_R.tolist(), first_R[:-1].tolist(), first_R[1:].tolist(), doubled_R.tolist(), strict=True
    ):
        yield Ring(
            region=region, x_V=x[start:stop], y_V=y[start:stop], is_node_V=is_node[start:stop], is_outer=doubled > 0
        )
