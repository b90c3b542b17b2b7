"""Folders by the name of a data set or bench, and benches of one's own with a target of images alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rs_adapt.config import axes, paths
from rs_adapt.datasets.own.contents import Contents, write_contents
from rs_adapt.datasets.tile_sets import find_tile_sets
from rs_adapt.datasets.tile_statistics import set_statistics
from rs_adapt.datasets.verify import verify_tiles
from rs_adapt.errors import DataNotFound

OWN = """
name = "mine"
tile_px = 16
[[class]]
name = "ground"
colour = "#C8C8C8"
[[class]]
name = "roof"
colour = "#DC2828"

[source]
images = "a"
[source.labels]
path = "a_labels"
suffix = ".tif"
[source.labels.classes]
ground = [0]
roof = [1]

[target]
images = "b"
"""


def write(folder: Path, seed: int, label: bool = True) -> None:
    for kind in ("img_dir", "ann_dir") if label else ("img_dir",):
        (folder / kind).mkdir(parents=True)
    rng = np.random.default_rng(seed)
    Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(folder / "img_dir" / "t.png")
    if label:
        Image.fromarray(rng.integers(0, 2, (16, 16), dtype=np.uint8)).save(folder / "ann_dir" / "t.png")


@pytest.mark.parametrize(
    ("name", "titles", "numbers"),
    [
        ("isprs", ["potsdam train", "potsdam val", "vaihingen train", "vaihingen val"], [3456, 2016, 344, 398]),
        ("isprs-v2p-dg", ["vaihingen train", "vaihingen val", "potsdam train", "potsdam val"], [344, 398, 3456, 2016]),
        (
            "isprs_irrg-da",
            ["potsdam_irrg train", "potsdam_irrg val", "vaihingen train", "vaihingen val"],
            [3456, 2016, 344, 398],
        ),
        ("potsdam-irrg", ["train", "val"], [3456, 2016]),
        ("loveda_u2r", ["urban train", "urban val", "rural train", "rural val"], [4624, 2708, 5464, 3968]),
    ],
)
def test_names_of_data_sets_and_benches(tmp_path: Path, name: str, titles: list[str], numbers: list[int]) -> None:
    for folder in ("potsdam/img_dir/train", "potsdam_irrg/img_dir/train", "loveda/rural/train/img_dir"):
        (tmp_path / folder).mkdir(parents=True)
    found = find_tile_sets(name, tmp_path)
    assert [one.title for one in found.sets] == titles
    assert [one.num_tiles for one in found.sets] == numbers
    assert found.allowed[0] == 0
    assert len(found.class_names) in (6, 7)


@pytest.mark.parametrize(
    ("name", "numbers", "side_px"),
    [
        (
            "casid",
            {
                **{"sub/train": 4900, "sub/test": 2200, "tem/train": 5025, "tem/test": 2075},
                **{"tms/train": 3400, "tms/test": 1650, "trf/train": 3700, "trf/test": 1550},
            },
            1024,
        ),
        (
            "whu-building",
            {"aerial/train": 4736, "aerial/test": 1036, "satellite/train": 13662, "satellite/test": 3726},
            512,
        ),
        ("potsdam-res", {"rgb": 3456, "irrg": 3456}, 512),
        ("rescuenet", {"train": None, "test": 449}, 512),
        ("deepglobe-roads", {"train": 6226}, 1024),
        ("massachusetts-roads", {"train": None, "test": 49}, 1500),
    ],
)
def test_a_data_set_is_all_of_its_folders_with_the_published_numbers(
    tmp_path: Path, name: str, numbers: dict[str, int | None], side_px: int
) -> None:
    root = tmp_path / name.replace("-", "_")
    (root / next(iter(numbers)) / "img_dir").mkdir(parents=True)
    found = find_tile_sets(name, tmp_path)
    assert {one.img_dir.parent.relative_to(root).as_posix(): one.num_tiles for one in found.sets} == numbers
    assert {one.tile_px for one in found.sets} == {side_px}
    # Images that are there to adapt to have no labels.
    assert all((one.ann_dir is None) == (one.num_tiles is None) for one in found.sets)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("potsdam-rgbir", ("4_Ortho_RGBIR.zip", "`rs-adapt data fetch potsdam --all`", "data prepare potsdam-rgbir ")),
        ("loveda-1024", ("`rs-adapt data fetch loveda`", "data prepare loveda-1024 ")),
    ],
)
def test_instructions_for_a_variant_are_its_own(tmp_path: Path, name: str, parts: tuple[str, ...]) -> None:
    with pytest.raises(DataNotFound) as error:
        find_tile_sets(name, tmp_path)
    assert [part for part in parts if part not in str(error.value)] == []
    assert "2_Ortho_RGB.zip" not in str(error.value)


def test_tiles_of_a_published_folder_have_the_published_size(tmp_path: Path) -> None:
    (tmp_path / "isaid" / "img_dir" / "train").mkdir(parents=True)
    assert {one.tile_px for one in find_tile_sets("isaid-ss", tmp_path).sets} == {896}


def test_a_target_with_images_only_is_checked_without_labels(tmp_path: Path) -> None:
    for folder in ("a", "a_labels", "b"):
        (tmp_path / folder).mkdir()
    (tmp_path / "mine.toml").write_text(OWN)
    bench = axes.load("bench", axes.find("bench", str(tmp_path / "mine.toml")))["bench"]
    tiles_dir = paths.prepared_dir(bench, tmp_path)
    for number, part in enumerate(("source/train", "source/val")):
        write(tiles_dir / part, number)
    write(tiles_dir / "target" / "train", 5, label=False)
    write_contents(tiles_dir, Contents(regions={}))
    tiles = find_tile_sets(str(tmp_path / "mine.toml"), tmp_path)
    assert [(one.title, one.ann_dir is None) for one in tiles.sets] == [
        ("source train", False),
        ("source val", False),
        ("target train", True),
    ]
    found = verify_tiles(tiles)
    assert found["faults"] == []
    assert [(row["images"], row["labels"]) for row in found["sets"]] == [(1, 1), (1, 1), (1, 0)]
    statistics = set_statistics(tiles.sets[2], tiles, most_tiles=5, num_samples=1)
    assert statistics is not None
    assert (statistics.samples, statistics.ignored_pct, statistics.class_colour) == (("t",), 100, {})
