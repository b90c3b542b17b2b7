"""GeoPackages, Shapefiles and other files that fiona reads: layers, encodings, kinds of attributes."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from polygon_files import FIELD, FIELD_PIXELS, burn, square, write_layer

from rs_adapt.errors import DataError, DataNotFound
from rs_adapt.scenes import SceneInfo
from rs_adapt.scenes.polygons import file as polygon_file
from rs_adapt.scenes.polygons import open_polygon_file

fiona = pytest.importorskip("fiona")
METRES = square(*FIELD)
ELSEWHERE = square(500_000, 5_000_000, 500_010, 5_000_010)


@pytest.fixture
def two_layers(tmp_path: Path) -> Path:
    """Write a file whose first layer is not the one with the labels."""
    write_layer(tmp_path / "p.gpkg", ("x", ELSEWHERE), ("y", ELSEWHERE), layer="parcels", column="use")
    return write_layer(tmp_path / "p.gpkg", ("field", METRES), layer="labels")


def test_of_several_layers_one_is_to_be_named(two_layers: Path, scene: SceneInfo) -> None:
    with pytest.raises(DataError) as error:
        open_polygon_file(two_layers, column="class")
    assert (
        f"{two_layers} has several layers: name one with layer = ... in [...labels]. It has: "
        "1. 'parcels' (Polygon, 2 features, attributes: use); 2. 'labels' (Polygon, 1 features, attributes: class)."
    ) in str(error.value)
    for layer in ("labels", 2):
        polygons = open_polygon_file(two_layers, column="class", layer=layer).on_grid(scene)
        np.testing.assert_array_equal(burn(polygons), FIELD_PIXELS)
    with pytest.raises(DataError, match="has no layer 3: give its name, or its number from 1"):
        open_polygon_file(two_layers, column="class", layer=3)
    with pytest.raises(DataError, match=r"feature 0 has no attribute 'class'\. It has: use\."):
        open_polygon_file(two_layers, column="class", layer="parcels")


def test_empty_layers_and_tables_without_geometry_do_not_count(tmp_path: Path, scene: SceneInfo) -> None:
    path = tmp_path / "p.gpkg"
    write_layer(path, layer="drafts")
    write_layer(path, ("field", METRES), layer="labels")
    # QGIS stores the styles of layers in such a table.
    write_layer(path, ("style", None), layer="layer_styles", kind="None", crs=None)
    polygons = open_polygon_file(path, column="class").on_grid(scene)
    np.testing.assert_array_equal(burn(polygons), FIELD_PIXELS)


def test_a_file_of_tables_alone_is_refused(tmp_path: Path) -> None:
    write_layer(tmp_path / "p.gpkg", ("style", None), layer="layer_styles", kind="None", crs=None)
    with pytest.raises(DataError, match="has no layer with geometry. It has: 1. 'layer_styles'"):
        open_polygon_file(tmp_path / "p.gpkg", column="class")


def test_a_file_without_polygons_has_no_label_for_a_scene(tmp_path: Path, scene: SceneInfo) -> None:
    for name, driver in (("p.gpkg", "GPKG"), ("p.shp", "ESRI Shapefile")):
        write_layer(tmp_path / name, driver=driver)
        with pytest.raises(DataError, match="holds no polygon, so the scene"):
            open_polygon_file(tmp_path / name, column="class").on_grid(scene)


@pytest.mark.parametrize(
    ("name", "driver"),
    [
        ("p.shp", "ESRI Shapefile"),
        ("p.fgb", "FlatGeobuf"),
        ("p.gml", "GML"),
        ("p.sqlite", "SQLite"),
        ("p.tab", "MapInfo File"),
    ],
)
def test_other_formats_say_the_same(tmp_path: Path, scene: SceneInfo, name: str, driver: str) -> None:
    kind = "MultiPolygon" if driver == "OpenFileGDB" else "Polygon"
    geometry = {"type": kind, "coordinates": [METRES["coordinates"]]} if kind == "MultiPolygon" else METRES
    write_layer(tmp_path / name, ("field", geometry), driver=driver, kind=kind)
    polygons = open_polygon_file(tmp_path / name, column="class").on_grid(scene)
    assert polygons.texts == ("field",)
    np.testing.assert_array_equal(burn(polygons), FIELD_PIXELS)


@pytest.mark.parametrize(
    ("column_type", "value", "text"),
    [
        ("float", 1.0, "1"),
        ("float", 1.5, "1.5"),
        ("float", None, ""),
        ("int", 1, "1"),
        ("str", " road  ", "road"),
        ("str", "1.0", "1.0"),
        ("str", None, ""),
        ("bool", True, "True"),
        ("date", "2024-05-01", "2024-05-01"),
    ],
)
def test_attributes_are_texts_whatever_the_column_stores(
    tmp_path: Path, scene: SceneInfo, column_type: str, value: object, text: str
) -> None:
    write_layer(tmp_path / "p.gpkg", (value, METRES), column_type=column_type)
    assert open_polygon_file(tmp_path / "p.gpkg", column="class").on_grid(scene).texts == (text,)


@pytest.mark.parametrize("column_type", ["int:4", "float:10.3", "str:10"])
def test_numbers_of_a_dbf_are_texts_too(tmp_path: Path, scene: SceneInfo, column_type: str) -> None:
    value = {"int:4": 1, "float:10.3": 1.0, "str:10": "1"}[column_type]
    write_layer(tmp_path / "p.shp", (value, METRES), driver="ESRI Shapefile", column_type=column_type)
    assert open_polygon_file(tmp_path / "p.shp", column="class").on_grid(scene).texts == ("1",)


@pytest.mark.parametrize("encoding", ["UTF-8", "ISO-8859-1", "CP1252"])
def test_a_dbf_is_read_in_the_encoding_of_its_cpg(tmp_path: Path, scene: SceneInfo, encoding: str) -> None:
    write_layer(tmp_path / "p.shp", ("Gebäude", METRES), driver="ESRI Shapefile", encoding=encoding)
    assert (tmp_path / "p.cpg").is_file()
    assert open_polygon_file(tmp_path / "p.shp", column="class").on_grid(scene).texts == ("Gebäude",)


def test_a_shapefile_without_prj_needs_its_system(tmp_path: Path, scene: SceneInfo) -> None:
    write_layer(tmp_path / "p.shp", ("field", METRES), driver="ESRI Shapefile")
    (tmp_path / "p.prj").unlink()
    with pytest.raises(DataError) as error:
        open_polygon_file(tmp_path / "p.shp", column="class").on_grid(scene)
    assert "states no reference system (of a Shapefile the .prj is missing)" in str(error.value)
    assert 'if they are in it, crs = "EPSG:32632".' in str(error.value)
    polygons = open_polygon_file(tmp_path / "p.shp", column="class", crs="EPSG:32632").on_grid(scene)
    np.testing.assert_array_equal(burn(polygons), FIELD_PIXELS)


def test_collections_and_missing_geometries_come_through(tmp_path: Path, scene: SceneInfo) -> None:
    collection = {"type": "GeometryCollection", "geometries": [METRES]}
    write_layer(tmp_path / "p.gpkg", ("field", collection), ("field", None), kind="Unknown")
    polygons = open_polygon_file(tmp_path / "p.gpkg", column="class").on_grid(scene)
    np.testing.assert_array_equal(burn(polygons), FIELD_PIXELS)
    assert polygons.skipped == {"without geometry": 1}


def test_curves_become_polygons(tmp_path: Path, scene: SceneInfo) -> None:
    x, y = 500_000, 5_000_000
    ring = ", ".join(f"{x + dx} {y + dy}" for dx, dy in ((10, 30), (30, 50), (50, 30), (30, 10), (10, 30)))
    circle = f"CURVEPOLYGON(CIRCULARSTRING({ring}))"
    (tmp_path / "p.csv").write_text(f'WKT,class\n"{circle}",pond\n')
    polygons = open_polygon_file(tmp_path / "p.csv", column="class", crs="EPSG:32632").on_grid(scene)
    expected = FIELD_PIXELS.copy()
    expected[[1, 1, 4, 4], [1, 4, 1, 4]] = 0
    np.testing.assert_array_equal(burn(polygons), expected)


def test_points_are_refused_by_their_number(tmp_path: Path) -> None:
    write_layer(tmp_path / "p.gpkg", ("a", {"type": "Point", "coordinates": [1, 1]}), kind="Point")
    with pytest.raises(DataError, match="feature 1 is a Point; labels are polygons"):
        open_polygon_file(tmp_path / "p.gpkg", column="class")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "p.gpkg").write_bytes(b"no database")
    with pytest.raises(DataError, match=r"p\.gpkg cannot be read as polygons"):
        open_polygon_file(tmp_path / "p.gpkg", column="class")


@pytest.mark.parametrize("part", ["p.shp", "p.dbf", "p.prj", "p.fgb", "p.gml", "p.gpkg"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.97])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, scene: SceneInfo, part: str, share: float) -> None:
    name, driver = {"p.fgb": ("p.fgb", "FlatGeobuf"), "p.gml": ("p.gml", "GML"), "p.gpkg": ("p.gpkg", "GPKG")}.get(
        part, ("p.shp", "ESRI Shapefile")
    )
    plots = [square(x, y, x + 10, y + 10) for x in range(500_000, 500_080, 10) for y in range(5_000_000, 5_000_060, 10)]
    write_layer(tmp_path / name, *((f"plot {number}", plot) for number, plot in enumerate(plots)), driver=driver)
    assert (burn(open_polygon_file(tmp_path / name, column="class").on_grid(scene)) > 0).all()
    whole = (tmp_path / part).read_bytes()
    (tmp_path / part).write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(DataError, match=rf"{name} (is damaged or cut off|cannot be read as polygons)"):
        open_polygon_file(tmp_path / name, column="class").on_grid(scene)


@pytest.mark.parametrize("part", [".shx", ".dbf"])
def test_a_shapefile_without_one_of_its_files_is_refused_with_its_name(tmp_path: Path, part: str) -> None:
    path = write_layer(tmp_path / "p.shp", ("field", METRES), driver="ESRI Shapefile")
    path.with_suffix(part).unlink()
    with pytest.raises(DataError, match=rf"p\.shp is a Shapefile without its \{part}: copy all of its files"):
        open_polygon_file(path, column="class")


def test_without_fiona_a_geopackage_is_refused_with_the_command_that_installs_it(
    two_layers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fiona", None)
    with pytest.raises(DataNotFound, match=r"needs the package fiona: pip install 'rs-adapt\[vector\]'"):
        open_polygon_file(two_layers, column="class", layer=1)


def test_a_large_layer_is_read_around_each_scene(
    tmp_path: Path, scene: SceneInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polygon_file, "MOST_FEATURES", 1)
    far = square(600_000, 5_000_000, 600_010, 5_000_010)
    write_layer(tmp_path / "p.gpkg", ("far", far), ("field", METRES))
    file = open_polygon_file(tmp_path / "p.gpkg", column="class")
    polygons = file.on_grid(scene)
    assert polygons.texts == ("field",)
    np.testing.assert_array_equal(burn(polygons), FIELD_PIXELS)


def test_a_file_is_read_once_and_again_when_it_changes(tmp_path: Path, scene: SceneInfo) -> None:
    path = write_layer(tmp_path / "p.shp", ("field", METRES), driver="ESRI Shapefile")
    first = open_polygon_file(path, column="class")
    assert open_polygon_file(path, column="class") is first
    write_layer(tmp_path / "q.shp", ("house 2", METRES), driver="ESRI Shapefile")
    (tmp_path / "q.dbf").replace(tmp_path / "p.dbf")
    assert open_polygon_file(path, column="class").on_grid(scene).texts == ("house 2",)
