"""Attributes become classes whatever a column stores, and pixels outside all polygons what the bench says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from polygon_files import FIELD, SCENE_BOX, UTM, in_degrees, square, write_geojson, write_scene

from rs_adapt.datasets.own.polygon_labels import PolygonFacts, PolygonLabels
from rs_adapt.datasets.own.windows import IGNORE, LabelWindow
from rs_adapt.datasets.recipes import LabelSource
from rs_adapt.errors import DataError
from rs_adapt.scenes import Box, SceneInfo

METRES = square(*FIELD)
WEST = square(500_000, 5_000_000, 500_040, 5_000_060)


@pytest.fixture
def scene(tmp_path: Path) -> SceneInfo:
    """Return a scene of 8 x 6 pixels of 10 m."""
    return write_scene(tmp_path / "scene.tif")


def source(path: Path, *items: object, **settings: Any) -> LabelSource:
    return LabelSource(
        kind="polygons",
        path=str(path),
        suffix=".geojson",
        column="class",
        background=settings.pop("background", None),
        to_index=tuple((str(item), index) for index, item in enumerate(items)),
        ignore=settings.pop("ignore", ()),
        **settings,
    )


def read(path: Path, scene: SceneInfo, *items: object, **settings: Any) -> LabelWindow:
    return PolygonLabels(source(path, *items, **settings), scene, path).read(SCENE_BOX)


@pytest.mark.parametrize(
    ("attribute", "item"),
    [
        (1, 1),
        (1.0, 1),
        ("1", 1),
        ("1.0", 1),
        (1, "1"),
        (1.0, "1.0"),
        (1, 1.0),
        (0.5, 0.5),
        (-3, -3),
        (True, True),
        ("true", True),
        (True, "TRUE"),
        (" road ", "road"),
        ("road", " road"),
        ("Geba\u0308ude", "Gebäude"),
        ("2024-01-02", "2024-01-02"),
        ("", ""),
        (None, ""),
    ],
)
def test_one_value_is_one_class_however_it_is_written(
    tmp_path: Path, scene: SceneInfo, attribute: object, item: object
) -> None:
    path = write_geojson(tmp_path / "p.geojson", (attribute, METRES), crs=UTM)
    window = read(path, scene, item, "other")
    expected = np.full((6, 8), IGNORE)
    expected[1:5, 1:5] = 0
    np.testing.assert_array_equal(window.classes_HW, expected)
    assert window.contents == {str(item): 16, "outside all polygons": 32}
    assert not window.no_data_HW.any()


@pytest.mark.parametrize(
    ("attribute", "item", "hint"),
    [
        ("Road", "road", "'Road' is not 'road': letter case and spelling count."),
        ("01", 1, ""),
        ("1.10", "1.1", ""),
        (1.5, 1, ""),
        (True, 1, ""),
        (None, "None", '"" stands for polygons without a value.'),
        ("biulding", "building", "'biulding' is not 'building': letter case and spelling count."),
    ],
)
def test_polygons_with_other_values_belong_to_no_class(
    tmp_path: Path, scene: SceneInfo, attribute: object, item: object, hint: str
) -> None:
    path = write_geojson(tmp_path / "p.geojson", (attribute, METRES), (attribute, WEST), crs=UTM)
    with pytest.raises(DataError, match=r"p\.geojson has polygons that belong to no class: .* \(2\)\. ") as error:
        read(path, scene, item, "other")
    assert str(error.value).endswith(hint)


def test_text_codes_that_read_as_one_number_stay_apart_where_the_bench_names_both(
    tmp_path: Path, scene: SceneInfo
) -> None:
    path = write_geojson(tmp_path / "p.geojson", ("1", WEST), ("1.0", METRES), crs=UTM)
    assert read(path, scene, "1", "1.0").contents == {"1": 12, "1.0": 16, "outside all polygons": 20}


def test_attributes_elsewhere_in_the_file_are_no_matter_of_the_scene(tmp_path: Path, scene: SceneInfo) -> None:
    far = square(600_000, 5_000_000, 600_010, 5_000_010)
    path = write_geojson(tmp_path / "p.geojson", ("unknown", far), ("field", METRES), crs=UTM)
    assert read(path, scene, "field").contents["field"] == 16


def test_more_attributes_than_a_byte_holds_keep_their_classes(tmp_path: Path, scene: SceneInfo) -> None:
    names = [f"plot {number}" for number in range(300)]
    path = write_geojson(tmp_path / "p.geojson", ("plot 299", WEST), ("plot 7", METRES), crs=UTM)
    pairs = tuple((name, int(name == "plot 299")) for name in names)
    labels = source(path, background=2).model_copy(update={"to_index": pairs})
    classes_HW = PolygonLabels(labels, scene, path).read(SCENE_BOX).classes_HW
    expected = np.full((6, 8), 2)
    expected[:, :4] = 1
    expected[1:5, 1:5] = 0
    np.testing.assert_array_equal(classes_HW, expected)


def test_windows_are_parts_of_the_whole(tmp_path: Path, scene: SceneInfo) -> None:
    path = write_geojson(tmp_path / "p.geojson", ("a", WEST), ("b", METRES), crs=UTM)
    labels = PolygonLabels(source(path, "a", "b", background=1), scene, path)
    whole_HW = labels.read(SCENE_BOX).classes_HW
    for box in (Box(0, 0, 3, 2), Box(2, 1, 8, 6), Box(7, 5, 8, 6)):
        np.testing.assert_array_equal(labels.read(box).classes_HW, whole_HW[box.y0 : box.y1, box.x0 : box.x1])


def test_uncovered_pixels_are_background_inside_the_aoi_and_unlabelled_outside(
    tmp_path: Path, scene: SceneInfo
) -> None:
    path = write_geojson(tmp_path / "p.geojson", ("field", METRES), crs=UTM)
    aoi = write_geojson(tmp_path / "aoi.geojson", (None, WEST), crs=UTM)
    window = read(path, scene, "field", "land", background=1, aoi=str(aoi))
    expected = np.full((6, 8), IGNORE)
    expected[:, :4] = 1
    expected[1:5, 1:4] = 0
    np.testing.assert_array_equal(window.classes_HW, expected)
    np.testing.assert_array_equal(window.no_data_HW, expected == IGNORE)
    assert window.contents == {"field": 12, "outside all polygons": 12}


def test_a_scene_without_polygons_is_background_inside_the_aoi(tmp_path: Path, scene: SceneInfo) -> None:
    path = write_geojson(tmp_path / "p.geojson", ("field", square(500_200, 5_000_000, 500_300, 5_000_060)), crs=UTM)
    with pytest.raises(DataError, match="No polygon of"):
        read(path, scene, "field", "land", background=1)
    aoi = write_geojson(tmp_path / "aoi.geojson", (None, square(499_000, 4_999_000, 502_000, 5_002_000)), crs=UTM)
    assert read(path, scene, "field", "land", background=1, aoi=str(aoi)).contents == {"outside all polygons": 48}
    other = write_geojson(tmp_path / "other.geojson", (None, square(501_000, 4_999_000, 502_000, 5_002_000)), crs=UTM)
    with pytest.raises(DataError, match=r"No polygon of .*other\.geojson lies on the scene"):
        read(path, scene, "field", "land", background=1, aoi=str(other))


def test_an_empty_file_of_one_image_means_that_it_has_no_objects(tmp_path: Path, scene: SceneInfo) -> None:
    folder = tmp_path / "labels"
    folder.mkdir()
    file = write_geojson(folder / "scene.geojson")
    labels = source(folder, "field", "land", background=1)
    assert PolygonLabels(labels, scene, file).read(SCENE_BOX).contents == {"outside all polygons": 48}
    for wrong in (source(folder, "field", "land"), source(file, "field", "land", background=1)):
        with pytest.raises(DataError, match="holds no polygon, so the scene"):
            PolygonLabels(wrong, scene, file)


def test_left_out_polygons_are_reported(tmp_path: Path, scene: SceneInfo) -> None:
    speck = square(500_001, 5_000_001, 500_002, 5_000_002)
    path = write_geojson(tmp_path / "p.geojson", ("a", None), ("a", METRES), ("a", speck), crs=UTM)
    assert PolygonLabels(source(path, "a"), scene, path).facts == PolygonFacts(
        note=f"{path}: left out 1 without geometry (feature 0)", num_without_pixel=1, in_pixels=False
    )


def test_all_attributes_of_the_file_that_no_class_names_are_listed_at_once(tmp_path: Path, scene: SceneInfo) -> None:
    far = square(600_000, 5_000_000, 600_010, 5_000_010)
    path = write_geojson(tmp_path / "p.geojson", ("a", METRES), ("b", far), ("b", far), ("c", METRES), crs=UTM)
    with pytest.raises(DataError, match=r"belong to no class: 'b' \(2\), 'a' \(1\)\. Name them"):
        read(path, scene, "c")


def test_an_aoi_without_its_own_system_is_in_that_of_the_labels(tmp_path: Path, scene: SceneInfo) -> None:
    path = write_geojson(tmp_path / "p.geojson", ("field", METRES))
    for geometry in (WEST, in_degrees(WEST)):
        aoi = write_geojson(tmp_path / "aoi.geojson", (None, geometry))
        window = read(path, scene, "field", "land", background=1, aoi=str(aoi), crs=UTM)
        assert window.contents == {"field": 12, "outside all polygons": 12}
