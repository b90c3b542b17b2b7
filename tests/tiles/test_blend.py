"""Blending: weights, exactness, and rows that are finished one band at a time."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from rs_adapt.errors import ConfigError, DataError
from rs_adapt.tiles import RowBlender, blend_weights, stitch, tile_boxes, tile_origins

Kind = Literal["hann", "cosine", "flat"]


def blended(field: NDArray[np.float32], tile_px: int, stride_px: int, kind: Kind) -> NDArray[np.float32]:
    channels, height_px, width_px = field.shape
    blender = RowBlender(height_px=height_px, width_px=width_px, num_channels=channels, tile_px=tile_px, kind=kind)
    rows, parts = tile_origins(height_px, tile_px, stride_px), []
    for i, y0 in enumerate(rows):
        for x0 in tile_origins(width_px, tile_px, stride_px):
            tile = np.zeros((channels, tile_px, tile_px), dtype=np.float32)
            part = field[:, y0 : y0 + tile_px, x0 : x0 + tile_px]
            tile[:, : part.shape[1], : part.shape[2]] = part
            blender.add(x0, y0, tile)
        first, done = blender.take(rows[i + 1] if i + 1 < len(rows) else height_px)
        assert first == y0
        parts.append(done)
    return np.concatenate(parts, axis=1)


@pytest.mark.parametrize("kind", ["hann", "cosine", "flat"])
@pytest.mark.parametrize("size", [(70, 90), (32, 32), (20, 45), (64, 17)])
def test_tiles_that_agree_restore_the_field(kind: Kind, size: tuple[int, int]) -> None:
    field = np.random.default_rng(0).normal(size=(3, *size)).astype(np.float32)
    assert np.allclose(blended(field, 32, 20, kind), field, atol=1e-5)


@pytest.mark.parametrize("kind", ["hann", "cosine", "flat"])
def test_weights_sum_to_one_everywhere(kind: Kind) -> None:
    ones = np.ones((1, 75, 100), dtype=np.float32)
    assert np.allclose(blended(ones, 32, 24, kind), 1.0, atol=1e-6)


def test_known_blend_of_two_tiles() -> None:
    # Tiles of 4 px at columns 0 and 2 of a row; in the overlap the weights are hann samples at 3/8 pi steps.
    blender = RowBlender(height_px=4, width_px=6, num_channels=1, tile_px=4)
    blender.add(0, 0, np.zeros((1, 4, 4), dtype=np.float32))
    blender.add(2, 0, np.ones((1, 4, 4), dtype=np.float32))
    row = blender.take(4)[1][0, 0]
    near, far = np.sin(np.pi / 8) ** 2, np.sin(3 * np.pi / 8) ** 2
    assert np.allclose(row, [0, 0, near / (near + far), far / (near + far), 1, 1], atol=1e-6)


def test_weights_are_symmetric_positive_and_peak_inside() -> None:
    for kind in ("hann", "cosine"):
        weights = blend_weights(16, kind)
        assert np.array_equal(weights, weights[::-1, ::-1])
        assert np.allclose(weights, weights.T)
        assert weights.min() > 0
        assert weights.max() == weights[7, 7]
    with pytest.raises(ConfigError, match="hann, cosine, flat"):
        blend_weights(16, "gauss")  # type: ignore[arg-type]


def test_uncovered_pixels_are_nan() -> None:
    blender = RowBlender(height_px=8, width_px=20, num_channels=2, tile_px=8)
    blender.add(0, 0, np.ones((2, 8, 8), dtype=np.float32))
    done = blender.take(8)[1]
    assert np.isfinite(done[:, :, :8]).all()
    assert np.isnan(done[:, :, 8:]).all()


def test_rows_must_come_in_order() -> None:
    blender = RowBlender(height_px=30, width_px=8, num_channels=1, tile_px=8)
    tile = np.ones((1, 8, 8), dtype=np.float32)
    with pytest.raises(DataError, match="row by row"):
        blender.add(0, 8, tile)
    blender.add(0, 0, tile)
    blender.take(8)
    with pytest.raises(DataError, match="row by row"):
        blender.add(0, 0, tile)
    with pytest.raises(DataError, match="cannot be taken: the rows in progress are 8 to 16"):
        blender.take(30)


def test_class_maps_are_stitched() -> None:
    classes = np.random.default_rng(1).integers(0, 9, (50, 70), dtype=np.uint8)
    tiles = [(b.x0, b.y0, classes[b.y0 : b.y1, b.x0 : b.x1]) for b in tile_boxes(70, 50, 32, 32)]
    assert np.array_equal(stitch(tiles, height_px=50, width_px=70, fill=255), classes)
    assert (stitch(tiles[:1], height_px=50, width_px=70, fill=255)[32:] == 255).all()
    with pytest.raises(DataError, match="outside"):
        stitch([(70, 0, classes)], height_px=50, width_px=70, fill=0)
    with pytest.raises(DataError, match="no tiles"):
        stitch([], height_px=50, width_px=70, fill=0)
