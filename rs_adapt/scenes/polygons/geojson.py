"""Read GeoJSON: a collection, a list or lines of features, one feature, or a bare geometry; in any Unicode form.

Features are parsed one by one, so that only the text of a large file is in memory.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

from rs_adapt.errors import DataError
from rs_adapt.scenes.polygons.arrays import Feature

SUFFIXES = (".geojson", ".json", ".geojsonl", ".geojsons", ".ndjson", ".jsonl")
# Blanks of JSON, and what RFC 8142 puts before each feature of a sequence.
_BLANK = re.compile(r"[ \t\r\n\x1e]*")
_DECODER = json.JSONDecoder()


class GeoJson:
    """A GeoJSON file whose features are read once.

    Args:
        path: The file.

    Attributes:
        columns: Attributes of the features that were read.

    Raises:
        DataError: The file cannot be read, or is no Unicode.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.columns: dict[str, None] = {}
        self._stated: dict[str, object] = {}
        self._members: dict[str, object] = {}
        try:
            raw = path.read_bytes()
            # Finds UTF-8, UTF-16 and UTF-32 by their first bytes, with and without a byte order mark.
            self._text = raw.decode(json.detect_encoding(raw))
        except UnicodeDecodeError as error:
            raise DataError(f"{path} is not UTF-8 ({error}): store it again as UTF-8.") from error
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error}).") from error

    @property
    def crs_member(self) -> object:
        """The `crs` member, for `crs_member_name`; None where there is none. Known after all features are read.

        Many programs still state the reference system in it, as the older specification has it.

        Raises:
            DataError: There are several that differ.
        """
        if len(self._stated) > 1:
            raise DataError(
                f"{self.path} states several reference systems: {', '.join(self._stated)}. Store it with one for all."
            )
        return next(iter(self._stated.values()), None)

    def features(self) -> Iterator[Feature]:
        """Yield the features.

        Raises:
            DataError: The file is no GeoJSON.
        """
        number = 0
        try:
            for item in self._items():
                yield self._feature(item, number)
                number += 1
        except RecursionError as error:
            raise self._no_geojson("it is nested too deeply") from error
        except ValueError as error:
            raise self._no_geojson(str(error)[:300]) from error
        if not number and "features" not in self._members:
            raise self._no_geojson("it holds no feature")

    def _items(self) -> Iterator[Any]:
        """Yield what may be a feature: members of a collection, of a list, or one document after the other."""
        end = self._skip(0)
        if end == len(self._text):
            raise self._no_geojson("it is empty")
        while end < len(self._text):
            if self._text[end] == "[":
                end = yield from self._list(end)
            elif self._text[end] == "{":
                end, is_collection = yield from self._object(end)
                if not is_collection:
                    self._refuse_relatives()
                    yield self._members
                    self._members = {}
            else:
                raise self._no_geojson(f"it holds {self._text[end : end + 40]!r}")
            end = self._skip(end)

    def _object(self, start: int) -> Generator[Any, None, tuple[int, bool]]:
        """Yield the features of an object; return where it ends, and whether it is a collection of features."""
        end, is_collection = self._skip(start + 1), False
        self._members = {}
        while self._at(end) != "}":
            key, end = _DECODER.raw_decode(self._text, end)
            end = self._skip(end)
            if self._at(end) != ":" or not isinstance(key, str):
                raise json.JSONDecodeError("Expecting ':' delimiter", self._text, end)
            end = self._skip(end + 1)
            if key == "features" and self._at(end) == "[":
                self._members[key] = None
                is_collection = True
                end = yield from self._list(end)
            else:
                self._members[key], end = _DECODER.raw_decode(self._text, end)
            end = self._skip(end)
            if self._at(end) == ",":
                end = self._skip(end + 1)
            elif self._at(end) != "}":
                raise json.JSONDecodeError("Expecting ',' delimiter", self._text, end)
        if is_collection:
            self._note_crs(self._members)
        return end + 1, is_collection

    def _list(self, start: int) -> Generator[Any, None, int]:
        """Yield the members of a list, and return where it ends."""
        end = self._skip(start + 1)
        while self._at(end) != "]":
            item, end = _DECODER.raw_decode(self._text, end)
            yield item
            end = self._skip(end)
            if self._at(end) == ",":
                end = self._skip(end + 1)
            elif self._at(end) != "]":
                raise json.JSONDecodeError("Expecting ',' delimiter", self._text, end)
        return end + 1

    def _skip(self, start: int) -> int:
        blank = _BLANK.match(self._text, start)
        assert blank is not None
        return blank.end()

    def _at(self, place: int) -> str:
        return self._text[place : place + 1]

    def _feature(self, item: Any, number: int) -> Feature:
        if not isinstance(item, Mapping):
            raise self._no_geojson(f"item {number} is no object")
        if "attributes" in item and "properties" not in item:
            raise DataError(f"{self.path} is JSON of ArcGIS (attributes and rings): export it as GeoJSON.")
        is_geometry = "coordinates" in item or "geometries" in item
        geometry, attributes = (item, {}) if is_geometry else (item.get("geometry"), item.get("properties"))
        if geometry is not None and not isinstance(geometry, Mapping):
            raise self._no_geojson(f"the geometry of feature {number} is no object")
        attributes = attributes if isinstance(attributes, Mapping) else {}
        self.columns.update(dict.fromkeys(attributes))
        # PostGIS states the system in each geometry.
        self._note_crs(item)
        if geometry is not None:
            self._note_crs(geometry)
        return Feature(f"feature {number}", geometry, attributes)

    def _note_crs(self, holder: Mapping[str, object]) -> None:
        if (member := holder.get("crs")) is not None:
            self._stated.setdefault(json.dumps(member, sort_keys=True), member)

    def _refuse_relatives(self) -> None:
        """Refuse an object that is no feature and no geometry."""
        members = self._members
        if members.get("type") == "Topology":
            raise DataError(f"{self.path} is TopoJSON: convert it to GeoJSON, for example with ogr2ogr.")
        if members.keys().isdisjoint(("geometry", "properties", "coordinates", "geometries")):
            listed = ", ".join(map(str, members)) or "none"
            raise self._no_geojson(f"it has the members {listed}, and no list of features")

    def _no_geojson(self, fault: str) -> DataError:
        return DataError(f"{self.path} is not a GeoJSON collection of features ({fault}).")


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
