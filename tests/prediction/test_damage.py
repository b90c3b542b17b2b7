"""Scenes with blocks that cannot be read: named, and without data on the map."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

from rs_adapt.errors import DataError
from rs_adapt.prediction.damage import describe_unreadable, read_window, require_sample
from rs_adapt.prediction.layers import NODATA
from rs_adapt.prediction.strips import StripStore, remove_store
from rs_adapt.scenes import Box, Scene
from tests.prediction.test_interruption import SETTINGS, StubPredictor, predict

BLOCK_PX = 32
SKIPPING = replace(SETTINGS, skip_errors=True)


def draw_damaged(path: Path, blocks: list[tuple[int, int]], *, dtype: str = "uint8") -> NDArray[np.uint8]:
    """Write a scene of 150 x 100 pixels in blocks of 32, some of which (column, row) hold no compressed pixels."""
    image_HW3 = np.random.default_rng(0).integers(1, 256, (100, 150, 3)).astype(dtype)
    profile = {"driver": "GTiff", "width": 150, "height": 100, "count": 3, "dtype": dtype, "compress": "deflate"}
    profile |= {"tiled": True, "blockxsize": BLOCK_PX, "blockysize": BLOCK_PX, "interleave": "pixel"}
    profile |= {"crs": "EPSG:32633", "transform": rasterio.Affine(2, 0, 5e5, 0, -2, 5e6)}
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(image_HW3.transpose(2, 0, 1))
    with rasterio.open(path) as dataset:
        offsets = [int(dataset.get_tag_item(f"BLOCK_OFFSET_{x}_{y}", "TIFF", bidx=1)) for x, y in blocks]
    with path.open("r+b") as file:
        for offset in offsets:
            file.seek(offset)
            file.write(b"\xff" * 16)
    return image_HW3


def test_a_damaged_block_is_named_and_has_no_data(tmp_path: Path) -> None:
    scene, out = tmp_path / "scene.tif", tmp_path / "map.tif"
    image_HW3 = draw_damaged(scene, [(2, 2), (4, 3)])
    with pytest.raises(DataError, match=r"scene.tif cannot be read .* with --skip-errors the same command continues"):
        predict(scene, out)
    rest = StubPredictor()
    record = predict(scene, out, rest, settings=SKIPPING)
    # Strips above the damaged blocks were saved.
    assert rest.num_tiles < record.num_tiles
    assert record.unreadable == (Box(64, 64, 96, 96), Box(128, 96, 150, 100))
    assert record.remarks[-1] == (
        f"{scene}: 2 blocks cannot be read and have no data on the map: columns 64 to 95, rows 64 to 95; columns 128 "
        "to 149, rows 96 to 99."
    )
    with rasterio.open(out) as dataset:
        classes_HW = dataset.read(1)
    wanted_HW = (image_HW3[..., 0] > 127).astype(np.uint8)
    for box in record.unreadable:
        wanted_HW[box.y0 : box.y1, box.x0 : box.x1] = NODATA
    assert np.array_equal(classes_HW, wanted_HW)


def test_blocks_that_an_interrupted_call_has_named_are_named_again(tmp_path: Path) -> None:
    scene, out = tmp_path / "scene.tif", tmp_path / "map.tif"
    draw_damaged(scene, [(0, 0)])
    first = predict(scene, out, settings=SKIPPING)
    again = StubPredictor()
    assert predict(scene, out, again, settings=SKIPPING).unreadable == first.unreadable
    assert again.num_tiles == 0
    remove_store(out)
    # Strips with gaps are of no use to a call that wants none.
    gaps = StripStore(tmp_path / "strips", {}, takes_gaps=True)
    gaps.write(0, 0, {"classes": np.zeros((2, 3), np.uint8)})
    gaps.add_unreadable(Box(0, 0, 2, 3))
    assert StripStore(tmp_path / "strips", {}, takes_gaps=True).has(0, 0)
    assert not StripStore(tmp_path / "strips", {}).has(0, 0)


def test_windows_are_divided_at_the_blocks_of_the_file(tmp_path: Path) -> None:
    image_HW3 = draw_damaged(tmp_path / "scene.tif", [(1, 1)])
    named: list[Box] = []
    with Scene(tmp_path / "scene.tif") as scene:
        read_HW3, valid_HW = read_window(scene, Box(7, 5, 149, 99), named.append)
    wanted_HW = np.ones((100, 150), bool)
    wanted_HW[32:64, 32:64] = False
    assert set(named) == {Box(32, 32, 64, 64)}
    assert np.array_equal(valid_HW, wanted_HW[5:99, 7:149])
    assert np.array_equal(read_HW3[valid_HW], image_HW3[5:99, 7:149][valid_HW])


def test_a_damaged_scene_has_no_percentiles(tmp_path: Path) -> None:
    draw_damaged(tmp_path / "scene.tif", [(1, 1)], dtype="uint16")
    with (
        Scene(tmp_path / "scene.tif") as scene,
        pytest.raises(DataError, match=r"Its percentiles cannot be taken: give"),
    ):
        require_sample(scene)


def test_five_blocks_are_named() -> None:
    boxes = [Box(0, 8 * row, 8, 8 * row + 8) for row in range(7)]
    assert describe_unreadable(boxes).endswith("columns 0 to 7, rows 32 to 39; and 2 more.")
