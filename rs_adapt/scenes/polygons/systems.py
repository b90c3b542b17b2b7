"""Reference systems of polygons: the names that files give them, and coordinates from one to another."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.errors import CRSError, RasterioError
from rasterio.warp import transform, transform_bounds

from rs_adapt.errors import DataError
from rs_adapt.scenes.polygons.arrays import Bounds


def is_lon_lat(bounds: Bounds) -> bool:
    """Return whether coordinates may be longitude and latitude; degrees may also be counted from 0 to 360."""
    return -360 <= bounds.x0 <= bounds.x1 <= 360 and -90 <= bounds.y0 <= bounds.y1 <= 90


def is_on_earth(crs: CRS) -> bool:
    """Return whether coordinates of a system have a place on the earth; those of a local one have none."""
    return bool(crs.is_geographic or crs.is_projected)


def crs_name(crs: CRS) -> str:
    """Return "EPSG:n" where a system has such a number, else the name in its definition."""
    text: str = crs.to_string()
    if not text.startswith(("EPSG:", "OGC:")):
        match = re.search(r'"([^"]+)"', crs.to_wkt())
        return match[1] if match else text
    return text


def transform_points(xy_N2: NDArray[np.float64], source: CRS, goal: CRS) -> NDArray[np.float64]:
    """Return vertices in a different reference system.

    Raises:
        DataError: There is no way from one to the other, or it does not reach a vertex.
    """
    if source == goal or not len(xy_N2):
        return xy_N2
    with _readable(source, goal):
        x_N, y_N = transform(source, goal, xy_N2[:, 0], xy_N2[:, 1])
    moved_N2 = np.stack([x_N, y_N], axis=1)
    if not np.isfinite(moved_N2).all():
        raise DataError(_no_way(source, goal))
    return moved_N2


def transform_rectangle(bounds: Bounds, source: CRS, goal: CRS) -> Bounds:
    """Return the rectangle of a different system that holds a rectangle; x0 > x1 where it crosses 180 degrees.

    Raises:
        DataError: There is no way from one to the other.
    """
    if source == goal:
        return bounds
    with _readable(source, goal):
        around = Bounds(*transform_bounds(source, goal, *bounds, densify_pts=21))
    if not np.isfinite(around).all():
        raise DataError(_no_way(source, goal))
    return around


@contextmanager
def _readable(source: CRS, goal: CRS) -> Iterator[None]:
    try:
        with rasterio.Env():
            yield
    except (CRSError, RasterioError, CPLE_BaseError, ValueError) as error:
        raise DataError(f"{_no_way(source, goal)} ({error!s:.100})") from error


def _no_way(source: CRS, goal: CRS) -> str:
    return f"the coordinates cannot be brought from {crs_name(source)} to {crs_name(goal)}"
