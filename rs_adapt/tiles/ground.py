"""The ground that tiles show: where it overlaps, and how large a pixel is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rs_adapt.tiles.index import Tile

if TYPE_CHECKING:
    from rasterio.crs import CRS

# Tiles of neighbouring scenes touch; an overlap is more than this share of the smaller tile.
_LEAST_SHARE = 0.01
# Pairs of tiles that are compared at once, 8 bytes a number.
_PAIRS = 1 << 22
_LON_LAT = "OGC:CRS84"


def find_shared_ground(tiles: Sequence[Tile], others: Sequence[Tile]) -> list[int]:
    """Return the positions of the tiles that show ground which other tiles show too.

    Tiles without georeference are not compared, nor those without a reference system with those that have one.

    Args:
        tiles: The tiles to look at.
        others: The tiles to compare them with.
    """
    systems = {tile.crs for tile in (*tiles, *others) if tile.crs is not None}
    shared: set[int] = set()
    for has_system in (True, False):
        rows, columns = (
            [index for index, tile in enumerate(group) if _is_placed(tile) and (tile.crs is not None) == has_system]
            for group in (tiles, others)
        )
        if rows and columns:
            a_N4 = _bounds([tiles[index] for index in rows], in_degrees=len(systems) > 1)
            b_M4 = _bounds([others[index] for index in columns], in_degrees=len(systems) > 1)
            shared |= {rows[position] for position in np.flatnonzero(_overlap(a_N4, b_M4))}
    return sorted(shared)


def median_pixel_m(tiles: Sequence[Tile]) -> float | None:
    """Return the side of a pixel on the ground in metres, the median over tiles; None where no tile states it."""
    from affine import Affine

    from rs_adapt.scenes.georeference import Georeference, pixel_size_m

    sizes = []
    for tile in tiles:
        if tile.crs is not None and _is_placed(tile) and (crs := _parse(tile.crs)) is not None:
            place = Georeference(transform=Affine(*tile.transform), crs=crs)
            sizes.append(pixel_size_m(place, tile.box.x1 - tile.box.x0, tile.box.y1 - tile.box.y0))
    known = [size for size in sizes if size is not None]
    return median(known) if known else None


def _is_placed(tile: Tile) -> bool:
    a, b, _, d, e, _ = tile.transform
    # In a scene without georeference, places are pixels: y points downwards.
    return (a, b, d, e) != (1.0, 0.0, 0.0, 1.0)


def _bounds(tiles: Sequence[Tile], *, in_degrees: bool) -> NDArray[np.float64]:
    """Return the bounding box of each tile on the ground, columns x0, y0, x1, y1, shape (N, 4)."""
    corners_N42 = np.stack([_corners(tile) for tile in tiles])
    if in_degrees:
        from rasterio.warp import transform

        for system in {tile.crs for tile in tiles if tile.crs is not None}:
            rows = [index for index, tile in enumerate(tiles) if tile.crs == system]
            flat_P2 = corners_N42[rows].reshape(-1, 2)
            x, y = transform(_parse(system), _LON_LAT, flat_P2[:, 0], flat_P2[:, 1])
            corners_N42[rows] = np.stack([x, y], axis=-1).reshape(-1, 4, 2)
    return np.concatenate([corners_N42.min(axis=1), corners_N42.max(axis=1)], axis=1)


def _corners(tile: Tile) -> NDArray[np.float64]:
    a, b, c, d, e, f = tile.transform
    width, height = tile.box.x1 - tile.box.x0, tile.box.y1 - tile.box.y0
    return np.array(
        [[a * x + b * y + c, d * x + e * y + f] for x, y in ((0, 0), (width, 0), (width, height), (0, height))]
    )


def _overlap(a_N4: NDArray[np.float64], b_M4: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return for each box whether it overlaps with any of the others, shape (N,)."""
    area_N, area_M = (np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (a_N4, b_M4))
    hit_N = np.zeros(len(a_N4), dtype=bool)
    step = max(1, _PAIRS // len(b_M4))
    for start in range(0, len(a_N4), step):
        rows = slice(start, start + step)
        low = np.maximum(a_N4[rows, None, :2], b_M4[None, :, :2])
        high = np.minimum(a_N4[rows, None, 2:], b_M4[None, :, 2:])
        shared = np.prod((high - low).clip(0), axis=2)
        hit_N[rows] = (shared > _LEAST_SHARE * np.minimum(area_N[rows, None], area_M[None])).any(axis=1)
    return hit_N


@lru_cache(maxsize=64)
def _parse(system: str) -> CRS | None:
    from rs_adapt.scenes.crs import parse_crs

    return parse_crs(system)
