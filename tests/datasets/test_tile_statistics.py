"""Statistics of tiles: hand-made tiles with known shares and colours, and the choice of tiles to show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rs_adapt.datasets.tile_sets import TileSet, TileSets
from rs_adapt.datasets.tile_statistics import set_statistics
from rs_adapt.errors import DataError


def sets(folder: Path) -> TileSets:
    one = TileSet(title="train", split="train", img_dir=folder / "i", ann_dir=folder / "a", tile_px=4, num_tiles=None)
    return TileSets(
        name="own",
        title="Own",
        sets=(one,),
        img_suffix=".png",
        ann_suffix=".png",
        class_names={1: "a", 2: "b", 3: "c"},
        colours={1: (255, 0, 0), 2: (0, 255, 0), 3: (0, 0, 255)},
        allowed=(0, 1, 2, 3),
        how_to_get="",
        licence="",
    )


def write(folder: Path, name: str, label: list[int]) -> None:
    """Write a tile of 4 x 4 px, a label value a row; a pixel's colour is (10, 20, 30) times its value."""
    values = np.repeat(np.array(label, np.uint8)[:, None], 4, axis=1)
    for kind, pixels in (("i", np.stack([values * 10, values * 20, values * 30], axis=-1)), ("a", values)):
        (folder / kind).mkdir(exist_ok=True)
        Image.fromarray(pixels).save(folder / kind / f"{name}.png")


def test_shares_and_colours_equal_those_of_the_pixels(tmp_path: Path) -> None:
    write(tmp_path, "1", [1, 1, 2, 0])
    write(tmp_path, "2", [1, 1, 1, 0])
    tiles = sets(tmp_path)
    found = set_statistics(tiles.sets[0], tiles, most_tiles=10, num_samples=1)
    assert found is not None
    assert (found.num_tiles, found.num_read) == (2, 2)
    assert found.class_pct == {"a": pytest.approx(100 * 5 / 6), "b": pytest.approx(100 / 6), "c": 0}
    assert found.ignored_pct == pytest.approx(25)
    assert found.class_colour == {"a": pytest.approx((10, 20, 30)), "b": pytest.approx((20, 40, 60))}
    # Five rows of 10, one of 20 and two of 0.
    values = np.array([10] * 5 + [20] + [0] * 2)
    assert found.mean == pytest.approx((values.mean(), 2 * values.mean(), 3 * values.mean()))
    assert found.std[0] == pytest.approx(values.std())
    assert found.histogram.sum(axis=1) == pytest.approx([1, 1, 1])
    assert found.histogram[0, :3] == pytest.approx([2 / 8, 5 / 8, 1 / 8])


def test_selected_tiles_contain_the_rare_classes(tmp_path: Path) -> None:
    for number in range(20):
        write(tmp_path, f"{number:02d}", [1, 1, 1, 1])
    write(tmp_path, "07", [2, 2, 2, 2])
    write(tmp_path, "13", [1, 1, 3, 3])
    tiles = sets(tmp_path)
    found = set_statistics(tiles.sets[0], tiles, most_tiles=20, num_samples=2)
    assert found is not None
    assert found.samples == ("07", "13")


def test_of_many_tiles_evenly_spaced_ones_are_read(tmp_path: Path) -> None:
    for number in range(10):
        write(tmp_path, str(number), [1, 1, 1, 1])
    (tmp_path / "i" / "3.png").write_bytes(b"not read")
    tiles, seen = sets(tmp_path), []
    found = set_statistics(
        tiles.sets[0], tiles, most_tiles=2, num_samples=5, on_progress=lambda *step: seen.append(step)
    )
    assert found is not None
    assert (found.num_tiles, found.num_read, found.samples) == (10, 2, ("0", "9"))
    assert seen == [("reading train", 1, 2), ("reading train", 2, 2)]
    with pytest.raises(DataError, match=r"Cannot read .*i/3\.png"):
        set_statistics(tiles.sets[0], tiles, most_tiles=10, num_samples=1)


def test_an_empty_set_has_no_statistics(tmp_path: Path) -> None:
    tiles = sets(tmp_path)
    assert set_statistics(tiles.sets[0], tiles, most_tiles=2, num_samples=1) is None
