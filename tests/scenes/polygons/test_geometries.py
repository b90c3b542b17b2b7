"""Geometries as files hold them: pixels of each kind, what is skipped, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from polygon_files import FIELD, FIELD_PIXELS, burn, collection, square

from rs_adapt.errors import DataError
from rs_adapt.scenes import SceneInfo
from rs_adapt.scenes.polygons import Polygons, open_polygon_file

X, Y = 500_000, 5_000_000
RING = square(*FIELD)["coordinates"][0]
HOLE = square(X + 20, Y + 20, X + 40, Y + 40)["coordinates"][0]
LEFT, RIGHT = square(X + 10, Y + 10, X + 30, Y + 50), square(X + 20, Y + 10, X + 50, Y + 50)
PARTS = [LEFT["coordinates"], RIGHT["coordinates"]]
POINT = {"type": "Point", "coordinates": [X + 5, Y + 5]}


def polygons_of(folder: Path, scene: SceneInfo, *geometries: dict[str, Any] | None) -> Polygons:
    content = collection(*(("field", geometry) for geometry in geometries), crs="EPSG:32632")
    (folder / "p.geojson").write_text(json.dumps(content))
    return open_polygon_file(folder / "p.geojson", column="class").on_grid(scene)


@pytest.mark.parametrize(
    "geometry",
    [
        {"type": "Polygon", "coordinates": [[[*point, 312.5] for point in RING]]},
        {"type": "Polygon", "coordinates": [RING[::-1]]},
        {"type": "Polygon", "coordinates": [RING[:-1]]},
        {"type": "MultiPolygon", "coordinates": PARTS},
        {"type": "GeometryCollection", "geometries": [LEFT, RIGHT]},
        {"type": "GeometryCollection", "geometries": [{"type": "MultiPolygon", "coordinates": PARTS}, POINT]},
        {"type": "Polygon", "coordinates": [RING, [[X + 20, Y + 20], [X + 30, Y + 30], [X + 20, Y + 20]]]},
    ],
    ids=[
        "heights",
        "clockwise",
        "not closed",
        "overlapping parts",
        "collection",
        "collection with a point",
        "flat hole",
    ],
)
def test_each_kind_of_polygon_fills_its_pixels(tmp_path: Path, scene: SceneInfo, geometry: dict[str, Any]) -> None:
    np.testing.assert_array_equal(burn(polygons_of(tmp_path, scene, geometry)), FIELD_PIXELS)


def test_holes_stay_empty_and_crossing_rings_fill_both_sides(tmp_path: Path, scene: SceneInfo) -> None:
    expected = FIELD_PIXELS.copy()
    expected[2:4, 2:4] = 0
    burnt = burn(polygons_of(tmp_path, scene, {"type": "Polygon", "coordinates": [RING, HOLE]}))
    np.testing.assert_array_equal(burnt, expected)
    bow = [[X, Y], [X + 80, Y + 60], [X + 80, Y], [X, Y + 60], [X, Y]]
    burnt = burn(polygons_of(tmp_path, scene, {"type": "Polygon", "coordinates": [bow]}))
    assert burnt[:, 0].tolist() == burnt[:, 7].tolist() == [1] * 6
    assert not burnt[:, 3:5].any()


def test_polygons_reach_over_the_edge_of_the_scene(tmp_path: Path, scene: SceneInfo) -> None:
    burnt = burn(polygons_of(tmp_path, scene, square(X - 500, Y - 500, X + 20, Y + 5000)))
    expected = np.zeros((6, 8))
    expected[:, :2] = 1
    np.testing.assert_array_equal(burnt, expected)


def test_geometries_without_area_are_skipped_and_counted(tmp_path: Path, scene: SceneInfo) -> None:
    polygons = polygons_of(
        tmp_path,
        scene,
        None,
        {"type": "Polygon", "coordinates": []},
        {"type": "MultiPolygon", "coordinates": []},
        {"type": "GeometryCollection", "geometries": []},
        {"type": "Polygon", "coordinates": [[[X, Y], [X + 10, Y]]]},
        {"type": "GeometryCollection", "geometries": [square(*FIELD), POINT]},
    )
    np.testing.assert_array_equal(burn(polygons), FIELD_PIXELS)
    assert polygons.skipped == {
        "without geometry": 4,
        "with fewer than three corners": 1,
        "points or lines beside polygons": 1,
    }
    assert polygons.skipped_names == {
        "without geometry": ["feature 0", "feature 1", "feature 2", "feature 3"],
        "with fewer than three corners": ["feature 4"],
        "points or lines beside polygons": ["feature 5"],
    }


@pytest.mark.parametrize(
    ("geometry", "message"),
    [
        (POINT, r"feature 1 is a Point; labels are polygons"),
        ({"type": "LineString", "coordinates": RING}, r"feature 1 is a LineString; labels are polygons"),
        ({"type": "GeometryCollection", "geometries": [POINT]}, r"feature 1 is a Point; labels are polygons"),
        ({"type": "polygon", "coordinates": [RING]}, r"feature 1 is a polygon; labels are polygons"),
        ({"coordinates": [RING]}, r"feature 1 is a None; labels are polygons"),
        ({"type": "Polygon", "coordinates": RING}, r"the coordinates of feature 1 are no rings of x, y pairs"),
        ({"type": "Polygon", "coordinates": [[["a", "b"]] * 4]}, r"the coordinates of feature 1 are no rings"),
        ({"type": "Polygon", "coordinates": [[[1], [2], [3], [1]]]}, r"the coordinates of feature 1 are no rings"),
        ({"type": "Polygon", "coordinates": [[1, 2, 3, 1]]}, r"the coordinates of feature 1 are no rings"),
        ({"type": "Polygon", "coordinates": [[RING]]}, r"feature 1 .* \(brackets are nested too deep\)"),
        ({"type": "MultiPolygon", "coordinates": [[[RING]]]}, r"feature 1 .* \(brackets are nested too deep\)"),
        ({"type": "Polygon", "coordinates": [[["1", "2"]] * 4]}, r"feature 1 .* \(a coordinate is no number\)"),
        ({"type": "Polygon", "coordinates": [[[True, False]] * 4]}, r"feature 1 .* \(a coordinate is no number\)"),
        ({"type": "Polygon", "coordinates": 5}, r"the coordinates of feature 1 are no rings"),
        ({"type": "MultiPolygon", "coordinates": 5}, r"the geometry of feature 1 is not that of GeoJSON"),
        ({"type": "GeometryCollection", "geometries": 5}, r"the geometry of feature 1 is not that of GeoJSON"),
        ({"type": "GeometryCollection", "geometries": ["x"]}, r"the geometry of feature 1 is not that of GeoJSON"),
        ({"type": "MultiPolygon", "coordinates": [RING]}, r"the coordinates of feature 1 are no rings"),
        ({"type": "Polygon", "coordinates": [[*RING[:2], [float("nan"), Y], *RING[2:]]]}, "that is not a number"),
    ],
)
def test_other_geometries_are_refused_by_their_name(
    tmp_path: Path, scene: SceneInfo, geometry: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        polygons_of(tmp_path, scene, square(*FIELD), geometry)
