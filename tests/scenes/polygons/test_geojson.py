"""GeoJSON in the forms that programs write it, and what only looks like it."""

from __future__ import annotations

import codecs
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from polygon_files import FIELD, FIELD_PIXELS, burn, collection, features, in_degrees, square

from rs_adapt.errors import DataError, DataNotFound
from rs_adapt.scenes import SceneInfo
from rs_adapt.scenes.polygons import open_polygon_file

METRES, DEGREES = square(*FIELD), in_degrees(square(*FIELD))
CONTENT = collection(("Gebäude", DEGREES))
LINES = [*features(("Gebäude", DEGREES)), *features(("Gebäude", DEGREES))]


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("plain.geojson", json.dumps(CONTENT, ensure_ascii=False).encode()),
        ("bom.geojson", codecs.BOM_UTF8 + json.dumps(CONTENT, ensure_ascii=False).encode()),
        ("utf16.geojson", json.dumps(CONTENT, ensure_ascii=False).encode("utf-16")),
        ("utf16be.json", json.dumps(CONTENT, ensure_ascii=False).encode("utf-16-be")),
        ("feature.geojson", json.dumps(features(("Gebäude", DEGREES))[0]).encode()),
        ("list.json", json.dumps(LINES).encode()),
        ("lines.geojsonl", "\n".join(map(json.dumps, LINES)).encode()),
        ("lines.geojson", "\r\n\r\n".join(map(json.dumps, LINES)).encode()),
        ("sequence.geojsons", "".join(f"\x1e{json.dumps(line)}\n" for line in LINES).encode()),
        ("decomposed.geojson", json.dumps(CONTENT).replace("\\u00e4", "a\\u0308").encode()),
        ("null_crs.geojson", json.dumps(CONTENT | {"crs": None}).encode()),
    ],
)
def test_each_form_of_the_text_gives_the_same_pixels(tmp_path: Path, scene: SceneInfo, name: str, raw: bytes) -> None:
    (tmp_path / name).write_bytes(raw)
    polygons = open_polygon_file(tmp_path / name, column="class").on_grid(scene)
    assert polygons.texts == ("Gebäude",)
    np.testing.assert_array_equal(burn(polygons), FIELD_PIXELS)


def test_a_bare_geometry_has_no_attribute_and_no_need_of_one(tmp_path: Path, scene: SceneInfo) -> None:
    (tmp_path / "bare.geojson").write_text(json.dumps(DEGREES))
    np.testing.assert_array_equal(burn(open_polygon_file(tmp_path / "bare.geojson").on_grid(scene)), FIELD_PIXELS)
    with pytest.raises(DataError, match=r"feature 0 has no attribute 'class'\. It has: none\."):
        open_polygon_file(tmp_path / "bare.geojson", column="class")


