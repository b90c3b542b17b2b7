"""Polygons: burnt where they lie, in whatever reference system they come."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rs_adapt.errors import DataError, DataNotFound
from rs_adapt.scenes import Box, Scene, SceneInfo, write_geotiff
from rs_adapt.scenes.polygons import rasterize_polygons, read_polygons, reproject_polygons


def square(x0: float, y0: float, x1: float, y1: float) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": [[[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]]]}


def write(path: Path, *pairs: tuple[str, dict[str, Any]], crs: str | None = None) -> Path:
    content: dict[str, Any] = {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "properties": {"class": text}, "geometry": geometry} for text, geometry in pairs
        ],
    }
    if crs:
        content["crs"] = {"type": "name", "properties": {"name": crs}}
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def scene(tmp_path: Path) -> SceneInfo:
    """Return a scene of 8 x 6 pixels of 10 m, its upper left corner at (500000, 5000060)."""
    path = tmp_path / "scene.tif"
    transform = (10.0, 0.0, 500_000.0, 0.0, -10.0, 5_000_060.0)
    write_geotiff(path, np.zeros((6, 8, 3), np.uint8), crs="EPSG:32632", transform=transform)
    with Scene(path) as opened:
        return opened.info


def test_polygons_fill_the_pixels_whose_centres_they_contain_and_later_ones_win(
    tmp_path: Path, scene: SceneInfo
) -> None:
    file = write(
        tmp_path / "p.geojson",
        ("field", square(500_010, 5_000_010, 500_050, 5_000_050)),
        ("house", square(500_030, 5_000_030, 500_080, 5_000_060)),
        crs="urn:ogc:def:crs:EPSG::32632",
    )
    polygons = reproject_polygons(read_polygons(file, "class"), scene)
    expected = np.full((6, 8), 9)
    expected[1:5, 1:5] = 1
    expected[0:3, 3:8] = 2
    whole = rasterize_polygons(polygons, scene, [1, 2], Box(0, 0, 8, 6), background=9)
    np.testing.assert_array_equal(whole, expected)
    window = rasterize_polygons(polygons, scene, [1, 2], Box(2, 1, 7, 4), background=9)
    np.testing.assert_array_equal(window, expected[1:4, 2:7])


def test_degrees_are_brought_into_the_system_of_the_scene(tmp_path: Path, scene: SceneInfo) -> None:
    from rasterio.warp import transform_geom

    metres = square(500_010, 5_000_010, 500_050, 5_000_050)
    degrees = transform_geom("EPSG:32632", "OGC:CRS84", metres)
    polygons = reproject_polygons(read_polygons(write(tmp_path / "d.geojson", ("field", degrees)), "class"), scene)
    expected = np.zeros((6, 8))
    expected[1:5, 1:5] = 1
    np.testing.assert_array_equal(rasterize_polygons(polygons, scene, [1], Box(0, 0, 8, 6), background=0), expected)


def test_of_an_image_without_reference_the_coordinates_are_pixels(tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray(np.zeros((6, 8, 3), np.uint8)).save(tmp_path / "plain.png")
    with Scene(tmp_path / "plain.png") as opened:
        info = opened.info
    polygons = reproject_polygons(
        read_polygons(write(tmp_path / "p.geojson", ("a", square(2, 1, 5, 3))), "class"), info
    )
    expected = np.zeros((6, 8))
    expected[1:3, 2:5] = 1
    np.testing.assert_array_equal(rasterize_polygons(polygons, info, [1], Box(0, 0, 8, 6), background=0), expected)


def test_a_geopackage_and_a_geojson_give_the_same_labels(tmp_path: Path, scene: SceneInfo) -> None:
    fiona = pytest.importorskip("fiona")
    geometry = square(500_010, 5_000_010, 500_050, 5_000_050)
    schema = {"geometry": "Polygon", "properties": {"class": "str"}}
    with fiona.open(tmp_path / "p.gpkg", "w", driver="GPKG", crs="EPSG:32632", schema=schema) as layer:
        layer.write({"type": "Feature", "geometry": geometry, "properties": {"class": "field"}})
    polygons = reproject_polygons(read_polygons(tmp_path / "p.gpkg", "class"), scene)
    assert polygons.texts == ("field",)
    assert rasterize_polygons(polygons, scene, [1], Box(0, 0, 8, 6), background=0).sum() == 16


def test_no_polygon_at_all_is_all_background(tmp_path: Path, scene: SceneInfo) -> None:
    polygons = reproject_polygons(read_polygons(write(tmp_path / "none.geojson"), "class"), scene)
    assert set(rasterize_polygons(polygons, scene, [], Box(0, 0, 8, 6), background=7).ravel()) == {7}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not a GeoJSON collection of features"),
        ('{"features": [{"properties": {"kind": 1}}]}', r"feature 0 has no attribute 'class'. It has: kind\."),
        (
            '{"features": [{"properties": {"class": 1}, "geometry": {"type": "Point", "coordinates": [0, 0]}}]}',
            "feature 0 is a Point; labels are polygons",
        ),
    ],
)
def test_files_without_polygons_are_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "bad.geojson").write_text(content)
    with pytest.raises(DataError, match=message):
        read_polygons(tmp_path / "bad.geojson", "class")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataNotFound, match="There is no file of polygons"):
        read_polygons(tmp_path / "none.geojson", "class")
