"""The files that are read with a scene or a file of polygons."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil

from rs_adapt.scenes import files_behind
from tests.geodata import write_raster


def names(*paths: Path) -> set[str]:
    return {path.name for path in files_behind(paths)}


@pytest.mark.parametrize(
    ("file", "beside"),
    [
        ("a.tif", ["a.tif.aux.xml", "a.aux.xml", "a.tif.msk", "a.tfw", "a.TFW", "a.wld", "a.prj"]),
        ("a.jpg", ["a.jgw", "a.jpgw", "a.jpg.aux.xml"]),
        ("a.shp", ["a.dbf", "a.DBF", "a.shx", "a.prj", "a.cpg"]),
        ("a.gpkg", ["a.gpkg-wal"]),
        ("a.b.tif", ["a.b.tif.aux.xml", "a.b.tfw"]),
        ("A.tif", ["a.tfw"]),
        ("a.tab", ["a.dat", "a.map", "a.id"]),
    ],
)
def test_files_of_the_same_name_are_read_with_a_file(tmp_path: Path, file: str, beside: list[str]) -> None:
    others = ["b.tif", "ab.tfw", "a.tif.ovr", "a.qml", "a.gpkg-shm", "a.qix"]
    for name in (file, *beside, *others):
        (tmp_path / name).touch()
    assert names(tmp_path / file) == {file, *beside}


def test_parts_of_a_vrt_are_read_with_it_down_to_their_sidecars(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    part = write_raster(tmp_path / "parts" / "p.tif", np.zeros((8, 8), np.uint8))
    (tmp_path / "parts" / "p.tif.aux.xml").write_text("<PAMDataset/>")
    inner, outer = tmp_path / "inner.vrt", tmp_path / "outer.vrt"
    rasterio.shutil.copy(part, inner, driver="VRT")
    # GDAL would write the part's name into the copy of a copy.
    text = inner.read_text()
    assert ">parts/p.tif<" in text
    outer.write_text(text.replace(">parts/p.tif<", ">inner.vrt<"))
    assert names(outer) == {"outer.vrt", "inner.vrt", "p.tif", "p.tif.aux.xml"}


def test_parts_of_a_vrt_of_layers_are_read_with_it(tmp_path: Path) -> None:
    (tmp_path / "x.shp").touch()
    (tmp_path / "x.dbf").touch()
    (tmp_path / "all.vrt").write_text(
        "<OGRVRTDataSource><OGRVRTLayer name='x'><SrcDataSource relativeToVRT='1'>x.shp</SrcDataSource>"
        "</OGRVRTLayer></OGRVRTDataSource>"
    )
    assert names(tmp_path / "all.vrt") == {"all.vrt", "x.shp", "x.dbf"}


def test_files_of_a_folder_that_is_a_data_set_count(tmp_path: Path) -> None:
    (tmp_path / "x.gdb").mkdir()
    (tmp_path / "x.gdb" / "a0001.gdbtable").touch()
    assert names(tmp_path / "x.gdb") == {"a0001.gdbtable"}


def test_each_file_is_there_once(tmp_path: Path) -> None:
    for name in ("a.tif", "a.tfw"):
        (tmp_path / name).touch()
    files = files_behind([tmp_path / "a.tif", tmp_path / "a.tif"])
    assert sorted(file.name for file in files) == ["a.tfw", "a.tif"]