@pytest.mark.parametrize(
    "member",
    [
        {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32632"}},
        {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG:9.6:32632"}},
        {"type": "name", "properties": {"name": "EPSG:32632"}},
        {"type": "name", "properties": {"name": " epsg:32632 "}},
        {"type": "name", "properties": {"name": "http://www.opengis.net/def/crs/EPSG/0/32632"}},
        {"type": "name", "properties": {"name": "http://www.opengis.net/gml/srs/epsg.xml#32632"}},
        {"type": "EPSG", "properties": {"code": 32632}},
        {"type": "name", "properties": {"name": "+proj=utm +zone=32 +datum=WGS84"}},
        "EPSG:32632",
    ],
    ids=str,
)
def test_each_way_to_state_a_projected_system_is_read(tmp_path: Path, scene: SceneInfo, member: object) -> None:
    file = tmp_path / "p.geojson"
    file.write_text(json.dumps(collection(("a", METRES)) | {"crs": member}))
    np.testing.assert_array_equal(burn(open_polygon_file(file, column="class").on_grid(scene)), FIELD_PIXELS)
    # PostGIS states it in each geometry.
    file.write_text(json.dumps(collection(("a", METRES | {"crs": member}), ("a", METRES | {"crs": member}))))
    np.testing.assert_array_equal(burn(open_polygon_file(file, column="class").on_grid(scene)), FIELD_PIXELS)


@pytest.mark.parametrize(
    "name",
    [
        "urn:ogc:def:crs:OGC:1.3:CRS84",
        "urn:ogc:def:crs:OGC::CRS84",
        "OGC:CRS84",
        "CRS84",
        "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
        # Latitude comes first in this system's definition, and longitude in GeoJSON all the same.
        "urn:ogc:def:crs:EPSG::4326",
        "EPSG:4326",
    ],
)
def test_degrees_are_longitude_first_whatever_the_system_is_called(tmp_path: Path, scene: SceneInfo, name: str) -> None:
    file = tmp_path / "p.geojson"
    file.write_text(json.dumps(collection(("a", DEGREES), crs=name)))
    np.testing.assert_array_equal(burn(open_polygon_file(file, column="class").on_grid(scene)), FIELD_PIXELS)


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ("EPSG:null32632", r"states the reference system 'EPSG:null32632', which is not known"),
        ("EPSG:999999", r"states the reference system 'EPSG:999999', which is not known\. .*crs = "),
        ("http://example.com/crs", "states the reference system 'http://example.com/crs', which is not known"),
        ({"type": "name", "properties": {"name": ""}}, "states the reference system '', which is not known"),
        ({"type": "link", "properties": {"href": "a.prj"}}, "the member crs is .*a.prj.*, which names no reference"),
        (5, "the member crs is 5, which names no reference system"),
    ],
)
def test_systems_that_nobody_knows_are_refused_and_may_be_overridden(
    tmp_path: Path, scene: SceneInfo, member: object, message: str
) -> None:
    file = tmp_path / "p.geojson"
    file.write_text(json.dumps(collection(("a", METRES)) | {"crs": member}))
    with pytest.raises(DataError, match=message):
        open_polygon_file(file, column="class")
    polygons = open_polygon_file(file, column="class", crs="EPSG:32632").on_grid(scene)
    np.testing.assert_array_equal(burn(polygons), FIELD_PIXELS)
    with pytest.raises(DataError, match=r"crs is 'EPSG:1', which is no known reference system"):
        open_polygon_file(file, column="class", crs="EPSG:1")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not a GeoJSON collection of features"),
        ('{"features": [{"properties": {"kind": 1}}]}', r"feature 0 has no attribute 'class'. It has: kind\."),
        (
            '{"features": [{"properties": {"class": 1}, "geometry": {"type": "Point", "coordinates": [0, 0]}}]}',
            "feature 0 is a Point; labels are polygons",
        ),
        ("", "is not a GeoJSON collection of features"),
        ("5", r"is not a GeoJSON collection of features \(it holds .5.\)"),
        ("[5]", r"is not a GeoJSON collection of features \(item 0 is no object\)"),
        ('{"features": {}}', r"is not a GeoJSON .* \(it has the members features, and no list of features\)"),
        ('{"features": [{"geometry": "POLYGON((0 0))"}]}', "the geometry of feature 0 is no object"),
        ('{"type": "Topology", "objects": {}}', "is TopoJSON: convert it"),
        ('{"features": [{"attributes": {"class": 1}, "geometry": {"rings": []}}]}', "is JSON of ArcGIS"),
        ('{"features": [{"properties": {"Class": 1}}]}', "Did you mean 'Class'[?] Letter case counts"),
    ],
)
def test_files_without_polygons_are_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "bad.geojson").write_text(content)
    with pytest.raises(DataError, match=message):
        open_polygon_file(tmp_path / "bad.geojson", column="class")


def test_a_text_in_an_older_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.geojson").write_bytes(json.dumps(CONTENT, ensure_ascii=False).encode("latin-1"))
    with pytest.raises(DataError, match=r"is not UTF-8 .* store it again as UTF-8"):
        open_polygon_file(tmp_path / "bad.geojson", column="class")


def test_several_systems_in_a_file_are_refused(tmp_path: Path) -> None:
    content: dict[str, Any] = collection(("a", METRES | {"crs": "EPSG:32633"}), crs="EPSG:32632")
    (tmp_path / "bad.geojson").write_text(json.dumps(content))
    with pytest.raises(DataError, match="states several reference systems"):
        open_polygon_file(tmp_path / "bad.geojson", column="class")


def test_a_geojson_has_no_layers(tmp_path: Path, scene: SceneInfo) -> None:
    (tmp_path / "p.geojson").write_text(json.dumps(CONTENT))
    for layer in (1, "p", None):
        assert len(open_polygon_file(tmp_path / "p.geojson", column="class", layer=layer).on_grid(scene)) == 1
    with pytest.raises(DataError, match="is GeoJSON, which has no layers, so there is no layer 'roads'"):
        open_polygon_file(tmp_path / "p.geojson", column="class", layer="roads")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataNotFound, match="There is no file of polygons"):
        open_polygon_file(tmp_path / "none.geojson", column="class")
