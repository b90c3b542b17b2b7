"""Splits: by name, by area, and blocks of a scene with a gap around them."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from own_benches import count_pixels, draw, prepare, tiles_of, write_bench, write_scene

from rs_adapt.datasets.own.blocks import divide_tiles
from rs_adapt.datasets.own.layout import SceneFiles
from rs_adapt.datasets.own.splits import split_scenes
from rs_adapt.datasets.recipes import LabelSource, SceneRegion
from rs_adapt.errors import DataError, DataNotFound
from rs_adapt.scenes import Box
from rs_adapt.tiles import tile_boxes

if TYPE_CHECKING:
    from collections.abc import Sequence

LABELS = LabelSource(kind="values", path="", suffix="", column=None, background=None, to_index=((0, 0),), ignore=())


def plan(sides_px: Sequence[tuple[int, int]], **facts: Any) -> list[tuple[str, str, float]]:
    given: dict[str, Any] = {"val": (), "val_share": 0.2, "labels": LABELS} | facts
    region = SceneRegion(name="r", images="img", pattern="*", bands=None, stretch=None, **given)
    scenes = [
        SceneFiles(image=Path(f"img/s{number}.tif"), label=None, name=f"s{number}") for number in range(len(sides_px))
    ]
    plans = split_scenes(region, scenes, dict(zip(scenes, sides_px, strict=True)).__getitem__, 512)
    return [(one.scene.name, one.split, one.share) for one in plans]


def splits(sides_px: Sequence[tuple[int, int]], **facts: Any) -> list[str]:
    return [split for _, split, _ in plan(sides_px, **facts)]


def test_scenes_of_one_size_are_spread_over_the_names() -> None:
    assert splits([(600, 600)] * 10) == ["train"] * 2 + ["val"] + ["train"] * 4 + ["val"] + ["train"] * 2
    assert splits([(600, 600)] * 3) == ["train", "val", "train"]
    assert splits([(600, 600)] * 3, val_share=0) == ["train"] * 3
    assert splits([(600, 600)] * 3, labels=None, val_share=None) == ["train"] * 3
    assert splits([(600, 600)] * 3, val=("s0", "s2"), val_share=None) == ["val", "train", "val"]


@pytest.mark.parametrize("sides_px", [[(10_000, 10_000), (500, 500)], [(500, 500), (10_000, 10_000)]])
def test_a_small_scene_beside_a_large_one_is_not_the_held_out_share(sides_px: list[tuple[int, int]]) -> None:
    large = sides_px.index((10_000, 10_000))
    divided = plan(sides_px)
    assert divided[large][1:] == ("divided", pytest.approx(0.2, abs=0.001))
    assert divided[1 - large][1] == "train"


def test_two_equal_scenes_hold_out_a_share_and_not_a_half() -> None:
    assert [one[1:] for one in plan([(4000, 4000)] * 2)] == [("divided", pytest.approx(0.4)), ("train", 0.0)]
    # Too small for blocks, so one of them is held out.
    assert sorted(splits([(600, 600)] * 2)) == ["train", "val"]


def test_areas_decide_where_numbers_would_mislead() -> None:
    sides_px = [(1000, 1000), (1000, 1000), (6000, 1000), (1000, 1000), (1000, 1000)]
    held = [side for side, split in zip(sides_px, splits(sides_px), strict=True) if split == "val"]
    assert held == [(1000, 1000)] * 2
    many = [(5000, 5000), *[(500, 500)] * 99]
    assert splits(many)[0] == "train"
    held_px = sum(width * height for (width, height), split in zip(many, splits(many), strict=True) if split == "val")
    assert held_px / sum(width * height for width, height in many) == pytest.approx(0.2, abs=0.01)


def test_names_that_fit_nothing_or_everything_are_refused() -> None:
    with pytest.raises(DataNotFound, match=r"img holds no image 's9', which val names"):
        splits([(600, 600)] * 2, val=("s9",), val_share=None)
    with pytest.raises(DataError, match="val names all 2 images"):
        splits([(600, 600)] * 2, val=("s*",), val_share=None)


def distance_px(one: Box, other: Box) -> int:
    """Return the pixels between two windows along the axis that separates them more; negative where they overlap."""
    return max(one.x0 - other.x1, other.x0 - one.x1, one.y0 - other.y1, other.y0 - one.y1)


@pytest.mark.parametrize(
    ("width_px", "height_px", "tile_px", "stride_px"),
    [(500, 500, 128, 128), (500, 500, 128, 64), (2000, 1500, 256, 256), (6000, 6000, 512, 512), (6000, 600, 512, 300)],
)
@pytest.mark.parametrize("counted", [False, True])
def test_blocks_keep_a_gap_of_a_tile(
    width_px: int, height_px: int, tile_px: int, stride_px: int, counted: bool
) -> None:
    boxes = tile_boxes(width_px, height_px, tile_px, stride_px)
    counts_NK = np.random.default_rng(0).integers(0, 9, (len(boxes), 3)) if counted else None
    division = divide_tiles(boxes, counts_NK, share=0.2, tile_px=tile_px)
    assert division is not None
    assert division == divide_tiles(boxes, counts_NK, share=0.2, tile_px=tile_px)
    pairs = product(division.train, division.val)
    assert min(distance_px(boxes[one], boxes[other]) for one, other in pairs) >= division.gap_px == tile_px
    assert 0.1 <= len(division.val) / len(boxes) <= 0.3
    assert len(division.train) / len(boxes) >= 0.4


def test_a_large_scene_has_several_blocks_all_over_it() -> None:
    boxes = tile_boxes(24_000, 24_000, 512, 512)
    division = divide_tiles(boxes, None, share=0.2, tile_px=512)
    assert division is not None
    assert len(division.val) / len(boxes) == pytest.approx(0.2, abs=0.03)
    for half in ("x0", "y0"):
        sides = [getattr(boxes[number], half) < 12_000 for number in division.val]
        assert 0.25 <= np.mean(sides) <= 0.75


def test_every_class_is_on_both_sides_where_that_is_possible() -> None:
    boxes = tile_boxes(6000, 6000, 512, 512)
    counts_NK = np.zeros((len(boxes), 3), np.int64)
    counts_NK[:, 0] = 100
    # A class in the lower left corner alone, and one in the upper right: no band of rows has both.
    for number, box in enumerate(boxes):
        counts_NK[number, 1] = 50 * (box.x0 < 2500 and box.y0 > 3800)
        counts_NK[number, 2] = 50 * (box.x0 > 3800 and box.y0 < 2500)
    division = divide_tiles(boxes, counts_NK, share=0.2, tile_px=512)
    assert division is not None
    assert (counts_NK[[*division.train]].sum(axis=0) > 0).all()
    assert (counts_NK[[*division.val]].sum(axis=0) > 0).all()


def test_a_narrower_gap_is_taken_rather_than_losing_a_class() -> None:
    boxes = tile_boxes(640, 128, 128, 128)
    # Five tiles in a row: with a gap of a tile, one of them is lost whichever is held out.
    counts_NK = np.full((5, 2), 10, np.int64)
    counts_NK[:, 1] = [0, 5, 0, 5, 0]
    division = divide_tiles(boxes, counts_NK, share=0.2, tile_px=128)
    assert division is not None
    assert counts_NK[[*division.train], 1].sum() > 0
    counts_NK[:, 1] = [0, 5, 0, 0, 0]
    division = divide_tiles(boxes, counts_NK, share=0.2, tile_px=128)
    assert division is not None
    assert counts_NK[[*division.train], 1].sum() > 0


def test_scenes_of_few_tiles_get_a_narrower_gap_or_none() -> None:
    two = divide_tiles(tile_boxes(1024, 512, 512, 512), None, share=0.2, tile_px=512)
    assert two is not None
    assert (len(two.train), len(two.val), two.gap_px) == (1, 1, 0)
    # All tiles of these overlap.
    assert divide_tiles(tile_boxes(1000, 1000, 512, 512), None, share=0.2, tile_px=512) is None
    assert divide_tiles(tile_boxes(300, 300, 512, 512), None, share=0.2, tile_px=512) is None


def test_a_divided_scene_has_right_tiles_and_no_pixel_twice(tmp_path: Path) -> None:
    write_scene(tmp_path / "img" / "a.tif", tmp_path / "lab" / "a.tif", draw(200, 260))
    out, contents = prepare(write_bench(tmp_path, 'images = "img"', 'path = "lab"\nsuffix = ".tif"'))
    boxes = {split: [Box(*tile["box"]) for tile in tiles_of(out, f"source/{split}")] for split in ("train", "val")}
    assert min(distance_px(one, other) for one, other in product(boxes["train"], boxes["val"])) >= 32
    for split, part in contents.regions["source"].splits.items():
        assert part.classes is not None
        right, wrong = count_pixels(out, f"source/{split}")
        assert wrong == 0
        seen = np.zeros((200, 260), bool)
        for box in boxes[split]:
            seen[box.y0 : box.y1, box.x0 : box.x1] = True
        assert sum(pixels.tiles for pixels in part.classes.values()) == seen.sum()
        assert right >= seen.sum()
    assert "a is divided" in contents.regions["source"].notes[0]
    assert not (out / "source" / "divided").exists()


def test_val_share_0_trains_on_all(tmp_path: Path) -> None:
    for number in (1, 2):
        write_scene(tmp_path / "img" / f"a{number}.png", tmp_path / "lab" / f"a{number}.png", draw(64, 64, number))
    out, contents = prepare(write_bench(tmp_path, 'images = "img"\nval_share = 0', 'path = "lab"'))
    assert [*contents.regions["source"].splits] == ["train"]
    assert count_pixels(out, "source/train") == (2 * 64 * 64, 0)


def test_a_scene_of_one_tile_cannot_be_divided(tmp_path: Path) -> None:
    write_scene(tmp_path / "img" / "a.png", tmp_path / "lab" / "a.png", draw(40, 40))
    with pytest.raises(DataError, match=r"a\.png \(40 x 40 px\) is to be divided .* too few for that\. Use smaller"):
        prepare(write_bench(tmp_path, 'images = "img"', 'path = "lab"'))
