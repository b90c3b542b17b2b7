"""Files of tiles of many kinds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

# Height and width; the first are larger than the crops of the tests, the last are smaller.
SIZES = ((96, 96), (96, 70), (61, 83), (40, 40), (5, 9))


@pytest.fixture(scope="session")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """Paths of images and their labels: PNGs of several sizes, filters and kinds, and a JPEG."""
    folder, rng = tmp_path_factory.mktemp("tiles"), np.random.default_rng(0)
    pairs = []

    def write(name: str, image: Image.Image, shape: tuple[int, int], **settings: object) -> None:
        image.save(folder / name, **settings)
        label_HW = rng.integers(0, 4, (shape[0] // 8 + 1, shape[1] // 8 + 1), np.uint8).repeat(8, 0).repeat(8, 1)
        label = Image.fromarray(label_HW[: shape[0], : shape[1]])
        label.save(folder / f"{name}.label.png")
        pairs.append((str(folder / name), str(folder / f"{name}.label.png")))

    for height, width in SIZES:
        smooth = np.add.outer(np.arange(height), np.arange(width))[..., None] * np.array([1, 2, 3])
        pixels = ((smooth + rng.integers(0, 40, (height, width, 3))) % 256).astype(np.uint8)
        write(f"{height}_{width}.png", Image.fromarray(pixels), (height, width))
    whole = Image.fromarray(rng.integers(0, 256, (64, 80, 3), np.uint8))
    write("raw.png", whole, (64, 80), compress_level=0)
    write("palette.png", whole.quantize(16), (64, 80))
    write("grey.png", whole.convert("L"), (64, 80))
    write("alpha.png", whole.convert("RGBA"), (64, 80))
    write("transparent.png", whole, (64, 80), transparency=(1, 2, 3))
    turned = Image.Exif()
    turned[0x0112] = 6
    write("turned.png", whole, (80, 64), exif=turned)
    write("lossy.jpg", whole, (64, 80), quality=80)
    return pairs


@pytest.fixture(scope="session")
def plain_png(tiles: list[tuple[str, str]]) -> bytes:
    """The content of a PNG of 96 x 96 colours."""
    return Path(tiles[0][0]).read_bytes()
