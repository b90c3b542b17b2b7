"""Polygons of a map in a GeoPackage or a GeoJSON file."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from rs_adapt.errors import ConfigError, DataNotFound
from rs_adapt.files import atomic_file
from rs_adapt.prediction.areas import PixelPlaces
from rs_adapt.prediction.polygons import Polygon
from rs_adapt.remote_drivers import quiet_fiona

# Also the values of --vector that name a file like its map.
FORMATS = ("gpkg", "geojson")
_BATCH = 1000
# Digits of a degree in GeoJSON: a millimetre.
_DEGREE_DIGITS = 8


def vector_file(out: Path, vector: str) -> Path:
    """Return the file of a map's polygons.

    Args:
        out: The map.
        vector: A file ending in .gpkg or .geojson, or one of `FORMATS` for a file beside the map, named like it.

    Raises:
        ConfigError: It is neither.
    """
    if vector in FORMATS:
        return out.with_suffix(f".{vector}")
    file = Path(vector).expanduser()
    if file.suffix.lower().removeprefix(".") not in FORMATS or file.name.startswith("."):
        raise ConfigError(
            f"--vector is {vector}. Allowed: gpkg or geojson, for a file beside the map, or a file ending in .gpkg or "
            ".geojson."
        )
    return file


def check_writer(file: Path) -> None:
    """Refuse a format for which a package is missing.

    Raises:
        DataNotFound: It is a GeoPackage, and fiona is not installed.
    """
    if file.suffix.lower() == ".gpkg":
        quiet_fiona()
        try:
            import fiona  # noqa: F401
        except ImportError:
            raise DataNotFound(
                f"{file} needs the package fiona: pip install 'rs-adapt[vector]', or name a .geojson file."
            ) from None


def write_polygons(
    file: Path, polygons: Iterable[Polygon], places: PixelPlaces, names: tuple[str, ...], *, staging: Path
) -> int:
    """Write polygons, complete or not at all.

    A GeoPackage has the coordinate system of the map; GeoJSON has longitude and latitude, as RFC 7946 asks. Fields:
    `class` (name), `class_index`, `area_m2` and `confidence`.

    Args:
        file: Ends in .gpkg or .geojson; its folder must exist.
        polygons: In the coordinates of the map.
        places: Its coordinate system.
        names: Of the classes.
        staging: Folder for the unfinished GeoPackage.

    Returns:
        The number of polygons.
    """
    with atomic_file(file) as temporary:
        if file.suffix.lower() == ".geojson":
            return _write_geojson(temporary, file.stem, polygons, places, names)
        # SQLite writes further files beside a GeoPackage, and GDAL wants its ending.
        unfinished = staging / "polygons.gpkg"
        for leftover in staging.glob(f"{unfinished.name}*"):
            leftover.unlink()
        number = _write_geopackage(unfinished, file.stem, polygons, places, names)
        shutil.copyfile(unfinished, temporary)
        unfinished.unlink()
        return number


def _write_geojson(
    temporary: Path, layer: str, polygons: Iterable[Polygon], places: PixelPlaces, names: tuple[str, ...]
) -> int:
    number = 0
    with temporary.open("w", encoding="utf-8") as written:
        written.write(f'{{"type": "FeatureCollection", "name": {json.dumps(layer)}, "features": [')
        for polygon in polygons:
            rings = []
            for x, y in polygon.rings:
                longitude, latitude = places.reproject(x, y, "EPSG:4326")
                rings.append(np.stack([longitude, latitude], axis=1).round(_DEGREE_DIGITS).tolist())
            feature = {
                "type": "Feature",
                "properties": _properties(polygon, names),
                "geometry": {"type": "Polygon", "coordinates": rings},
            }
            written.write(f"{',' if number else ''}\n{json.dumps(feature, allow_nan=False)}")
            number += 1
        written.write("\n]}\n")
    return number


def _write_geopackage(
    unfinished: Path, layer: str, polygons: Iterable[Polygon], places: PixelPlaces, names: tuple[str, ...]
) -> int:
    quiet_fiona()
    import fiona

    schema = {
        "geometry": "Polygon",
        "properties": {"class": "str", "class_index": "int", "area_m2": "float", "confidence": "float"},
    }
    number = 0
    crs_wkt = places.crs.to_wkt()
    with fiona.open(os.fspath(unfinished), "w", driver="GPKG", layer=layer, crs_wkt=crs_wkt, schema=schema) as opened:
        for batch in _batches(polygons):
            opened.writerecords(
                {
                    "type": "Feature",
                    "properties": _properties(polygon, names),
                    "geometry": {
                        "type": "Polygon",
                        "coordinates": [list(zip(x.tolist(), y.tolist(), strict=True)) for x, y in polygon.rings],
                    },
                }
                for polygon in batch
            )
            number += len(batch)
    return number


def _batches(polygons: Iterable[Polygon]) -> Iterator[list[Polygon]]:
    batch: list[Polygon] = []
    for polygon in polygons:
        batch.append(polygon)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _properties(polygon: Polygon, names: tuple[str, ...]) -> dict[str, str | int | float]:
    return {
        "class": names[polygon.class_index],
        "class_index": polygon.class_index,
        "area_m2": round(polygon.area_m2, 4),
        "confidence": round(polygon.confidence, 4),
    }
