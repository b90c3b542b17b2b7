"""Polygons with an attribute -> class values on the grid of a scene (H/W pixels).

GeoJSON is read as it is; other formats (GeoPackage, Shapefile) through fiona, an optional package.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.features import rasterize
from rasterio.transform import Affine
from rasterio.warp import transform_geom

from rs_adapt.errors import DataError, DataNotFound
from rs_adapt.scenes.sources import Box, SceneInfo

JSON_SUFFIXES = (".geojson", ".json")
# RFC 7946: coordinates without another system are longitude and latitude.
_GEOJSON_CRS = "OGC:CRS84"
# GeoJSON objects, as json and fiona give them.
Geometry: TypeAlias = Mapping[str, Any]
Feature: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Polygons:
    """Features of a file: GeoJSON geometries, the text of their attribute, and their reference system (WKT or code).

    `crs` is None where the coordinates are pixels of the scene, which has no georeference.
    """

    path: Path
    geometries: tuple[Geometry, ...]
    texts: tuple[str, ...]
    crs: str | None


def read_polygons(path: Path, column: str) -> Polygons:
    """Read the polygons of a file.

    Args:
        path: GeoJSON, or with fiona installed any vector format of GDAL.
        column: Attribute that names the class; its value is taken as text.

    Raises:
        DataNotFound: There is no such file, or fiona is needed and not installed.
        DataError: The file cannot be read, or a feature is no polygon or lacks the attribute.
    """
    if not path.is_file():
        raise DataNotFound(f"There is no file of polygons {path}: check the path.")
    crs, features = _from_json(path) if path.suffix.lower() in JSON_SUFFIXES else _with_fiona(path)
    geometries, texts = [], []
    for number, feature in enumerate(features):
        geometry, attributes = feature.get("geometry"), feature.get("properties") or {}
        if column not in attributes:
            known = ", ".join(map(str, attributes)) or "none"
            raise DataError(f"{path}: feature {number} has no attribute {column!r}. It has: {known}.")
        if geometry is None or geometry.get("type") not in ("Polygon", "MultiPolygon"):
            kind = None if geometry is None else geometry.get("type")
            raise DataError(f"{path}: feature {number} is a {kind}; labels are polygons.")
        geometries.append(geometry)
        texts.append(str(attributes[column]))
    return Polygons(path=path, geometries=tuple(geometries), texts=tuple(texts), crs=crs)


class PolygonFile:
    """The polygons of a file or of one layer of it; `open_polygon_file` reads each once a process.

    Args:
        path: GeoJSON, or with fiona installed any vector format of GDAL.
        column: Attribute that names the class; None for a file whose attributes do not matter.
    """

    def __init__(self, path: Path, *, column: str | None) -> None:
        self.path, self.column = path, column
        self._polygons = read_polygons(path, column or "")

    def on_grid(self, image: SceneInfo) -> Polygons:
        """Return the polygons in the reference system of a scene; those of a scene without one are taken as pixels.

        Raises:
            DataError: They cannot be transformed.
        """
        return reproject_polygons(self._polygons, image)


def open_polygon_file(path: Path, *, column: str | None = None) -> PolygonFile:
    """Return the polygons of a file, from memory where the process has read it before and it has not changed.

    Raises:
        DataNotFound: There is no such file, or fiona is needed and not installed.
        DataError: The file cannot be read, or a feature is no polygon or lacks the attribute.
    """
    if not path.is_file():
        raise DataNotFound(f"There is no file of polygons {path}: check the path.")
    state = path.stat()
    return _open_cached(path, column, (state.st_size, state.st_mtime_ns))


# Scenes with a file each take turns, so few are worth their memory.
@lru_cache(maxsize=4)
def _open_cached(path: Path, column: str | None, _state: tuple[int, int]) -> PolygonFile:
    return PolygonFile(path, column=column)


def rasterize_polygons(
    polygons: Polygons, scene: SceneInfo, values: Sequence[int], box: Box, *, background: int
) -> NDArray[np.int32]:
    """Burn polygons into a window of a scene; where they overlap, the later one counts.

    A pixel belongs to a polygon that holds its centre.

    Args:
        polygons: From `read_polygons`, in the scene's reference system (`reproject_polygons`).
        scene: The scene.
        values: Value of each polygon.
        box: Window in pixels of the scene.
        background: Value of pixels outside all polygons.

    Returns:
        int32, shape (H, W) of the window.
    """
    shape = (box.y1 - box.y0, box.x1 - box.x0)
    if not polygons.geometries:
        return np.full(shape, background, dtype=np.int32)
    a, b, c, d, e, f = scene.transform
    window = Affine(a, b, a * box.x0 + b * box.y0 + c, d, e, d * box.x0 + e * box.y0 + f)
    burnt: NDArray[np.int32] = rasterize(
        zip(polygons.geometries, values, strict=True), out_shape=shape, transform=window, fill=background, dtype="int32"
    )
    return burnt


def reproject_polygons(polygons: Polygons, scene: SceneInfo) -> Polygons:
    """Polygons in the reference system of a scene; those of a scene without one are taken as pixels (x, y).

    Raises:
        DataError: They cannot be transformed.
    """
    if scene.crs is None:
        return Polygons(path=polygons.path, geometries=polygons.geometries, texts=polygons.texts, crs=None)
    try:
        source, goal = CRS.from_user_input(polygons.crs), CRS.from_user_input(scene.crs)
        geometries = polygons.geometries
        if source != goal:
            geometries = tuple(transform_geom(source, goal, geometry) for geometry in geometries)
    except (CRSError, ValueError) as error:
        raise DataError(f"{polygons.path} cannot be brought into the system of {scene.path}: {error}.") from error
    return Polygons(path=polygons.path, geometries=geometries, texts=polygons.texts, crs=scene.crs)


def _from_json(path: Path) -> tuple[str, Sequence[Feature]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        # A member of the older specification, which many programs still write.
        crs = content.get("crs", {}).get("properties", {}).get("name", _GEOJSON_CRS)
        return str(crs), list(content["features"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is not a GeoJSON collection of features ({error!r}).") from error


def _with_fiona(path: Path) -> tuple[str, Sequence[Feature]]:
    try:
        import fiona
    except ImportError as error:
        raise DataNotFound(
            f"{path} needs the package fiona: pip install 'rs-adapt[vector]', or store the polygons as GeoJSON."
        ) from error
    try:
        with fiona.open(path) as layer:
            features = [
                {
                    "geometry": None if one.geometry is None else one.geometry.__geo_interface__,
                    "properties": dict(one.properties),
                }
                for one in layer
            ]
            return layer.crs.to_wkt(), features
    except fiona.errors.FionaError as error:
        raise DataError(f"{path} cannot be read as polygons: {error}.") from error
