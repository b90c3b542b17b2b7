"""Cut polygons that reach over half the world to the area around a scene, where its projection is sound."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rs_adapt.scenes.polygons.arrays import LEAST_POINTS, Bounds, Part, Polygons, closed


def clip_polygons(polygons: Polygons, bounds: Bounds) -> Polygons:
    """Cut the parts that reach over a rectangle to it; the others keep their vertices.

    Parts that fall apart stay connected by edges along the rectangle, which enclose nothing.
    """
    x0_P, y0_P, x1_P, y1_P = polygons.bounds_P4.T
    over_P = (x0_P < bounds.x0) | (y0_P < bounds.y0) | (x1_P > bounds.x1) | (y1_P > bounds.y1)
    if not over_P.any():
        return polygons
    return polygons.with_parts(
        [_clip(part, bounds) if over else part for part, over in zip(polygons.parts(), over_P, strict=True)]
    )


def _clip(part: Part, bounds: Bounds) -> Part:
    rings = []
    for number, ring in enumerate(part):
        for axis, limit, sign in ((0, bounds.x0, -1), (1, bounds.y0, -1), (0, bounds.x1, 1), (1, bounds.y1, 1)):
            ring = _halve(ring, axis, limit, sign)
        if len(ring) >= LEAST_POINTS:
            rings.append(ring)
        elif number == 0:
            return []
    return rings


def _halve(ring_N2: NDArray[np.float64], axis: int, limit: float, sign: int) -> NDArray[np.float64]:
    """Cut a ring at a line (Sutherland and Hodgman): each edge gives its crossing, and its end if that is inside."""
    if not len(ring_N2):
        return ring_N2
    start_N2, end_N2 = ring_N2[:-1], ring_N2[1:]
    beyond_N = sign * (start_N2[:, axis] - limit) > 0, sign * (end_N2[:, axis] - limit) > 0
    run_N = end_N2[:, axis] - start_N2[:, axis]
    crosses_N = beyond_N[0] != beyond_N[1]
    share_N = np.divide(limit - start_N2[:, axis], run_N, out=np.zeros_like(run_N), where=crosses_N)
    crossing_N2 = start_N2 + share_N[:, None] * (end_N2 - start_N2)
    crossing_N2[:, axis] = limit
    points_N22 = np.stack([crossing_N2, end_N2], axis=1)
    return closed(points_N22[np.stack([crosses_N, ~beyond_N[1]], axis=1)])
