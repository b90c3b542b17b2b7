"""Originals to tiles: pixels, names, padding, colours off the legend, and the numbers that are published."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image
from rasterio.enums import ColorInterp

from rs_adapt.datasets.originals import load_layout
from rs_adapt.datasets.originals.cutting import make_recipe
from rs_adapt.errors import DataError
from rs_adapt.scenes import write_geotiff
from rs_adapt.tiles import CutOriginal, Recipe, cut_original, tiles_sha256

FIELDS = {"scene": "s", "split": "train", "region": None}
LEGEND = {(0, 0, 0): 0, (255, 255, 255): 1, (0, 0, 255): 2}


def recipe(**changes: object) -> Recipe:
    facts = {
        "tile_px": 32,
        "stride_px": 32,
        "num_bands": 3,
        "legend": LEGEND,
        "label_values": (0, 1, 2),
        "ignore_value": 0,
        "image_tile": "i/{split}/{scene}_{x0}_{y0}_{x1}_{y1}.png",
        "label_tile": "a/{split}/{scene}_{x0}_{y0}_{x1}_{y1}.png",
    }
    return Recipe(**{**facts, **changes})  # type: ignore[arg-type]


def write_pair(folder: Path, width_px: int, height_px: int, bands: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (height_px, width_px, bands), dtype=np.uint8)
    label = rng.integers(0, 3, (height_px, width_px), dtype=np.uint8)
    write_geotiff(folder / "s.tif", image)
    write_geotiff(folder / "l.tif", np.array([*LEGEND], np.uint8)[label])
    return image, label


def cut(folder: Path, how: Recipe, label: str = "l.tif") -> CutOriginal:
    return cut_original(folder / "s.tif", folder / label, recipe=how, folder=folder, fields=FIELDS, names=("S", "L"))


def read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_tiles_are_crops_of_the_stored_pixels(tmp_path: Path) -> None:
    image, label = write_pair(tmp_path, 70, 40)
    found = cut(tmp_path, recipe())
    assert (found.size_px, found.num_tiles, found.off_legend) == ((70, 40), 6, {})
    names = sorted(path.name for path in (tmp_path / "i" / "train").iterdir())
    assert names == sorted(f"s_{x}_{y}_{x + 32}_{y + 32}.png" for x in (0, 32, 38) for y in (0, 8))
    for name in names:
        x0, y0, x1, y1 = map(int, name[2:-4].split("_"))
        assert np.array_equal(read(tmp_path / "i" / "train" / name), image[y0:y1, x0:x1])
        assert np.array_equal(read(tmp_path / "a" / "train" / name), label[y0:y1, x0:x1])


def test_small_scenes_are_padded_and_named_by_the_tile(tmp_path: Path) -> None:
    image, label = write_pair(tmp_path, 20, 50)
    how = recipe(ignore_value=255, label_values=(0, 1, 2, 255), image_tile="i/{scene}_{y0}_{y1}_{x0}_{x1}.png")
    assert cut(tmp_path, how).num_tiles == 2
    assert sorted(path.name for path in (tmp_path / "i").iterdir()) == ["s_0_32_0_32.png", "s_18_50_0_32.png"]
    pixels, values = read(tmp_path / "i" / "s_18_50_0_32.png"), read(tmp_path / "a" / "train" / "s_0_18_32_50.png")
    assert np.array_equal(pixels[:, :20], image[18:])
    assert not pixels[:, 20:].any()
    assert np.array_equal(values[:, :20], label[18:])
    assert (values[:, 20:] == 255).all()


@pytest.mark.parametrize("stride_px", [16, 32])
def test_colours_off_the_legend_are_ignored_and_counted_once(tmp_path: Path, stride_px: int) -> None:
    write_pair(tmp_path, 70, 40)
    colours = np.array([*LEGEND], np.uint8)[np.ones((40, 70), int)]
    # In the overlap of the last tiles of rows and columns, and in one tile only.
    colours[10:12, 40:45] = (252, 255, 0)
    colours[0, 0] = (1, 2, 3)
    write_geotiff(tmp_path / "l.tif", colours)
    found = cut(tmp_path, recipe(stride_px=stride_px))
    assert list(found.off_legend.items()) == [((252, 255, 0), 10), ((1, 2, 3), 1)]
    values = read(tmp_path / "a" / "train" / "s_38_8_70_40.png")
    assert (values[2:4, 2:7] == 0).all()
    assert np.count_nonzero(values == 0) == 10


def test_a_fourth_band_is_data_and_no_transparency(tmp_path: Path) -> None:
    image, _ = write_pair(tmp_path, 32, 32, bands=4)
    image[:8, :, 3] = 0
    # As files from elsewhere may be: GDAL takes the band for transparency.
    facts = {"driver": "GTiff", "width": 32, "height": 32, "count": 4, "dtype": "uint8", "alpha": "yes"}
    with rasterio.open(tmp_path / "s.tif", "w", transform=Affine(1, 0, 5, 0, -1, 5), **facts) as file:
        file.write(image.transpose(2, 0, 1))
        assert file.colorinterp[3] == ColorInterp.alpha
    cut(tmp_path, recipe(num_bands=4, image_tile="i/{scene}_{x0}_{y0}_{x1}_{y1}.tif"))
    with warnings.catch_warnings(action="ignore"), rasterio.open(tmp_path / "i" / "s_0_0_32_32.tif") as file:
        assert np.array_equal(file.read().transpose(1, 2, 0), image)
        assert file.colorinterp[3] != ColorInterp.alpha
    cut(tmp_path, recipe(image_tile="rgb/{scene}_{x0}_{y0}_{x1}_{y1}.png"))
    assert np.array_equal(read(tmp_path / "rgb" / "s_0_0_32_32.png"), image[..., :3])


def test_digest_follows_the_files_on_disk(tmp_path: Path) -> None:
    write_pair(tmp_path, 70, 40)
    how = recipe()
    found = cut(tmp_path, how)
    assert tiles_sha256(how, found.size_px, folder=tmp_path, fields=FIELDS) == found.sha256
    path = tmp_path / "a" / "train" / "s_0_0_32_32.png"
    path.write_bytes(path.read_bytes()[:-1])
    assert tiles_sha256(how, found.size_px, folder=tmp_path, fields=FIELDS) != found.sha256
    path.unlink()
    with pytest.raises(FileNotFoundError):
        tiles_sha256(how, found.size_px, folder=tmp_path, fields=FIELDS)


def test_unfit_originals_are_refused_by_their_own_names(tmp_path: Path) -> None:
    write_pair(tmp_path, 40, 40)
    write_geotiff(tmp_path / "grey.tif", np.zeros((40, 40), np.uint8))
    write_geotiff(tmp_path / "deep.tif", np.zeros((40, 40, 3), np.uint16))
    write_geotiff(tmp_path / "nine.tif", np.full((40, 40), 9, np.uint8))
    write_geotiff(tmp_path / "small.tif", np.zeros((40, 39, 3), np.uint8))
    for label, how, message in (
        ("small.tif", recipe(), r"L is 39 x 40 px, its image S 40 x 40\. Both must be of one size"),
        ("grey.tif", recipe(), r"L: .* lacks one of the bands \[1, 2, 3\]"),
        ("deep.tif", recipe(), r"L: .* holds values of type uint16; needed is uint8"),
        ("nine.tif", recipe(legend=None), r"L holds the label values \[9\]; allowed are \[0, 1, 2\]"),
        ("l.tif", recipe(legend=None), r"L: .* is a colour image"),
        ("l.tif", recipe(num_bands=4), r"S: .* lacks one of the bands \[1, 2, 3, 4\]"),
    ):
        with pytest.raises(DataError, match=message):
            cut(tmp_path, how, label)


@pytest.mark.parametrize(
    ("name", "sizes", "wanted"),
    [
        ("potsdam", [(6000, 6000)] * 24, 3456),
        ("potsdam", [(6000, 6000)] * 14, 2016),
        ("loveda", [(1024, 1024)] * 1366, 5464),
        ("loveda", [(1024, 1024)] * 677, 2708),
        # Areas 1, 17 and 38.
        ("vaihingen", [(1919, 2569)], 24),
        ("vaihingen", [(2336, 1281)], 15),
        ("vaihingen", [(3816, 1550)], 32),
        # 896 px every 512 px: alone, one step, and padded.
        ("isaid", [(896, 896), (1408, 896), (897, 897), (300, 2000)], 1 + 2 + 4 + 4),
    ],
)
def test_numbers_of_tiles_follow_from_sizes(name: str, sizes: list[tuple[int, int]], wanted: int) -> None:
    layout = load_layout(name)
    how = make_recipe(layout, tile_px=layout.tile_px, stride_px=layout.stride_px)
    fields = {"scene": "1", "split": "train", "region": "rural"}
    assert sum(len(how.files(width, height, fields)) for width, height in sizes) == wanted


@pytest.mark.parametrize(
    ("name", "scene", "size_px", "image", "label"),
    [
        (
            "potsdam",
            "2_10",
            (6000, 6000),
            "img_dir/train/2_10_5488_0_6000_512.png",
            "ann_dir/train/2_10_5488_0_6000_512.png",
        ),
        (
            "vaihingen",
            "1",
            (1919, 2569),
            "img_dir/train/area1_1407_0_1919_512.png",
            "ann_dir/train/area1_1407_0_1919_512.png",
        ),
        (
            "loveda",
            "0",
            (1024, 1024),
            "rural/train/img_dir/0_512_0_1024_512.png",
            "rural/train/ann_dir/0_512_0_1024_512.png",
        ),
        (
            "isaid",
            "P0000",
            (1408, 896),
            "img_dir/train/P0000_0_896_512_1408.png",
            "ann_dir/train/P0000_0_896_512_1408_instance_color_RGB.png",
        ),
        (
            "potsdam_rgbir",
            "2_10",
            (6000, 6000),
            "img_dir/train/2_10_5488_0_6000_512.tif",
            "ann_dir/train/2_10_5488_0_6000_512.png",
        ),
    ],
)
def test_names_equal_the_converters(name: str, scene: str, size_px: tuple[int, int], image: str, label: str) -> None:
    layout = load_layout(name)
    how = make_recipe(layout, tile_px=layout.tile_px, stride_px=layout.stride_px)
    columns = {
        box.y0: (img, ann)
        for box, img, ann in how.files(*size_px, {"scene": scene, "split": "train", "region": "rural"})
        if box.x1 == size_px[0]
    }
    assert columns[0] == (image, label)
