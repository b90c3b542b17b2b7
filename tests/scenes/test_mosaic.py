"""A VRT has data where its sources lie, and nowhere else, whatever GDAL reads there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from geodata import draw_classes, paint, read_classes, write_raster

from rs_adapt.scenes import Box, Scene

CLASSES = draw_classes(96, 120)
# Columns of the two sources; those between belong to none.
LEFT, RIGHT = slice(0, 40), slice(64, 120)
COVERED = np.zeros(CLASSES.shape, dtype=bool)
COVERED[:, LEFT] = COVERED[:, RIGHT] = True


def write_mosaic(path: Path, bands_CHW: np.ndarray, *, source: str = "SimpleSource", in_band: str = "") -> Path:
    """Write two rasters and a VRT that lays them side by side."""
    parts = {}
    for name, columns in (("l", LEFT), ("r", RIGHT)):
        write_raster(path.parent / f"{path.stem}_{name}.tif", np.ascontiguousarray(bands_CHW[..., columns]))
        parts[name] = columns
    height, width = bands_CHW.shape[1:]
    bands = ""
    for band in range(1, len(bands_CHW) + 1):
        sources = "".join(
            f'<{source}><SourceFilename relativeToVRT="1">{path.stem}_{name}.tif</SourceFilename>'
            f"<SourceBand>{band}</SourceBand>"
            f'<SrcRect xOff="0" yOff="0" xSize="{at.stop - at.start}" ySize="{height}"/>'
            f'<DstRect xOff="{at.start}" yOff="0" xSize="{at.stop - at.start}" ySize="{height}"/></{source}>'
            for name, at in parts.items()
        )
        bands += f'<VRTRasterBand dataType="Byte" band="{band}">{in_band}{sources}</VRTRasterBand>'
    path.write_text(f'<VRTDataset rasterXSize="{width}" rasterYSize="{height}">{bands}</VRTDataset>')
    return path


@pytest.mark.parametrize("source", ["SimpleSource", "ComplexSource"])
@pytest.mark.parametrize("in_band", ["", "<NoDataValue>0</NoDataValue>"])
def test_between_its_sources_an_image_has_no_data(tmp_path: Path, source: str, in_band: str) -> None:
    path = write_mosaic(tmp_path / "a.vrt", paint(CLASSES).transpose(2, 0, 1), source=source, in_band=in_band)
    with Scene(path) as scene:
        rgb, valid = scene.read_rgb()
        assert np.array_equal(valid, COVERED)
        assert np.array_equal(read_classes(rgb)[valid], CLASSES[valid])
        for box in (Box(30, 10, 70, 50), Box(41, 0, 63, 20), Box(0, 0, 40, 96)):
            part = np.s_[box.y0 : box.y1, box.x0 : box.x1]
            assert np.array_equal(scene.read_rgb(box)[1], COVERED[part])


def test_between_its_sources_a_label_is_no_class(tmp_path: Path) -> None:
    path = write_mosaic(tmp_path / "l.vrt", CLASSES[None])
    with Scene(path) as scene:
        codes, valid = scene.read_codes()
        assert np.array_equal(valid, COVERED)
        assert np.array_equal(codes[valid], CLASSES[valid])
    with Scene(path, nodata="none") as scene:
        assert scene.read_codes()[1].all()


def test_a_source_without_a_place_covers_all(tmp_path: Path) -> None:
    write_raster(tmp_path / "p.tif", CLASSES[None])
    (tmp_path / "a.vrt").write_text(
        '<VRTDataset rasterXSize="120" rasterYSize="96"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
        '<SourceFilename relativeToVRT="1">p.tif</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>'
    )
    with Scene(tmp_path / "a.vrt") as scene:
        codes, valid = scene.read_codes()
    assert valid.all()
    assert np.array_equal(codes, CLASSES)
