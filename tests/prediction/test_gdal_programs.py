"""All files of a map as GDAL's own programs read them, and its style as QGIS writes such files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from rs_adapt.prediction.companions import write_style
from rs_adapt.prediction.grid import MapGrid
from rs_adapt.prediction.layers import Layer, layers_of
from rs_adapt.prediction.place import MapPlace
from rs_adapt.prediction.strips import StripStore
from rs_adapt.prediction.writing import MapClasses, layer_file, write_map

CLASSES = MapClasses(names=("low", "high & dry"), palette=((10, 20, 30), (200, 210, 220)))
LAYERS: tuple[Layer, ...] = ("classes", "confidence", "entropy", "probabilities", "probabilities_float")
PLACE = (2.0, 0.5, 500000.0, 0.5, -2.0, 5000000.0)


def describe(path: Path) -> dict[str, Any]:
    # Tests before this one set variables for their own process's GDAL, which is of a different version.
    env = {name: value for name, value in os.environ.items() if not name.startswith("GDAL_")}
    printed = subprocess.run(["gdalinfo", "-json", path], capture_output=True, text=True, check=True, env=env)
    assert "Warning" not in printed.stderr
    content: dict[str, Any] = json.loads(printed.stdout)
    return content


@pytest.mark.skipif(shutil.which("gdalinfo") is None, reason="gdalinfo is not installed")
def test_gdalinfo_reads_every_layer(tmp_path: Path) -> None:
    height_px, width_px = 40, 1100
    grid = MapGrid(width_px=width_px, height_px=height_px, tile_px=64, overlap_px=0, panel_px=width_px)
    high_HW = np.linspace(0, 1, height_px * width_px, dtype=np.float32).reshape(height_px, width_px)
    valid_HW = np.ones((height_px, width_px), bool)
    valid_HW[:5] = False
    store = StripStore(tmp_path / "strips", {})
    store.write(0, 0, layers_of(np.stack([1 - high_HW, high_HW]), valid_HW, LAYERS))
    place = MapPlace(crs="EPSG:32633", transform=PLACE)
    for layer in LAYERS:
        out = layer_file(tmp_path / "map.tif", layer)
        write_map(out, store, grid, layer=layer, place=place, classes=CLASSES, facts={}, on_rows=lambda rows: None)
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
