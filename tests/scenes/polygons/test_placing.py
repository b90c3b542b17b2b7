"""Polygons that do not fit their scene are refused with what to do, and never applied in silence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from polygon_files import FIELD, FIELD_PIXELS, UTM, burn, in_degrees, square, swapped, write_geojson, write_scene

from rs_adapt.errors import DataError
from rs_adapt.scenes import Scene, SceneInfo
from rs_adapt.scenes.polygons import Polygons, open_polygon_file

METRES, DEGREES = square(*FIELD), in_degrees(square(*FIELD))


def plain(folder: Path, size: tuple[int, int] = (6, 8)) -> SceneInfo:
    Image.fromarray(np.zeros((*size, 3), np.uint8)).save(folder / "plain.png")
    with Scene(folder / "plain.png") as opened:
        return opened.info


def placed(folder: Path, info: SceneInfo, *geometries: dict[str, object], crs: str | None = None) -> Polygons:
    file = write_geojson(folder / "p.geojson", *(("a", geometry) for geometry in geometries), crs=crs)
    return open_polygon_file(file, column="class").on_grid(info)


def test_a_scene_that_no_polygon_touches_is_refused_with_both_places(tmp_path: Path, scene: SceneInfo) -> None:
    with pytest.raises(DataError) as error:
        placed(tmp_path, scene, square(500_200, 5_000_010, 500_300, 5_000_050), crs=UTM)
    assert f"No polygon of {tmp_path / 'p.geojson'} lies on the scene {scene.path}. In EPSG:32632" in str(error.value)
    assert "the polygons span x 500200 to 500300, y 5000010 to 5000050" in str(error.value)
    assert "the scene x 500000 to 500080, y 5000000 to 5000060" in str(error.value)
    assert "aoi" in str(error.value)


def test_a_file_in_the_system_of_the_scene_is_not_told_to_state_it(tmp_path: Path, scene: SceneInfo) -> None:
    # The boxes overlap, and neither polygon lies on the scene.
    beside = [square(499_900, 4_999_900, 499_990, 5_000_050), square(500_090, 5_000_010, 500_200, 5_000_200)]
    with pytest.raises(DataError, match="No polygon of .* Add the polygons") as error:
        placed(tmp_path, scene, *beside, crs=UTM)
    assert "Their numbers are those" not in str(error.value)


def test_both_extents_are_reported_in_the_system_of_the_file(tmp_path: Path, scene: SceneInfo) -> None:
    with pytest.raises(DataError, match=r"In OGC:CRS84, .*: the polygons span x 11\.0000 .*, the scene x 9\.0000 to 9"):
        placed(tmp_path, scene, square(11, 45, 11.1, 45.1))


def test_a_polygon_whose_box_alone_touches_the_scene_is_not_on_it(tmp_path: Path, scene: SceneInfo) -> None:
    x, y = 500_000, 5_000_000
    around = [
        [x - 90, y - 90],
        [x + 200, y - 90],
        [x + 200, y - 20],
        [x - 20, y - 20],
        [x - 20, y + 90],
        [x - 90, y + 90],
    ]
    with pytest.raises(DataError, match="No polygon of"):
        placed(tmp_path, scene, {"type": "Polygon", "coordinates": [[*around, around[0]]]}, crs=UTM)


def test_scenes_in_two_systems_share_a_file(tmp_path: Path, scene: SceneInfo) -> None:
    # The same place in zone 33, whose central meridian lies 6 degrees further east.
    from rasterio.warp import transform

    (x,), (y,) = transform(UTM, "EPSG:32633", [500_000], [5_000_060])
    other = write_scene(
        tmp_path / "b.tif", crs="EPSG:32633", transform=(10.0, 0.0, x - 40, 0.0, -10.0, y + 40), size=(20, 20)
    )
    file = open_polygon_file(write_geojson(tmp_path / "p.geojson", ("a", METRES), crs=UTM), column="class")
    np.testing.assert_array_equal(burn(file.on_grid(scene)), FIELD_PIXELS)
    from rs_adapt.scenes import Box

    assert 12 <= burn(file.on_grid(other), Box(0, 0, 20, 20)).sum() <= 20


def test_projected_coordinates_without_a_system_are_refused(tmp_path: Path, scene: SceneInfo) -> None:
    with pytest.raises(DataError) as error:
        placed(tmp_path, scene, METRES)
    assert "states no reference system, which in GeoJSON means longitude and latitude" in str(error.value)
    assert 'if they are in it, crs = "EPSG:32632".' in str(error.value)
    file = open_polygon_file(tmp_path / "p.geojson", column="class", crs="EPSG:32632")
    np.testing.assert_array_equal(burn(file.on_grid(scene)), FIELD_PIXELS)


@pytest.mark.parametrize("name", ["EPSG:4326", "urn:ogc:def:crs:OGC:1.3:CRS84"])
def test_metres_that_are_stated_as_degrees_are_refused(tmp_path: Path, scene: SceneInfo, name: str) -> None:
    with pytest.raises(DataError, match=r"as it states\), which is of degrees, but its coordinates are none: x 500010"):
        placed(tmp_path, scene, METRES, crs=name)
    file = open_polygon_file(tmp_path / "p.geojson", column="class", crs="EPSG:4326")
    with pytest.raises(DataError, match=r"is in EPSG:4326 \(as crs says\), which is of degrees"):
        file.on_grid(scene)


def test_degrees_that_are_stated_as_metres_are_refused(tmp_path: Path, scene: SceneInfo) -> None:
    with pytest.raises(DataError, match=r"In EPSG:32632, the system of the file: the polygons span x 9\.0"):
        placed(tmp_path, scene, DEGREES, crs=UTM)


@pytest.mark.parametrize("name", [None, "EPSG:4326", "urn:ogc:def:crs:EPSG::4326"])
def test_latitude_before_longitude_is_refused_and_named(tmp_path: Path, scene: SceneInfo, name: str | None) -> None:
    with pytest.raises(DataError, match="The coordinates of .* are latitude, longitude: so read they lie on the scene"):
        placed(tmp_path, scene, swapped(DEGREES), crs=name)


def test_latitude_before_a_longitude_that_is_no_latitude_is_named_too(tmp_path: Path) -> None:
    info = write_scene(tmp_path / "east.tif", crs="EPSG:32651", transform=(10.0, 0.0, 5e5, 0.0, -10.0, 4e6))
    from rasterio.warp import transform_geom

    geometry = transform_geom("EPSG:32651", "OGC:CRS84", square(500_010, 3_999_950, 500_050, 3_999_990))
    assert burn(placed(tmp_path, info, geometry)).sum() == 16
    with pytest.raises(DataError, match="are latitude, longitude: so read"):
        placed(tmp_path, info, swapped(geometry))


def test_northing_before_easting_is_refused_and_named(tmp_path: Path, scene: SceneInfo) -> None:
    with pytest.raises(DataError, match="are northing, easting: so read they lie on the scene"):
        placed(tmp_path, scene, swapped(METRES), crs=UTM)


def test_swapped_coordinates_are_refused_where_a_miss_is_allowed(tmp_path: Path, scene: SceneInfo) -> None:
    file = write_geojson(tmp_path / "p.geojson", ("a", swapped(DEGREES)))
    with pytest.raises(DataError, match="are latitude, longitude"):
        open_polygon_file(file, column="class").on_grid(scene, may_miss=True)
    away = write_geojson(tmp_path / "away.geojson", ("a", square(11, 45, 11.1, 45.1)))
    assert len(open_polygon_file(away, column="class").on_grid(scene, may_miss=True)) == 0


def test_an_empty_file_labels_no_scene(tmp_path: Path, scene: SceneInfo) -> None:
    with pytest.raises(DataError, match=r"p\.geojson holds no polygon, so the scene .* has no label\..*aoi"):
        placed(tmp_path, scene)


def test_polygons_on_both_sides_of_180_degrees_meet_their_scene(tmp_path: Path) -> None:
    info = write_scene(
        tmp_path / "fiji.tif", crs="EPSG:32760", transform=(1000.0, 0.0, 810_000.0, 0.0, -1000.0, 8.0e6), size=(20, 20)
    )
    from rasterio.warp import transform_geom

    west = transform_geom("EPSG:32760", "OGC:CRS84", square(811_000, 7_985_000, 815_000, 7_990_000))
    east = transform_geom("EPSG:32760", "OGC:CRS84", square(824_000, 7_985_000, 828_000, 7_990_000))
    assert west["coordinates"][0][0][0] > 179
    assert east["coordinates"][0][0][0] < -179
    from rs_adapt.scenes import Box

    burnt = burn(placed(tmp_path, info, west, east), Box(0, 0, 20, 20))
    expected = np.zeros((20, 20))
    expected[10:15, 1:5] = expected[10:15, 14:18] = 1
    np.testing.assert_array_equal(burnt, expected)


def test_of_an_image_without_reference_the_coordinates_are_pixels(tmp_path: Path) -> None:
    expected = np.zeros((6, 8))
    expected[1:3, 2:5] = 1
    np.testing.assert_array_equal(burn(placed(tmp_path, plain(tmp_path), square(2, 1, 5, 3))), expected)
    # QGIS shows such an image below y = 0.
    np.testing.assert_array_equal(burn(placed(tmp_path, plain(tmp_path), square(2, -1, 5, -3))), expected)
    # Its layers state a system all the same.
    np.testing.assert_array_equal(burn(placed(tmp_path, plain(tmp_path), square(2, -1, 5, -3), crs=UTM)), expected)


@pytest.mark.parametrize(
    ("geometry", "message"),
    [
        (square(2, -3, 5, 3), "lie above and below its upper edge"),
        (DEGREES, "No polygon of .* The scene has no georeference, so coordinates are its pixels: the polygons span"),
        (square(3.001, 2.001, 3.004, 2.005), "its polygons are smaller than one .*: they look like longitude and lat"),
        (METRES, "No polygon of .* The scene has no georeference, so coordinates are its pixels: the polygons span"),
    ],
)
def test_coordinates_that_are_not_pixels_of_an_image_are_refused(
    tmp_path: Path, geometry: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        placed(tmp_path, plain(tmp_path), geometry)


def test_of_a_scene_without_a_regular_grid_the_fault_is_named(tmp_path: Path) -> None:
    info = replace(plain(tmp_path), place_fault="is placed by rational polynomials (RPCs) only. Warp it first.")
    for geometry, crs in ((DEGREES, None), (METRES, UTM), (square(3.001, 2.001, 3.004, 2.005), None)):
        with pytest.raises(DataError, match=r"p\.geojson does not fit the scene .*, which is placed by rational poly"):
            placed(tmp_path, info, geometry, crs=crs)
    assert burn(placed(tmp_path, info, square(2, 1, 5, 3))).sum() == 6


def test_a_system_for_an_image_without_georeference_is_refused(tmp_path: Path) -> None:
    file = write_geojson(tmp_path / "p.geojson", ("a", square(2, 1, 5, 3)))
    with pytest.raises(DataError, match="crs is given for .*, but the scene .* has no georeference"):
        open_polygon_file(file, column="class", crs=UTM).on_grid(plain(tmp_path))


def test_a_scene_in_a_local_system_is_met_by_its_numbers(tmp_path: Path) -> None:
    info = write_scene(tmp_path / "local.tif", crs='LOCAL_CS["unnamed",UNIT["metre",1]]')
    np.testing.assert_array_equal(burn(placed(tmp_path, info, METRES, crs=UTM)), FIELD_PIXELS)
    with pytest.raises(DataError, match="states no known reference system, so the numbers are compared as they are"):
        placed(tmp_path, info, DEGREES)


def test_metres_that_are_stated_in_the_wrong_zone_are_refused_with_a_hint(tmp_path: Path, scene: SceneInfo) -> None:
    with pytest.raises(DataError, match=r'In EPSG:32650, .* if they are in it, crs = "EPSG:32632"\.'):
        placed(tmp_path, scene, METRES, crs="EPSG:32650")


def test_a_scene_with_a_world_file_alone_is_met_by_its_numbers(tmp_path: Path, scene: SceneInfo) -> None:
    info = replace(scene, crs=None)
    np.testing.assert_array_equal(burn(placed(tmp_path, info, METRES)), FIELD_PIXELS)
    np.testing.assert_array_equal(burn(placed(tmp_path, info, METRES, crs=UTM)), FIELD_PIXELS)
    with pytest.raises(
        DataError, match="The scene states no known reference system, so the numbers are compared as they are"
    ):
        placed(tmp_path, info, DEGREES)
    with pytest.raises(DataError, match="are northing, easting"):
        placed(tmp_path, info, swapped(METRES), crs=UTM)


@pytest.mark.parametrize("crs", [UTM, "EPSG:2154", "EPSG:3035", "EPSG:3857"])
def test_a_polygon_of_half_the_world_covers_the_scene_and_its_hole_does_not(tmp_path: Path, crs: str) -> None:
    from rasterio.warp import transform, transform_geom

    (x,), (y,) = transform("OGC:CRS84", crs, [9.0], [45.0])
    info = write_scene(tmp_path / "scene.tif", crs=crs, transform=(10.0, 0.0, x, 0.0, -10.0, y))
    hole = transform_geom(crs, "OGC:CRS84", square(x + 10, y - 50, x + 50, y - 10))["coordinates"][0]
    world = square(-180, -90, 180, 90)["coordinates"][0]
    np.testing.assert_array_equal(burn(placed(tmp_path, info, {"type": "Polygon", "coordinates": [world]})), 1)
    polygons = placed(tmp_path, info, {"type": "Polygon", "coordinates": [world, hole]})
    np.testing.assert_array_equal(burn(polygons), 1 - FIELD_PIXELS)


def test_a_polygon_that_no_projection_reaches_is_refused_and_not_dropped(tmp_path: Path) -> None:
    transform = (1000.0, 0.0, 810_000.0, 0.0, -1000.0, 8.0e6)
    info = write_scene(tmp_path / "fiji.tif", crs="EPSG:32760", transform=transform, size=(20, 20))
    with pytest.raises(DataError, match=r"A polygon of .* at the scene .* reaches too far: .* Cut the polygons"):
        placed(tmp_path, info, {"type": "Polygon", "coordinates": [[[-180, -30], [-90, 0], [180, 30], [-180, -30]]]})
