"""Polygons are burnt where they lie, in whatever reference system they come."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from polygon_files import FIELD, FIELD_PIXELS, burn, in_degrees, square, write_geojson, write_layer, write_scene

from rs_adapt.scenes import Box, SceneInfo
from rs_adapt.scenes.polygons import open_polygon_file, rasterize_polygons
from rs_adapt.scenes.polygons.burning import count_without_pixel


def test_polygons_fill_the_pixels_whose_centres_they_contain_and_later_ones_win(
    tmp_path: Path, scene: SceneInfo
) -> None:
    file = write_geojson(
        tmp_path / "p.geojson",
        ("field", square(*FIELD)),
        ("house", square(500_030, 5_000_030, 500_080, 5_000_060)),
        crs="urn:ogc:def:crs:EPSG::32632",
    )
    polygons = open_polygon_file(file, column="class").on_grid(scene)
    expected = np.full((6, 8), 9)
    expected[1:5, 1:5] = 1
    expected[0:3, 3:8] = 2
    values = np.array([1, 2])
    whole = rasterize_polygons(polygons, values, Box(0, 0, 8, 6), background=9)
    np.testing.assert_array_equal(whole, expected)
    window = rasterize_polygons(polygons, values, Box(2, 1, 7, 4), background=9)
    np.testing.assert_array_equal(window, expected[1:4, 2:7])


def test_degrees_are_brought_into_the_system_of_the_scene(tmp_path: Path, scene: SceneInfo) -> None:
    file = write_geojson(tmp_path / "d.geojson", ("field", in_degrees(square(*FIELD))))
    np.testing.assert_array_equal(burn(open_polygon_file(file, column="class").on_grid(scene)), FIELD_PIXELS)


def test_a_geopackage_and_a_geojson_give_the_same_labels(tmp_path: Path, scene: SceneInfo) -> None:
    pytest.importorskip("fiona")
    polygons = open_polygon_file(write_layer(tmp_path / "p.gpkg", ("field", square(*FIELD))), column="class").on_grid(
        scene
    )
    assert polygons.texts == ("field",)
    np.testing.assert_array_equal(burn(polygons), FIELD_PIXELS)


def test_no_polygon_at_all_is_all_background(tmp_path: Path, scene: SceneInfo) -> None:
    polygons = open_polygon_file(write_geojson(tmp_path / "none.geojson"), column="class").on_grid(scene, may_miss=True)
    burnt = rasterize_polygons(polygons, polygons.text_P, Box(0, 0, 8, 6), background=7)
    assert set(burnt.ravel()) == {7}


def test_more_values_than_a_byte_holds_stay_apart(tmp_path: Path, scene: SceneInfo) -> None:
    squares = [
        (f"plot {number}", square(x, y, x + 10, y + 10))
        for number, (x, y) in enumerate((500_000 + 10 * c, 5_000_050 - 10 * r) for r in range(6) for c in range(8))
    ]
    others = [(f"elsewhere {number}", square(0, 0, 10, 10)) for number in range(300)]
    file = write_geojson(tmp_path / "p.geojson", *others, *squares, crs="EPSG:32632")
    polygons = open_polygon_file(file, column="class").on_grid(scene)
    named = [polygons.texts[number - 1] for number in burn(polygons).ravel()]
    assert named == [f"plot {number}" for number in range(48)]


@pytest.mark.parametrize(
    "transform",
    [(10.0, 0.0, 500_000.0, 0.0, 10.0, 5_000_000.0), (0.0, 10.0, 500_000.0, 10.0, 0.0, 5_000_000.0)],
    ids=["rows from south to north", "rows are columns"],
)
def test_scenes_that_are_stored_turned_are_met_where_they_lie(tmp_path: Path, transform: tuple[float, ...]) -> None:
    info = write_scene(tmp_path / "turned.tif", transform=transform)
    # Columns 0 and 1 of the map and its lowest row; the two corners differ under every mirroring.
    file = write_geojson(
        tmp_path / "p.geojson", ("a", square(500_000, 5_000_000, 500_020, 5_000_010)), crs="EPSG:32632"
    )
    expected = np.zeros((6, 8))
    expected[(slice(0, 1), slice(0, 2)) if transform[0] else (slice(0, 2), slice(0, 1))] = 1
    np.testing.assert_array_equal(burn(open_polygon_file(file, column="class").on_grid(info)), expected)


def test_polygons_too_small_for_a_pixel_are_counted(tmp_path: Path, scene: SceneInfo) -> None:
    x, y = 500_000, 5_000_000
    corner = {"type": "Polygon", "coordinates": [[[x, y], [x + 14, y], [x, y + 5.5], [x, y]]]}
    file = write_geojson(
        tmp_path / "p.geojson",
        ("on a centre", square(x + 14, y + 14, x + 16, y + 16)),
        ("beside one", square(x + 11, y + 11, x + 14, y + 14)),
        ("box on a centre", corner),
        ("across four pixels", square(x + 16, y + 16, x + 24, y + 24)),
        ("large", square(x, y, x + 70, y + 10)),
        crs="EPSG:32632",
    )
    polygons = open_polygon_file(file, column="class").on_grid(scene)
    assert count_without_pixel(polygons) == 3
    shown = {polygons.texts[number - 1] for number in burn(polygons).ravel() if number}
    assert shown == {"on a centre", "large"}


def test_the_last_of_many_polygons_may_be_the_one_on_the_scene(tmp_path: Path, scene: SceneInfo) -> None:
    # Their boxes touch the scene, and they themselves do not.
    x, y = 500_000, 5_000_000
    around = [
        [x - 90, y - 90],
        [x + 200, y - 90],
        [x + 200, y - 20],
        [x - 20, y - 20],
        [x - 20, y + 90],
        [x - 90, y - 90],
    ]
    beside = ("beside", {"type": "Polygon", "coordinates": [around]})
    file = write_geojson(tmp_path / "p.geojson", *[beside] * 100, ("field", square(*FIELD)), crs="EPSG:32632")
    polygons = open_polygon_file(file, column="class").on_grid(scene)
    np.testing.assert_array_equal(burn(polygons) == 2, FIELD_PIXELS == 1)
