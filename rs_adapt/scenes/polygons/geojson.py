"""Read GeoJSON: a collection, a list or lines of features, one feature, or a bare geometry; in any Unicode form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rs_adapt.errors import DataError
from rs_adapt.scenes.polygons.arrays import Feature

SUFFIXES = (".geojson", ".json", ".geojsonl", ".geojsons", ".ndjson", ".jsonl")
# RFC 8142 puts this before each feature of a sequence.
RECORD_SEPARATOR = "\x1e"


def read_geojson(path: Path) -> tuple[object, list[Feature]]:
    """Read the features of a GeoJSON file.

    Args:
        path: The file.

    Returns:
        The `crs` member, in which many programs still state the reference system as the older specification has it,
        for `crs_member_name`; None where there is none. The features.

    Raises:
        DataError: The file is no GeoJSON, or states several systems.
    """
    content = _parse(path)
    items = _items(path, content)
    features = []
    for number, item in enumerate(items):
        if not isinstance(item, Mapping):
            raise _no_geojson(path, f"item {number} is no object")
        is_geometry = "coordinates" in item or "geometries" in item
        geometry, attributes = (item, {}) if is_geometry else (item.get("geometry"), item.get("properties"))
        if geometry is not None and not isinstance(geometry, Mapping):
            raise _no_geojson(path, f"the geometry of feature {number} is no object")
        features.append(
            Feature(f"feature {number}", geometry, attributes if isinstance(attributes, Mapping) else {}),
        )
    # PostGIS states the system in each geometry.
    stated = {
        json.dumps(holder["crs"], sort_keys=True): holder["crs"]
        for holder in (content, *items, *(feature.geometry for feature in features))
        if isinstance(holder, Mapping) and holder.get("crs") is not None
    }
    if len(stated) > 1:
        raise DataError(f"{path} states several reference systems: {', '.join(stated)}. Store it with one for all.")
    return next(iter(stated.values()), None), features


def crs_member_name(path: Path, member: Any) -> str:
    """Return the name in a `crs` member: {"type": "name", "properties": {"name": ...}}, a code, or a text.

    Raises:
        DataError: It names no system.
    """
    properties = member.get("properties") if isinstance(member, Mapping) else None
    if isinstance(properties, Mapping):
        if isinstance(name := properties.get("name"), str):
            return name
        if str(code := properties.get("code")).isdecimal():
            return f"EPSG:{code}"
    if isinstance(member, str):
        return member
    raise DataError(
        f"{path}: the member crs is {json.dumps(member):.200}, which names no reference system. "
        'Give crs = "EPSG:..." in [...labels].'
    )


def _parse(path: Path) -> Any:
    try:
        raw = path.read_bytes()
        # Finds UTF-8, UTF-16 and UTF-32 by their first bytes, with and without a byte order mark.
        text = raw.decode(json.detect_encoding(raw))
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 ({error}): store it again as UTF-8.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error}).") from error
    try:
        return json.loads(text)
    except ValueError as error:
        lines = [line.strip() for line in text.replace(RECORD_SEPARATOR, "\n").splitlines() if line.strip()]
        try:
            features = [json.loads(line) for line in lines]
        except ValueError:
            features = []
        if not features:
            raise _no_geojson(path, str(error)) from error
        return features


def _items(path: Path, content: Any) -> list[Any]:
    if isinstance(content, list):
        return content
    if not isinstance(content, Mapping):
        raise _no_geojson(path, f"it holds {content!r:.40}")
    if content.get("type") == "Topology":
        raise DataError(f"{path} is TopoJSON: convert it to GeoJSON, for example with ogr2ogr.")
    features = content.get("features")
    if isinstance(features, list):
        if features and isinstance(features[0], Mapping) and "attributes" in features[0]:
            raise DataError(f"{path} is JSON of ArcGIS (attributes and rings): export it as GeoJSON.")
        return features
    if content.get("type") == "Feature" or "coordinates" in content or "geometries" in content:
        return [content]
    raise _no_geojson(path, f"it has the members {', '.join(map(str, content)) or 'none'}, and no list of features")


def _no_geojson(path: Path, fault: str) -> DataError:
    return DataError(f"{path} is not a GeoJSON collection of features ({fault}).")
