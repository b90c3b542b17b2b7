"""The cut that an inspection looks at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rs_adapt.errors import ConfigError
from rs_adapt.inference.inspection.image import Cut, cut_centre, read_image

MEAN = (120.4, 116.0, 104.0)


def cut(height: int, width: int, size_px: int = 64) -> tuple[Cut, np.ndarray]:
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
    return cut_centre(image, size_px=size_px, patch_px=8, smallest_px=32, mean=MEAN), image


@pytest.mark.parametrize(
    ("size_hw", "size_px", "box", "seen_wh"),
    [
        ((64, 64), 64, (0, 0, 64, 64), (64, 64)),
        ((101, 200), 64, (68, 18, 132, 82), (64, 64)),
        ((47, 64), 64, (0, 3, 64, 43), (64, 40)),
        ((100, 100), 47, (30, 30, 70, 70), (40, 40)),
        ((20, 100), 64, (18, 0, 82, 20), (64, 32)),
        ((5, 33), 64, (0, 0, 32, 5), (32, 32)),
    ],
)
def test_the_middle_is_cut_to_whole_patches(
    size_hw: tuple[int, int], size_px: int, box: tuple[int, ...], seen_wh: tuple[int, int]
) -> None:
    found, image = cut(*size_hw, size_px=size_px)
    x0, y0, x1, y1 = box
    assert (found.box_px, found.size_wh, found.image_wh) == (box, seen_wh, size_hw[::-1])
    rows, columns = found.filled_hw
    assert np.array_equal(found.pixels_HW3[:rows, :columns], image[y0:y1, x0:x1])
    padding = np.ones(found.pixels_HW3.shape[:2], dtype=bool)
    padding[:rows, :columns] = False
    assert (found.pixels_HW3[padding] == (120, 116, 104)).all()


def test_a_size_below_the_smallest_is_refused() -> None:
    with pytest.raises(ConfigError, match="--size-px is 31; it must be at least 32"):
        cut(64, 64, size_px=31)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_images_are_read_as_they_are(tmp_path: Path, suffix: str) -> None:
    _, image = cut(40, 50)
    Image.fromarray(image).save(tmp_path / f"image.{suffix}")
    assert np.array_equal(read_image(tmp_path / f"image.{suffix}"), image)


def test_a_turned_photograph_is_read_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(tmp_path / "turned.jpg", exif=exif)
    assert read_image(tmp_path / "turned.jpg").shape == (40, 20, 3)
