"""The place of a map: that of its scene, moved to a window and scaled to other pixels; and of its tiles."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

from rasterio.control import GroundControlPoint
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.transform import Affine

from rs_adapt.scenes import Box, SceneInfo
from rs_adapt.scenes.gdal_files import open_raster
from rs_adapt.scenes.orientation import Orientation, file_orientation

# Where whole pixels are told apart: the golden section is far from all simple fractions, at which scenes start.
_TURN = (3 - math.sqrt(5)) / 2
# Beyond it the fractions of a pixel are rounding errors.
_MOST_PX = 1e10


@dataclass(frozen=True, kw_only=True)
class MapPlace:
    """The place of a map.

    Attributes:
        crs: WKT; None where the scene states none.
        transform: Six numbers (a, b, c, d, e, f) of the affine pixel -> map transform; None where the scene has none.
        gcps: Ground control points, in place of a transform.
    """

    crs: str | None
    transform: tuple[float, ...] | None
    gcps: tuple[GroundControlPoint, ...] = ()


def place_of(info: SceneInfo, window: Box | None = None) -> MapPlace:
    """Return the place of a window of a scene: the ground control points that the scene has, else its transform.

    Args:
        info: The scene, or the scene at a different pixel size.
        window: The window in pixels of `info`; None for all of it.
    """
    x0, y0 = (window.x0, window.y0) if window is not None else (0, 0)
    if (points := _points(info)) is not None:
        gcps, crs = points
        moved = [
            GroundControlPoint(row=p.row - y0, col=p.col - x0, x=p.x, y=p.y, z=p.z, id=p.id, info=p.info) for p in gcps
        ]
        return MapPlace(crs=crs, transform=None, gcps=tuple(moved))
    if not info.has_place:
        return MapPlace(crs=info.crs, transform=None)
    transform = Affine(*info.transform)
    if x0 or y0:
        transform = transform @ Affine.translation(x0, y0)
    return MapPlace(crs=info.crs, transform=tuple(transform)[:6])


def grid_phase(info: SceneInfo, stride_px: int) -> tuple[int, int]:
    """Return where a scene starts in a grid of tiles that lies fixed on the map.

    Pixels of one transform, moved by whole pixels, form one grid over the whole plane of the reference system; its
    pixel 0 has a corner at the origin, or up to a pixel beside it. Tiles start at its multiples of the stride, so that
    a scene, its crops and its neighbours share them. Rounding errors of a transform do not move the tiles.

    Args:
        info: The scene, at the pixel size of the map.
        stride_px: Pixels from one tile to the next.

    Returns:
        Column and row of the scene's first pixel within its stride, 0 to `stride_px - 1`; 0 for both without a place.
    """
    if not info.has_place:
        return 0, 0
    a, b, c, d, e, f = info.transform
    column, row = ~Affine(a, b, 0.0, d, e, 0.0) @ (c, f)
    if not max(abs(column), abs(row)) < _MOST_PX:
        return 0, 0
    return math.floor(column + _TURN) % stride_px, math.floor(row + _TURN) % stride_px


def _points(info: SceneInfo) -> tuple[list[GroundControlPoint], str | None] | None:
    """Return ground control points in pixels of `info`, as it is shown, and their system; None for none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            with open_raster(info.path) as dataset:
                points, crs = dataset.gcps
                if not points or not dataset.transform.is_identity:
                    return None
                stored = Orientation(dataset.width, dataset.height, file_orientation(info.path, dataset.driver))
        except RasterioError:
            # PIL knows more variants of plain images than GDAL does; these have no points.
            return None
    width_px, height_px = stored.shown_size
    scale_x, scale_y = info.width_px / width_px, info.height_px / height_px
    shown = []
    for p in points:
        x, y = stored.shown_point(p.col, p.row)
        shown.append(GroundControlPoint(row=y * scale_y, col=x * scale_x, x=p.x, y=p.y, z=p.z, id=p.id, info=p.info))
    return shown, crs.to_wkt() if crs else None
