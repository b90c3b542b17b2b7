"""Data sets whose images are tiles as they are: DLRSD, UAVid, UDD5 and VDD in the layouts of their releases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rs_adapt.commands import main
from rs_adapt.datasets.manifest import Tiling, load_manifest
from rs_adapt.datasets.originals import Prepared, prepare_originals
from rs_adapt.errors import ConfigError, DataError


def prepare(name: str, source: Path, root: Path, **changes: Any) -> Prepared:
    return prepare_originals(name, source, root, **{"jobs": 1, "partial": True, **changes})


def save(path: Path, pixels: np.ndarray, palette: bool = False) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture: Any = Image.fromarray(pixels)
    if palette:
        picture = Image.fromarray(pixels, "P")
        # Colours that would be other classes, were they read in place of the indices.
        picture.putpalette([value for index in range(256) for value in (255 - index, 0, index)])
    picture.save(path)
    return pixels


def read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def draw(size_hw: tuple[int, int], values: range, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (*size_hw, 3), dtype=np.uint8)
    return image, rng.integers(values.start, values.stop, size_hw, dtype=np.uint8)


@pytest.mark.parametrize("labels", ["Labels", "Images"])
def test_dlrsd_is_split_by_the_last_digit_and_keeps_every_size(tmp_path: Path, labels: str) -> None:
    # The labels lie beside the images, or, as their authors give them out, in a folder of the same name.
    written = {}
    for scene, size_hw in {"airplane03": (20, 24), "airplane04": (24, 24), "mobilehomepark99": (23, 26)}.items():
        image, label = draw(size_hw, range(1, 18))
        group = scene[:-2]
        save(tmp_path / "s" / "UCMerced_LandUse" / "Images" / group / f"{scene}.tif", image)
        save(tmp_path / "s" / "DLRSD" / labels / group / f"{scene}.png", label, palette=True)
        written[scene] = (image, label)
    done = prepare("dlrsd", tmp_path / "s", tmp_path / "data")
    assert {part.title: len(done.of(part)) for part in done.plan.layout.parts} == {"train": 1, "val": 2}
    for scene, (image, label) in written.items():
        split = "train" if scene.endswith("3") else "val"
        assert np.array_equal(read(tmp_path / "data" / "dlrsd" / "img_dir" / split / f"{scene}.png"), image)
        assert np.array_equal(read(tmp_path / "data" / "dlrsd" / "ann_dir" / split / f"{scene}.png"), label)
    # The same command again finds all of it done, by name, size and bytes.
    again = prepare("dlrsd", tmp_path / "s", tmp_path / "data")
    assert (again.num_cut, again.num_kept) == (0, 3)


def test_the_rule_of_the_split_names_each_of_the_2100_images_once() -> None:
    import re

    splits = load_manifest("dlrsd").splits
    scenes = [f"{group}{number:02d}" for group in "abcdefghijklmnopqrstu" for number in range(100)]
    by_split = {
        name: {scene for scene in scenes if re.fullmatch(split.names or "", scene)} for name, split in splits.items()
    }
    assert {name: len(found) for name, found in by_split.items()} == {"train": 1680, "val": 420}
    assert not by_split["train"] & by_split["val"]


def test_scenes_of_uavid_are_called_after_their_sequence(tmp_path: Path) -> None:
    colours = np.array([one.colour for one in load_manifest("uavid").classes], np.uint8)
    labels = {}
    for split, sequence in (("train", "seq1"), ("train", "seq2"), ("val", "seq16")):
        image, label = draw((12, 20), range(8), seed=len(labels))
        folder = tmp_path / "s" / f"uavid_{split}" / sequence
        save(folder / "Images" / "000000.png", image)
        save(folder / "Labels" / "000000.png", colours[label])
        labels[split, sequence] = label
    # Sequences for testing have no labels, and are no part of it.
    save(tmp_path / "s" / "uavid_test" / "seq21" / "Images" / "000000.png", image)
    prepare("uavid", tmp_path / "s", tmp_path / "data")
    for (split, sequence), label in labels.items():
        tile = tmp_path / "data" / "uavid" / "ann_dir" / split / f"{sequence}_000000.png"
        assert np.array_equal(read(tile), label + 1)
    assert len([*(tmp_path / "data" / "uavid").rglob("*.png")]) == 6


@pytest.mark.parametrize(("name", "num_classes"), [("udd5", 5), ("vdd", 7)])
def test_classes_from_0_are_stored_from_1(tmp_path: Path, name: str, num_classes: int) -> None:
    image, label = draw((12, 16), range(num_classes))
    save(tmp_path / "s" / "val" / "src" / "DJI_0001.JPG", image)
    save(tmp_path / "s" / "val" / "gt" / "DJI_0001.png", label)
    prepare(name, tmp_path / "s", tmp_path / "data")
    assert np.array_equal(read(tmp_path / "data" / name / "ann_dir" / "val" / "DJI_0001.png"), label + 1)
    label[0, 0] = num_classes
    save(tmp_path / "t" / "val" / "src" / "DJI_0001.JPG", image)
    save(tmp_path / "t" / "val" / "gt" / "DJI_0001.png", label)
    with pytest.raises(
        DataError, match=rf"gt/DJI_0001\.png holds the label values \[{num_classes}\]; allowed are \[0,"
    ):
        prepare(name, tmp_path / "t", tmp_path / "other")


def test_a_step_without_a_side_is_refused_and_a_side_cuts_a_grid(tmp_path: Path) -> None:
    image, label = draw((16, 32), range(5))
    save(tmp_path / "s" / "val" / "src" / "a.JPG", image)
    save(tmp_path / "s" / "val" / "gt" / "a.png", label)
    with pytest.raises(ConfigError, match=r"--stride-px 8 has no meaning: each tile of udd5 is a whole image"):
        prepare("udd5", tmp_path / "s", tmp_path / "data", stride_px=8)
    with pytest.raises(ValueError, match="give tile_px and stride_px, or neither"):
        Tiling(tile_px=8, labels="values", image="{scene}.png", label="{scene}.png")
    assert not (tmp_path / "data" / "udd5").exists()


def test_the_command_says_that_tiles_are_whole_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image, label = draw((12, 16), range(5))
    for split in ("train", "val"):
        save(tmp_path / "s" / split / "src" / "a.JPG", image if split == "val" else image[::-1].copy())
        save(tmp_path / "s" / split / "gt" / "a.png", label)
    places = ("--source", str(tmp_path / "s"), "--data-root", str(tmp_path / "data"))
    with pytest.raises(SystemExit) as stop:
        main(["data", "prepare", "udd5", *places, "--partial", "--jobs", "1"])
    assert (stop.value.code or 0) == 0
    assert "UDD5, urban images from a drone: whole images" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        main(["data", "verify", "udd5", "--data-root", str(tmp_path / "data")])
    shown = capsys.readouterr().out
    assert stop.value.code == 1
    assert "wrong: val: 1 images, published are 40" in shown
    assert "Faults: 2." in shown
