"""Polygons with an attribute, from GeoJSON or any vector format of GDAL, on the pixel grid of a scene."""

from __future__ import annotations

from rs_adapt.scenes.polygons.arrays import Polygons
from rs_adapt.scenes.polygons.burning import count_without_pixel, rasterize_polygons
from rs_adapt.scenes.polygons.file import PolygonFile, open_polygon_file

__all__ = [
    "PolygonFile",
    "Polygons",
    "count_without_pixel",
    "open_polygon_file",
    "rasterize_polygons",
]
