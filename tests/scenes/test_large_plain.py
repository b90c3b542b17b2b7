"""A jpg or png that is too large to be decoded whole is read by windows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from geodata import draw_classes, paint, read_classes
from numpy.typing import NDArray
from PIL import Image

from rs_adapt.errors import DataError
from rs_adapt.scenes import Box, Scene, stored_form
from rs_adapt.scenes import plain as plain_images

CLASSES = draw_classes(96, 120)


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """PIL refuses images of more than twice its limit, and warns of those above it."""
    monkeypatch.setattr(plain_images, "MAX_PX", 1000)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)


def save(path: Path, pixels: NDArray[np.uint8], **how: object) -> Path:
    Image.fromarray(pixels).save(path, quality=95, **how)
    return path


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.bmp"])
@pytest.mark.parametrize("progressive", [False, True])
def test_windows_equal_the_whole_picture(
    tmp_path: Path, name: str, progressive: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The two decoders differ where colours are stored at half the resolution.
    path = save(tmp_path / name, paint(CLASSES), progressive=progressive, subsampling=0)
    assert stored_form(path)[:3] == ("uint8", 120, 96)
    with Scene(path) as scene:
        part = scene.read_rgb(Box(17, 33, 90, 80))[0]
    monkeypatch.undo()
    with Scene(path) as scene:
        assert np.array_equal(scene.read_rgb(Box(17, 33, 90, 80))[0], part)
    assert np.array_equal(read_classes(part), CLASSES[33:80, 17:90]) or name == "a.jpg"


def test_labels_and_masks_are_those_of_a_small_picture(tmp_path: Path) -> None:
    path = save(tmp_path / "l.png", CLASSES)
    with Scene(path) as scene:
        assert np.array_equal(scene.read_classes()[0], CLASSES)
    palette = Image.fromarray(CLASSES).convert("P")
    palette.putdata(CLASSES.ravel().tolist())
    palette.putpalette([40, 0, 0, 120, 0, 0, 200, 0, 0])
    palette.save(tmp_path / "p.png")
    with Scene(tmp_path / "p.png") as scene:
        assert np.array_equal(scene.read_classes()[0], CLASSES)
        assert np.array_equal(read_classes(scene.read_rgb()[0]), CLASSES)
    alpha = np.where(CLASSES == 1, 0, 255).astype(np.uint8)
    save(tmp_path / "a.png", np.dstack([paint(CLASSES), alpha]))
    with Scene(tmp_path / "a.png") as scene:
        assert np.array_equal(scene.read_rgb()[1], CLASSES != 1)


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_a_picture_that_is_cut_off_is_refused_when_the_missing_rows_are_read(tmp_path: Path, name: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (400, 300, 3), dtype=np.uint8)
    path = save(tmp_path / name, noise)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with Scene(path) as scene:
        if name == "a.jpg":
            scene.read_rgb(Box(0, 0, 300, 100))
        with pytest.raises(DataError, match=f"{name} cannot be read .* damaged or cut off"):
            scene.read_rgb(Box(0, 300, 300, 400))


def test_a_vrt_of_a_picture_that_is_cut_off_is_refused_too(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (400, 300, 3), dtype=np.uint8)
    path = save(tmp_path / "a.jpg", noise)
    bands = "".join(
        f'<VRTRasterBand dataType="Byte" band="{band}"><SimpleSource><SourceFilename relativeToVRT="1">a.jpg'
        f"</SourceFilename><SourceBand>{band}</SourceBand></SimpleSource></VRTRasterBand>"
        for band in (1, 2, 3)
    )
    (tmp_path / "a.vrt").write_text(f'<VRTDataset rasterXSize="300" rasterYSize="400">{bands}</VRTDataset>')
    with Scene(tmp_path / "a.vrt") as scene:
        assert np.abs(scene.read_rgb()[0].astype(int) - noise).mean() < 60
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with Scene(tmp_path / "a.vrt") as scene, pytest.raises(DataError, match=r"a\.vrt cannot be read .* cut off"):
        scene.read_rgb()
