"""Every file with a place that a command writes, as GDAL's programs and rasterio read it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pytest
import rasterio

import rs_adapt as rsa
from rs_adapt.prediction.layers import Layer
from rs_adapt.scenes import write_geotiff
from tests.prediction.cog_layout import check_cog, clean_environment, validate_with_gdal

RUN = Path(__file__).parents[1] / "runs" / "stored_0_1_0" / "finished"
UTM = (0.5, 0.0, 400000.0, 0.0, -0.5, 5500000.0)
ROTATED = (0.4, 0.3, 400000.0, 0.3, -0.4, 5500000.0)
NORTH_UP = ("EPSG:32632", UTM)
LAYERS: tuple[Layer, ...] = get_args(Layer)
# Name, reference system and transform of a scene, and what its map is made with.
MAPS: list[tuple[str, tuple[str | None, tuple[float, ...]], dict[str, Any]]] = [
    ("all", NORTH_UP, {"layers": LAYERS, "companions": ("style", "preview"), "vector": "gpkg"}),
    ("json", NORTH_UP, {"vector": "geojson", "min_area": 30, "simplify": 0.5}),
    ("area", NORTH_UP, {"bounds": (400010, 5499920, 400070, 5499990), "vector": "gpkg", "gsd": 0.7, "layers": LAYERS}),
    ("rotated", ("EPSG:32632", ROTATED), {"vector": "gpkg"}),
    ("degrees", ("EPSG:4326", (5e-6, 0.0, 9.0, 0.0, -5e-6, 50.0)), {"vector": "geojson"}),
    ("nowhere", (None, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)), {"layers": LAYERS}),
]


def ask(*command: object) -> str:
    """Return what a program of GDAL prints; it may warn of nothing."""
    parts = [str(part) for part in command]
    done = subprocess.run(parts, capture_output=True, text=True, check=False, env=clean_environment())
    assert (done.returncode, done.stderr) == (0, ""), (command, done.stderr)
    return done.stdout


def write_everything(folder: Path, scenes: Path, variant: Path) -> list[Path]:
    """Return the files of every command that writes geodata: maps, polygons, differences, points."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(1, 256, (5, 9, 3)).repeat(32, axis=0).repeat(32, axis=1).astype(np.uint8)
    pixels[:32, :32] = 0
    files: list[Path] = []
    scenes.mkdir()
    for name, (crs, transform), options in MAPS:
        scene = scenes / f"{name}.tif"
        write_geotiff(scene, pixels, crs=crs, transform=transform, nodata=0)
        given = {"device": "cpu", "progress": False, "overlap_px": 0} | options
        (record,) = rsa.predict(RUN, scene, folder / f"{name}.tif", **given)
        files += record.files
    forms: tuple[Literal["gpkg", "csv"], ...] = ("gpkg", "csv")
    for form in forms:
        out = folder / f"judge_{form}"
        rsa.judge(
            *(variant, RUN, scenes / "all.tif"),
            out=out,
            pictures=0,
            sample=4,
            sample_format=form,
            device="cpu",
            progress=False,
        )
        files += [*out.rglob("*.tif"), out / f"points.{form}"]
    return files


def check_raster(path: Path) -> None:
    """Compare what gdalinfo prints of a raster with what rasterio reads; both decode all pixels."""
    info = json.loads(ask("gdalinfo", "-json", "-checksum", path))
    with rasterio.open(path) as dataset:
        assert info["size"] == [dataset.width, dataset.height]
        assert [band["checksum"] for band in info["bands"]] == [dataset.checksum(band) for band in dataset.indexes]
        assert {band["type"].lower() for band in info["bands"]} <= {"byte", "float32"}
        assert bool(info.get("coordinateSystem", {}).get("wkt")) == (dataset.crs is not None)
        if dataset.crs is not None:
            assert info["geoTransform"] == pytest.approx(dataset.transform.to_gdal(), rel=1e-12)


def check_vector(path: Path) -> None:
    """Compare what ogrinfo prints of a layer with its fields."""
    printed = ask("ogrinfo", "-ro", "-al", "-so", path)
    (count,) = re.findall(r"^Feature Count: (\d+)$", printed, flags=re.MULTILINE)
    fields = dict(re.findall(r"^(\w+): (String|Real|Integer|Integer64) \(", printed, flags=re.MULTILINE))
    if "points" in path.name:
        assert int(count) == 4
        assert {"id", "label"} <= set(fields)
    else:
        assert int(count) > 0
        assert fields.pop("class_index") in ("Integer", "Integer64")
        assert fields == {"class": "String", "area_m2": "Real", "confidence": "Real"}
    assert ("Geometry: " in printed) or path.suffix == ".csv"


@pytest.mark.slow
@pytest.mark.skipif(not all(map(shutil.which, ("gdalinfo", "ogrinfo"))), reason="GDAL's programs are not installed")
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_gdal_reads_every_file(variant: Path, tmp_path: Path, shared_home: Path) -> None:
    pytest.importorskip("fiona")
    files = write_everything(tmp_path / "out", tmp_path / "scenes", variant)
    endings = [path.suffix for path in files]
    assert {ending: endings.count(ending) for ending in sorted(set(endings))} == {
        **{".csv": 1, ".geojson": 2, ".gpkg": 4, ".png": 1, ".qml": 1, ".tif": 34}
    }
    maps = [path for path in files if path.suffix == ".tif"]
    for path in files:
        if path.suffix in (".tif", ".png"):
            check_raster(path)
        elif path.suffix != ".qml":
            check_vector(path)
    for path in maps:
        check_cog(path)
    validate_with_gdal(maps)
