"""Files of polygons and scenes to lay them on, as the tests of polygons draw them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.warp import transform_geom

from rs_adapt.scenes import Box, Scene, SceneInfo, write_geotiff
from rs_adapt.scenes.polygons import Polygons, rasterize_polygons

# The scene of these tests: 8 x 6 pixels of 10 m in UTM zone 32 north.
UTM = "EPSG:32632"
SCENE_TRANSFORM = (10.0, 0.0, 500_000.0, 0.0, -10.0, 5_000_060.0)
SCENE_BOX = Box(0, 0, 8, 6)
# A field on columns 1 to 4 and rows 1 to 4 of it.
FIELD = (500_010, 5_000_010, 500_050, 5_000_050)
FIELD_PIXELS = np.zeros((6, 8), np.int32)
FIELD_PIXELS[1:5, 1:5] = 1

Geometry = dict[str, Any]


def square(x0: float, y0: float, x1: float, y1: float) -> Geometry:
    """Return a rectangle as a GeoJSON polygon."""
    return {"type": "Polygon", "coordinates": [[[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]]]}


def in_degrees(geometry: Geometry) -> Geometry:
    """Return a geometry of the scene's system in longitude and latitude."""
    moved: Geometry = transform_geom(UTM, "OGC:CRS84", geometry)
    return moved


def swapped(geometry: Geometry) -> Geometry:
    """Return a polygon with y, x in place of x, y."""
    rings = [[[y, x] for x, y, *_ in ring] for ring in geometry["coordinates"]]
    return {"type": "Polygon", "coordinates": rings}


def features(*pairs: tuple[object, Geometry | None], column: str = "class") -> list[dict[str, Any]]:
    """Return features of an attribute and a geometry each."""
    return [{"type": "Feature", "properties": {column: value}, "geometry": geometry} for value, geometry in pairs]


def collection(*pairs: tuple[object, Geometry | None], crs: str | None = None, column: str = "class") -> dict[str, Any]:
    """Return a collection of features, which states a reference system or none."""
    content: dict[str, Any] = {"type": "FeatureCollection", "features": features(*pairs, column=column)}
    if crs:
        content["crs"] = {"type": "name", "properties": {"name": crs}}
    return content


def write_geojson(path: Path, *pairs: tuple[object, Geometry | None], crs: str | None = None) -> Path:
    """Write features as GeoJSON and return the path."""
    path.write_text(json.dumps(collection(*pairs, crs=crs)))
    return path


def write_layer(
    path: Path,
    *pairs: tuple[object, Geometry | None],
    driver: str = "GPKG",
    layer: str | None = None,
    crs: str | None = UTM,
    kind: str = "Polygon",
    column_type: str = "str",
    column: str = "class",
    encoding: str | None = None,
) -> Path:
    """Write features with fiona, into a layer of a file that may have others, and return the path."""
    import fiona

    schema = {"geometry": kind, "properties": {column: column_type}}
    with fiona.open(path, "w", driver=driver, layer=layer, crs=crs, schema=schema, encoding=encoding) as opened:
        for feature in features(*pairs, column=column):
            opened.write(feature)
    return path


def write_scene(
    path: Path,
    *,
    crs: str | None = UTM,
    transform: tuple[float, ...] = SCENE_TRANSFORM,
    size: tuple[int, int] = (6, 8),
) -> SceneInfo:
    """Write a black scene and return its facts."""
    write_geotiff(path, np.zeros((*size, 3), np.uint8), crs=crs, transform=transform)
    with Scene(path) as scene:
        return scene.info


def burn(polygons: Polygons, box: Box = SCENE_BOX) -> np.ndarray:
    """Return a window of a scene with the number of each pixel's attribute, from 1 in the order of the texts."""
    return rasterize_polygons(polygons, polygons.text_P + 1, box, background=0)
