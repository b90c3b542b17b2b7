"""Cutting: pixels, padding, nodata, the index, and refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from rs_adapt.errors import ConfigError, DataError, DataNotFound
from rs_adapt.scenes import write_geotiff
from rs_adapt.tiles import cut_scene, read_index, stitch, write_index

PLACE = (0.5, 0.0, 1000.0, 0.0, -0.5, 2000.0)


def scene_and_label(
    folder: Path, height_px: int = 100, width_px: int = 150, border_px: int = 0
) -> tuple[Path, Path, NDArray[np.uint8], NDArray[np.uint8]]:
    rng = np.random.default_rng(0)
    rgb = rng.integers(1, 256, (height_px, width_px, 3), dtype=np.uint8)
    classes = rng.integers(0, 6, (height_px, width_px), dtype=np.uint8)
    rgb[:, :border_px] = 0
    write_geotiff(folder / "s.tif", rgb, crs="EPSG:32632", transform=PLACE, nodata=0)
    write_geotiff(folder / "s_label.tif", classes, crs="EPSG:32632", transform=PLACE, nodata=255)
    return folder / "s.tif", folder / "s_label.tif", rgb, classes


def read(path: Path) -> NDArray[np.uint8]:
    return np.asarray(Image.open(path))


def test_round_trip_is_exact(tmp_path: Path) -> None:
    image, label, rgb, classes = scene_and_label(tmp_path)
    tiles = cut_scene(
        image, label, img_dir=tmp_path / "i", ann_dir=tmp_path / "a", tile_px=64, stride_px=48, ignore_value=255
    )
    for folder, wanted in (("i", rgb), ("a", classes)):
        parts = [(t.box.x0, t.box.y0, read(tmp_path / folder / t.name)) for t in tiles]
        assert all(part.shape[:2] == (64, 64) for _, _, part in parts)
        assert np.array_equal(stitch(parts, height_px=100, width_px=150, fill=0), wanted)


def test_small_scene_is_padded(tmp_path: Path) -> None:
    image, label, rgb, classes = scene_and_label(tmp_path, 40, 50)
    (tile,) = cut_scene(
        image,
        label,
        img_dir=tmp_path / "i",
        ann_dir=tmp_path / "a",
        tile_px=64,
        stride_px=64,
        ignore_value=0,
        min_valid=0.2,
    )
    assert tile.name == "s_0_0_50_40.png"
    assert tile.valid_share == pytest.approx(40 * 50 / 64**2, abs=1e-5)
    colours, values = read(tmp_path / "i" / tile.name), read(tmp_path / "a" / tile.name)
    assert np.array_equal(colours[:40, :50], rgb)
    assert np.array_equal(values[:40, :50], classes)
    assert not colours[40:].any()
    assert not colours[:, 50:].any()
    assert not values[40:].any()


@pytest.mark.parametrize("ignore_value", [0, 255])
def test_nodata_of_the_image_becomes_the_ignore_value(tmp_path: Path, ignore_value: int) -> None:
    image, label, _, classes = scene_and_label(tmp_path, 64, 128, border_px=20)
    tiles = cut_scene(
        image,
        label,
        img_dir=tmp_path / "i",
        ann_dir=tmp_path / "a",
        tile_px=64,
        stride_px=64,
        ignore_value=ignore_value,
    )
    values = read(tmp_path / "a" / tiles[0].name)
    assert (values[:, :20] == ignore_value).all()
    assert np.array_equal(values[:, 20:], classes[:, 20:64])
    assert tiles[0].valid_share == pytest.approx(44 / 64)


def test_choice_of_tiles_reads_the_image_alone(tmp_path: Path) -> None:
    image, label, _, _ = scene_and_label(tmp_path, 64, 192, border_px=100)
    write_geotiff(label, np.full((64, 192), 255, dtype=np.uint8), nodata=255)
    both = cut_scene(
        image, label, img_dir=tmp_path / "i", ann_dir=tmp_path / "a", tile_px=64, stride_px=64, ignore_value=255
    )
    alone = cut_scene(image, None, img_dir=tmp_path / "j", ann_dir=None, tile_px=64, stride_px=64, ignore_value=255)
    # Columns 64 to 128 are 28/64 valid: below one half.
    assert [t.box.x0 for t in both] == [128]
    assert both == alone
    assert [p.name for p in (tmp_path / "j").iterdir()] == ["s_128_0_192_64.png"]


def test_index_has_the_origin_of_each_tile(tmp_path: Path) -> None:
    image, _, _, _ = scene_and_label(tmp_path)
    tiles = cut_scene(image, None, img_dir=tmp_path / "i", ann_dir=None, tile_px=64, stride_px=64, ignore_value=255)
    write_index(tmp_path, tiles, tile_px=64, stride_px=64)
    assert read_index(tmp_path) == tiles
    last = tiles[-1]
    assert last.box == (86, 36, 150, 100)
    assert last.transform == (0.5, 0.0, 1043.0, 0.0, -0.5, 1982.0)
    assert last.scene == "s.tif"


def test_errors_of_the_index_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataNotFound, match="no tile index"):
        read_index(tmp_path)
    (tmp_path / "index.json").write_text("{}")
    with pytest.raises(DataError, match="not a tile index"):
        read_index(tmp_path)


def test_colour_labels_need_a_full_legend(tmp_path: Path) -> None:
    image, _, _, classes = scene_and_label(tmp_path)
    table = np.arange(18, dtype=np.uint8).reshape(6, 3)
    Image.fromarray(table[classes]).save(tmp_path / "c.png")
    legend = {tuple(int(v) for v in rgb): i for i, rgb in enumerate(table)}
    (tile, *_) = cut_scene(
        image,
        tmp_path / "c.png",
        img_dir=tmp_path / "i",
        ann_dir=tmp_path / "a",
        tile_px=64,
        stride_px=64,
        ignore_value=255,
        legend=legend,
    )
    assert np.array_equal(read(tmp_path / "a" / tile.name), classes[:64, :64])
    del legend[(15, 16, 17)]
    with pytest.raises(DataError, match=r"not in its legend: \(15, 16, 17\)"):
        cut_scene(
            image,
            tmp_path / "c.png",
            img_dir=tmp_path / "i",
            ann_dir=tmp_path / "a",
            tile_px=64,
            stride_px=64,
            ignore_value=255,
            legend=legend,
        )


def test_refusals_name_the_file(tmp_path: Path) -> None:
    image, label, _, _ = scene_and_label(tmp_path)
    grid = {"img_dir": tmp_path / "i", "ann_dir": tmp_path / "a", "tile_px": 64, "stride_px": 64, "ignore_value": 255}
    with pytest.raises(DataError, match=r"s_label\.tif holds the values \[5\]"):
        cut_scene(image, label, allowed_values=range(5), **grid)
    write_geotiff(label, np.zeros((99, 150), dtype=np.uint8))
    with pytest.raises(DataError, match="150 x 99 px, its image .*150 x 100 px"):
        cut_scene(image, label, **grid)
    with pytest.raises(ConfigError, match="ann_dir"):
        cut_scene(image, label, **{**grid, "ann_dir": None})
