"""Fewer corners for the borders of regions: the same ones on both sides, so that no gaps open between neighbours."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from rs_adapt.prediction.borders import Ring

# Most lines have a few corners, for which plain Python is quicker than arrays.
_Line = list[tuple[int, int]]


def simplify_ring(ring: Ring, tolerance_px: float) -> NDArray[np.int64] | None:
    """Remove corners from a ring which lie near the line through those that stay (Douglas and Peucker, 1973).

    Corners where borders meet stay. The line between two of them is simplified in one direction, whichever of its
    regions the ring belongs to, so that both neighbours get the same corners.

    Args:
        ring: The ring.
        tolerance_px: Largest distance of a removed corner from the new line, in pixels.

    Returns:
        Corners that stay, int64 (V, 2), x and y; None where nothing but a line would stay.
    """
    points: _Line = list(zip(ring.x_V.tolist(), ring.y_V.tolist(), strict=True))
    nodes: list[int] = np.flatnonzero(ring.is_node_V).tolist()
    # A ring without nodes starts at its lowest corner, in both directions.
    first = nodes[0] if nodes else points.index(min(points))
    closed = [*points[first:], *points[: first + 1]]
    stops = [*(node - first for node in nodes[1:]), len(points)]
    staying: _Line = []
    start = 0
    for stop in stops:
        for line in _open_lines(closed[start : stop + 1]):
            staying += _simplify_line(line, tolerance_px)[:-1]
        start = stop
    if len(staying) < 3 or not _doubled_area(staying):
        return None
    return np.array(staying)


def _doubled_area(corners: _Line) -> int:
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True))


def _open_lines(line: _Line) -> Iterator[_Line]:
    """Yield a line; one that ends where it starts is cut at its farthest corner."""
    if line[0] != line[-1]:
        yield line
        return
    x0, y0 = line[0]
    # Of corners that are equally far the choice must not depend on the direction.
    farthest = max(line[1:-1], key=lambda corner: ((corner[0] - x0) ** 2 + (corner[1] - y0) ** 2, corner))
    cut = line.index(farthest, 1)
    yield line[: cut + 1]
    yield line[cut:]


def _simplify_line(line: _Line, tolerance_px: float) -> _Line:
    if len(line) < 3:
        return line
    is_reversed = line[0] > line[-1]
    if is_reversed:
        line = line[::-1]
    stays = {0, len(line) - 1}
    waiting = [(0, len(line) - 1)]
    while waiting:
        first, last = waiting.pop()
        if last - first < 2:
            continue
        distance, farthest = _farthest(line, first, last)
        if distance > tolerance_px:
            stays.add(farthest)
            waiting += [(first, farthest), (farthest, last)]
    staying = [line[position] for position in sorted(stays)]
    return staying[::-1] if is_reversed else staying


def _farthest(line: _Line, first: int, last: int) -> tuple[float, int]:
    """Return the distance and position of the corner between two others that is farthest from the line through them."""
    x0, y0 = line[first]
    dx, dy = line[last][0] - x0, line[last][1] - y0
    squared = dx * dx + dy * dy
    most, farthest = -1.0, first
    for position in range(first + 1, last):
        x, y = line[position][0] - x0, line[position][1] - y0
        along = min(1.0, max(0.0, (x * dx + y * dy) / squared)) if squared else 0.0
        distance = math.hypot(x - along * dx, y - along * dy)
        if distance > most:
            most, farthest = distance, position
    return most, farthest
