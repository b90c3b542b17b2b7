from __future__ import annotations

import io
import zlib

import mmcv
import numpy as np
import pytest
from PIL import Image

from rs_adapt.datasets.steps.tile_images import ColourPng


def whole(content: bytes) -> np.ndarray:
    return mmcv.imfrombytes(content, backend="pillow")


@pytest.mark.parametrize("count", [1, 2, 50, 95, 96])
def test_rows_are_those_of_the_whole_image(plain_png: bytes, count: int) -> None:
    image = ColourPng.read(plain_png)
    assert image is not None
    assert image.shape == (96, 96)
    assert np.array_equal(image.rows(count), whole(plain_png)[:count])


def test_more_rows_are_decoded_when_they_are_asked_for(plain_png: bytes) -> None:
    image = ColourPng.read(plain_png)
    assert image is not None
    for count in (10, 3, 40, 96, 20):
        assert np.array_equal(image.rows(count), whole(plain_png)[:count])


def test_damage_anywhere_is_seen(plain_png: bytes) -> None:
    for place in (9, 17, 25, 40, len(plain_png) // 2, len(plain_png) - 20, len(plain_png) - 2):
        damaged = bytearray(plain_png)
        damaged[place] ^= 0x5A
        assert ColourPng.read(bytes(damaged)) is None, place
    for length in (0, 8, 20, 33, len(plain_png) // 2, len(plain_png) - 1):
        assert ColourPng.read(plain_png[:length]) is None, length


def test_rows_without_data_are_an_error(plain_png: bytes) -> None:
    idat = plain_png.index(b"IDAT")
    few = zlib.compress(b"\0" * 300)
    part = b"IDAT" + few
    content = plain_png[: idat - 4] + len(few).to_bytes(4) + part + zlib.crc32(part).to_bytes(4) + plain_png[-12:]
    image = ColourPng.read(content)
    assert image is not None
    with pytest.raises((OSError, SyntaxError)):
        image.rows(96)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1", "I;16"])
def test_other_pixels_are_left_to_pillow(mode: str) -> None:
    stream = io.BytesIO()
    Image.new(mode, (8, 8)).save(stream, "PNG")
    assert ColourPng.read(stream.getvalue()) is None
