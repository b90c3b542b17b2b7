"""All layers of a map as GDAL's own programs and QGIS read them."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS

from rs_adapt.prediction.companions import write_style
from rs_adapt.prediction.grid import MapGrid
from rs_adapt.prediction.layers import Layer, layers_of
from rs_adapt.prediction.place import MapPlace
from rs_adapt.prediction.strips import StripStore
from rs_adapt.prediction.writing import MapClasses, layer_file, write_map
from tests.prediction.cog_layout import SYSTEM_PYTHON, check_cog, clean_environment, validate_with_gdal

CLASSES = MapClasses(names=("low", "high & dry"), palette=((10, 20, 30), (200, 210, 220)))
LAYERS: tuple[Layer, ...] = ("classes", "confidence", "entropy", "probabilities", "probabilities_float")
PLACE = (2.0, 0.5, 500000.0, 0.5, -2.0, 5000000.0)


def describe(path: Path) -> dict[str, Any]:
    env = clean_environment()
    printed = subprocess.run(["gdalinfo", "-json", path], capture_output=True, text=True, check=True, env=env)
    assert "Warning" not in printed.stderr
    content: dict[str, Any] = json.loads(printed.stdout)
    return content


def write_layers(
    folder: Path, layers: Sequence[Layer] = LAYERS, *, width_px: int, height_px: int, place: MapPlace
) -> dict[Layer, Path]:
    """Write layers of a map whose first rows have no data."""
    grid = MapGrid(width_px=width_px, height_px=height_px, tile_px=64, overlap_px=0, panel_px=width_px)
    high_HW = np.linspace(0, 1, height_px * width_px, dtype=np.float32).reshape(height_px, width_px)
    valid_HW = np.ones((height_px, width_px), bool)
    valid_HW[:5] = False
    store = StripStore(folder / "strips", {})
    for row in range(grid.rows):
        rows = slice(*grid.finished_rows(row))
        high = high_HW[rows]
        store.write(0, row, layers_of(np.stack([1 - high, high]), valid_HW[rows], layers))
    written: dict[Layer, Path] = {}
    for layer in layers:
        written[layer] = layer_file(folder / "map.tif", layer)
        write_map(
            written[layer], store, grid, layer=layer, place=place, classes=CLASSES, facts={}, on_rows=lambda rows: None
        )
    return written


def test_every_layer_has_the_layout_of_cloud_optimized_files(tmp_path: Path) -> None:
    corners = ((0.0, 0.0), (0.0, 1000.0), (600.0, 0.0), (600.0, 1000.0))
    gcps = tuple(GroundControlPoint(row, column, 11 + column / 1e4, 48 - row / 1e4) for row, column in corners)
    places = {
        "rotated": MapPlace(crs="EPSG:32633", transform=PLACE),
        "gcps": MapPlace(crs=CRS.from_epsg(4326).to_wkt(), transform=None, gcps=gcps),
        "nowhere": MapPlace(crs=None, transform=None),
    }
    paths: list[Path] = []
    for name, place in places.items():
        (tmp_path / name).mkdir()
        layers = LAYERS if name == "rotated" else ("classes", "probabilities_float")
        paths += write_layers(tmp_path / name, layers, width_px=600, height_px=530, place=place).values()
    assert len(paths) == 9
    for path in paths:
        check_cog(path)
    validate_with_gdal(paths)


@pytest.mark.skipif(shutil.which("gdalinfo") is None, reason="gdalinfo is not installed")
def test_gdalinfo_reads_every_layer(tmp_path: Path) -> None:
    width_px, height_px = 1100, 40
    place = MapPlace(crs="EPSG:32633", transform=PLACE)
    for layer, out in write_layers(tmp_path, width_px=width_px, height_px=height_px, place=place).items():
        content = describe(out)
        structure = content["metadata"]["IMAGE_STRUCTURE"]
        assert (content["size"], structure["LAYOUT"]) == ([width_px, height_px], "COG")
        assert structure["COMPRESSION"] == "DEFLATE"
        # GDAL's order of the six numbers.
        assert content["geoTransform"] == [PLACE[2], *PLACE[:2], PLACE[5], *PLACE[3:5]]
        assert "UTM zone 33N" in content["coordinateSystem"]["wkt"]
        assert json.loads(content["metadata"][""]["class_names"]) == list(CLASSES.names)
        bands = content["bands"]
        assert [band["description"] for band in bands] == {
            "classes": ["class"],
            "probabilities": list(CLASSES.names),
            "probabilities_float": list(CLASSES.names),
        }.get(layer, [layer])
        for band in bands:
            assert [overview["size"] for overview in band["overviews"]] == [[550, 20], [275, 10]]
            assert band["block"] == [512, 512]
            if layer == "probabilities_float":
                assert (band["type"], str(band["noDataValue"]).lower()) == ("Float32", "nan")
            else:
                assert (band["type"], band["noDataValue"]) == ("Byte", 255)
                assert band.get("scale", 1.0) == (1.0 if layer == "classes" else 0.005)
        if layer == "classes":
            entries = bands[0]["colorTable"]["entries"]
            assert (entries[1], entries[255]) == ([200, 210, 220, 255], [0, 0, 0, 0])
            assert bands[0]["metadata"][""]["class_1"] == "high & dry"


def test_a_style_has_the_elements_that_qgis_reads(tmp_path: Path) -> None:
    """The names and attributes are those of a paletted layer's style as QGIS 3.16 saves it."""
    style = write_style(tmp_path / "map.tif", CLASSES)
    assert style.read_bytes().startswith(b"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>")
    root = ElementTree.parse(style).getroot()
    assert (root.tag, root.attrib["styleCategories"]) == ("qgis", "Symbology")
    assert [child.tag for child in root] == ["pipe", "blendMode"]
    (renderer,) = root.iterfind("pipe/rasterrenderer")
    assert renderer.attrib == {"type": "paletted", "band": "1", "opacity": "1", "alphaBand": "-1", "nodataColor": ""}
    assert [child.tag for child in renderer] == ["rasterTransparency", "colorPalette"]
    assert [entry.attrib for entry in renderer.iterfind("colorPalette/paletteEntry")] == [
        {"value": "0", "color": "#0a141e", "alpha": "255", "label": "low"},
        {"value": "1", "color": "#c8d2dc", "alpha": "255", "label": "high & dry"},
    ]


