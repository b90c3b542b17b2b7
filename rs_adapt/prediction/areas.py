"""Places and areas of pixels in the coordinate system of a map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.transform import Affine, GCPTransformer
from rasterio.warp import transform

from rs_adapt.errors import DataError
from rs_adapt.prediction.place import MapPlace

Coordinates = NDArray[np.float64]
# A cylinder of equal area around the ellipsoid: small figures have their true area in it, everywhere.
_EQUAL_AREA = "EPSG:6933"
# Planar areas are used where they differ by less; UTM and national grids do, Web Mercator does not.
_PLANAR_TOLERANCE = 0.01


class PixelPlaces:
    """Coordinates and areas of the pixels of a map.

    Args:
        place: The map's place.
        source: The scene, for errors.

    Raises:
        DataError: The scene has no place or no coordinate system.
    """

    def __init__(self, place: MapPlace, source: Path) -> None:
        if place.transform is None and not place.gcps:
            raise DataError(f"{source} has no place on the map, which polygons need. Leave out --vector.")
        if place.crs is None:
            raise DataError(
                f"{source} states no coordinate system, without which areas in m2 are unknown. Leave out --vector, or "
                f"state it: gdal_edit.py -a_srs EPSG:NUMBER {source}"
            )
        try:
            self.crs = CRS.from_wkt(place.crs)
        except CRSError as error:
            raise DataError(f"The coordinate system of {source} cannot be used for polygons: {error}") from None
        self._affine = None if place.transform is None else Affine(*place.transform[:6])
        self._points = GCPTransformer(list(place.gcps)) if self._affine is None else None
        self._source = source
        x, y = self.coordinates(np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 0.0]))
        # Whether a turn to the left in the picture, first row on top, is one to the right on the map.
        self.is_mirrored = bool((x[1] - x[0]) * (y[2] - y[0]) < (y[1] - y[0]) * (x[2] - x[0]))

    def coordinates(self, x: NDArray[np.number], y: NDArray[np.number]) -> tuple[Coordinates, Coordinates]:
        """Return map coordinates of positions in pixels from the left and the top edge."""
        if self._affine is not None:
            a, b, c, d, e, f = tuple(self._affine)[:6]
            return a * x + b * y + c, d * x + e * y + f
        assert self._points is not None
        eastings, northings = self._points.xy(y, x, offset="ul")
        return np.asarray(eastings, dtype=np.float64), np.asarray(northings, dtype=np.float64)

    def row_areas_m2(self, width_px: int, height_px: int) -> NDArray[np.float64]:
        """Return the area of a pixel of each row, float64 (H,), measured in the middle column.

        It is planar in a projected system whose areas are true to a hundredth, and on the ellipsoid in all others:
        degrees, and Web Mercator.

        Raises:
            DataError: The coordinates lie outside of the earth.
        """
        rows = np.arange(height_px + 1, dtype=np.float64)
        middle = float(width_px // 2)
        x, y = self.coordinates(
            np.concatenate([np.full(height_px + 1, middle), np.full(height_px + 1, middle + 1)]),
            np.concatenate([rows, rows]),
        )
        on_ground_H = _quad_areas(*self.reproject(x, y, _EQUAL_AREA), height_px)
        if not self.crs.is_projected:
            return on_ground_H
        planar_H = _quad_areas(x, y, height_px) * self.crs.linear_units_factor[1] ** 2
        centre = height_px // 2
        is_true = abs(planar_H[centre] - on_ground_H[centre]) <= _PLANAR_TOLERANCE * on_ground_H[centre]
        return planar_H if is_true else on_ground_H

    def reproject(self, x: Coordinates, y: Coordinates, crs: str) -> tuple[Coordinates, Coordinates]:
        """Return coordinates in a different system; longitude comes before latitude.

        Raises:
            DataError: The coordinates lie outside of the system.
        """
        new_x, new_y = (np.asarray(values, dtype=np.float64) for values in transform(self.crs, crs, x, y)[:2])
        if not (np.isfinite(new_x).all() and np.isfinite(new_y).all()):
            raise DataError(
                f"Places of {self._source} have no longitude and latitude, so polygons cannot be written. Check its "
                "coordinate system, or leave out --vector."
            )
        return new_x, new_y


def _quad_areas(x: Coordinates, y: Coordinates, height_px: int) -> NDArray[np.float64]:
    """Return the areas of a column of quadrangles from the corners of their left side, then those of their right."""
    (left_x, right_x), (left_y, right_y) = x.reshape(2, height_px + 1), y.reshape(2, height_px + 1)
    falling = (right_x[1:] - left_x[:-1]) * (right_y[:-1] - left_y[1:])
    rising = (right_x[:-1] - left_x[1:]) * (right_y[1:] - left_y[:-1])
    areas: NDArray[np.float64] = np.abs(falling - rising) / 2
    return areas
