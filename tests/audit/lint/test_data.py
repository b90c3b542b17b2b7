"""Leaks planted in tiles: the same in train and val, values outside the class list, damage."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rs_adapt.scenes import Box
from rs_adapt.tiles import Tile, write_index


def copy_tile(source: Path, target: Path, name: str) -> None:
    """Copy the first tile of a part, image and label, byte by byte under a new name."""
    first = sorted((source / "img_dir").iterdir())[0].name
    for kind in ("img_dir", "ann_dir"):
        shutil.copy(source / kind / first, target / kind / name)


@pytest.mark.parametrize(
    ("bench", "train", "consequence"),
    [
        ("loveda-da", "rural/train", "seen are scored"),
        ("loveda-da", "urban/train", "adaptation trained on"),
        ("loveda-dg", "rural/train", "seen are scored"),
        ("loveda-ss", "urban/train", "seen are scored"),
    ],
)
def test_a_tile_in_train_and_val(lint_cell, loveda_tiles: Path, bench: str, train: str, consequence: str) -> None:
    root = loveda_tiles / "loveda"
    copy_tile(root / train, root / "urban/val", "4000.png")
    found = lint_cell(bench, data_root=loveda_tiles)
    assert found.serious == [("error", "tile-in-train-and-val")]
    leak = found.only("tile-in-train-and-val")
    assert leak.file == str(root / "urban/val/img_dir")
    assert leak.key == "test_dataloader.dataset.img_dir"
    assert "loveda/urban/val/4000" in leak.found
    assert consequence in leak.consequence


def test_a_tile_of_the_source_in_its_own_validation_is_a_warning(lint_cell, loveda_tiles: Path) -> None:
    root = loveda_tiles / "loveda/rural"
    copy_tile(root / "train", root / "val", "3000.png")
    assert lint_cell("loveda-da", data_root=loveda_tiles).serious == [("warning", "tile-in-train-and-val")]
    chosen = lint_cell("loveda-da", "protocol.selection=best_source_val", data_root=loveda_tiles)
    assert ("error", "tile-in-train-and-val") in chosen.serious


def test_a_scene_in_train_and_val_is_a_warning_with_its_name(lint_cell, loveda_tiles: Path) -> None:
    # The ids of the files are the scenes; pixels differ.
    for kind in ("img_dir", "ann_dir"):
        folder = loveda_tiles / "loveda/urban/val" / kind
        (folder / "3514.png").rename(folder / "1366_512_0_1024_512.png")
    found = lint_cell("loveda-da", data_root=loveda_tiles)
    assert found.serious == [("warning", "tile-in-train-and-val")]
    assert "1 scene(s) are both in training and here: 1366" in found.only("tile-in-train-and-val").found


def test_scenes_of_an_index_are_compared(lint_cell, loveda_tiles: Path) -> None:
    root = loveda_tiles / "loveda/urban"
    for split in ("train", "val"):
        names = sorted(path.name for path in (root / split / "img_dir").iterdir())
        tiles = [
            Tile(
                name=name,
                scene="harbour" if number == 0 else f"{split}{number}",
                box=Box(0, 0, 64, 64),
                transform=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
                crs=None,
                valid_share=1.0,
            )
            for number, name in enumerate(names)
        ]
        write_index(root / split, tiles, tile_px=64, stride_px=64)
    found = lint_cell("loveda-da", data_root=loveda_tiles).only("tile-in-train-and-val")
    assert (found.level, "harbour" in found.found) == ("warning", True)


def test_label_values_outside_the_class_list(lint_cell, loveda_tiles: Path) -> None:
    path = loveda_tiles / "loveda/rural/train/ann_dir/1.png"
    label = np.asarray(Image.open(path)).copy()
    label[:2, :5], label[5, :3] = 9, 200
    Image.fromarray(label).save(path)
    found = lint_cell("loveda-da", data_root=loveda_tiles)
    assert found.serious == [("error", "label-values")]
    wrong = found.only("label-values")
    assert "9 (10 pixels), 200 (3 pixels); the first file is 1.png" in wrong.found
    assert wrong.file == str(path.parent)
    assert "0, 1, 2, 3, 4, 5, 6, 7, 255" in wrong.remedy


def test_labels_of_the_targets_training_images_are_not_read(lint_cell, loveda_tiles: Path) -> None:
    for path in (loveda_tiles / "loveda/urban/train/ann_dir").iterdir():
        path.write_bytes(b"no image")
    assert lint_cell("loveda-da", data_root=loveda_tiles).serious == []
    assert ("error", "broken-tiles") in lint_cell("loveda-da", data_root=loveda_tiles, protocol="paper").serious


def test_broken_tiles_are_reported(lint_cell, loveda_tiles: Path) -> None:
    (loveda_tiles / "loveda/urban/val/ann_dir/3514.png").unlink()
    found = lint_cell("loveda-dg", data_root=loveda_tiles).only("broken-tiles")
    assert "1 image(s) without label, first 3514" in found.found


def test_missing_data_are_a_note_and_the_others_are_checked(lint_cell, loveda_tiles: Path) -> None:
    shutil.rmtree(loveda_tiles / "loveda/urban/val")
    found = lint_cell("loveda-da", data_root=loveda_tiles)
    assert found.serious == []
    assert found.only("data-not-checked").found == "there is no loveda/urban/val/img_dir"


def test_without_data_the_note_names_the_rules(lint_cell) -> None:
    assert "label-values" in lint_cell("loveda-da").only("data-not-checked").consequence
