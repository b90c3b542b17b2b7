"""Orientation: pixels and their place are turned as EXIF and TIFF say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from geodata import PLACE, draw_classes, paint, read_classes, write_image, write_world_file
from PIL import Image, ImageOps
from PIL.TiffImagePlugin import ImageFileDirectory_v2
from rasterio.transform import Affine

from rs_adapt.scenes import Box, Scene, stored_form
from rs_adapt.scenes import plain as plain_images

CLASSES = draw_classes(40, 64)


def write(path: Path, number: int) -> np.ndarray:
    """Write an image with an orientation, and return it as PIL shows it."""
    picture = Image.fromarray(paint(CLASSES))
    if path.suffix == ".tif":
        tags = ImageFileDirectory_v2()
        tags[274] = number
        picture.save(path, tiffinfo=tags)
    else:
        exif = Image.Exif()
        exif[274] = number
        picture.save(path, exif=exif, quality=100, subsampling=0)
    with Image.open(path) as stored:
        return read_classes(np.asarray(ImageOps.exif_transpose(stored)))


@pytest.mark.parametrize("number", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
@pytest.mark.parametrize("size", ["small", "large"])
def test_all_orientations_are_shown_upright(
    tmp_path: Path, number: int, name: str, size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if size == "large":
        monkeypatch.setattr(plain_images, "MAX_PX", 100)
    shown = write(tmp_path / name, number)
    with Scene(tmp_path / name) as scene:
        assert np.array_equal(read_classes(scene.read_rgb()[0]), shown)
        assert (scene.info.height_px, scene.info.width_px) == shown.shape
        box = Box(3, 7, 30, 33)
        assert np.array_equal(read_classes(scene.read_rgb(box)[0]), shown[7:33, 3:30])
        assert not scene.info.has_place
    assert stored_form(tmp_path / name)[1:3] == shown.shape[::-1]


@pytest.mark.parametrize("number", range(1, 9))
def test_the_place_of_each_pixel_turns_with_it(tmp_path: Path, number: int) -> None:
    write(tmp_path / "a.png", number)
    write_world_file(tmp_path / "a.pgw", PLACE)
    with Scene(tmp_path / "a.png") as scene:
        shown = read_classes(scene.read_rgb()[0])
        to_stored = ~PLACE @ Affine(*scene.info.transform)
    for y, x in ((0, 0), (3, 30), (shown.shape[0] - 1, shown.shape[1] - 1), (17, 5)):
        column, row = to_stored @ (x + 0.5, y + 0.5)
        assert CLASSES[int(row), int(column)] == shown[y, x]


def test_a_label_that_carries_the_orientation_is_turned_too(tmp_path: Path) -> None:
    shown = write(tmp_path / "a.jpg", 6)
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(CLASSES).save(tmp_path / "l.png", exif=exif)
    with Scene(tmp_path / "l.png") as label:
        assert np.array_equal(label.read_classes()[0], shown)


def test_an_image_without_orientation_stays(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png", "a.tif"):
        write_image(tmp_path / name, CLASSES)
        with Scene(tmp_path / name) as scene:
            assert np.array_equal(read_classes(scene.read_rgb()[0]), CLASSES)