_QGIS = """
import json, os, sys
os.environ["QT_QPA_PLATFORM"] = "offscreen"
from qgis.core import Qgis, QgsApplication, QgsMapRendererSequentialJob, QgsMapSettings, QgsRasterLayer
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor
application = QgsApplication([], False)
application.initQgis()
layer = QgsRasterLayer(sys.argv[1], "map")
assert layer.isValid()
message, is_loaded = layer.loadNamedStyle(sys.argv[2])
assert is_loaded, message
renderer = layer.renderer()
settings = QgsMapSettings()
settings.setLayers([layer])
settings.setDestinationCrs(layer.crs())
settings.setExtent(layer.extent())
settings.setOutputSize(QSize(layer.width(), layer.height()))
settings.setBackgroundColor(QColor(255, 0, 255))
job = QgsMapRendererSequentialJob(settings)
job.start()
job.waitForFinished()
job.renderedImage().save(sys.argv[3])
provider = layer.dataProvider()
print(json.dumps({
    "version": Qgis.QGIS_VERSION,
    "renderer": renderer.type(),
    "classes": [[int(c.value), c.label, c.color.name(), c.color.alpha()] for c in renderer.classes()],
    "nodata": provider.sourceNoDataValue(1) if provider.sourceHasNoDataValue(1) else None,
    "crs": layer.crs().authid(),
}), flush=True)
os._exit(0)
"""


@pytest.mark.slow
def test_qgis_shows_the_map_in_the_colours_of_its_style(tmp_path: Path) -> None:
    """With the system's QGIS, where it has one; read it was with 3.22.16."""
    env = clean_environment()
    command: list[str | Path] = [SYSTEM_PYTHON, "-c", "import qgis.core"]
    if not SYSTEM_PYTHON.is_file() or subprocess.run(command, capture_output=True, check=False, env=env).returncode:
        pytest.skip("the system's Python has no QGIS")
    place = MapPlace(crs="EPSG:32633", transform=(2.0, 0.0, 500000.0, 0.0, -2.0, 5000000.0))
    out = write_layers(tmp_path, width_px=90, height_px=60, place=place)["classes"]
    picture, style = tmp_path / "seen.png", write_style(out, CLASSES)
    command = [SYSTEM_PYTHON, "-c", _QGIS, out, style, picture]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert (seen["renderer"], seen["nodata"], seen["crs"]) == ("paletted", 255, "EPSG:32633")
    assert seen["classes"] == [[0, "low", "#0a141e", 255], [1, "high & dry", "#c8d2dc", 255]]
    with rasterio.open(out) as dataset:
        classes_HW = dataset.read(1)
    wanted_HW3 = np.array([*CLASSES.palette, (255, 0, 255)], np.uint8)[np.where(classes_HW == 255, 2, classes_HW)]
    with Image.open(picture) as image:
        seen_HW3 = np.asarray(image.convert("RGB"))
    assert {tuple(colour) for colour in wanted_HW3.reshape(-1, 3)} == {*CLASSES.palette, (255, 0, 255)}
    assert np.array_equal(seen_HW3, wanted_HW3)
