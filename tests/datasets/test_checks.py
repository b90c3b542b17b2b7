"""Checks before training: every defect is found, named with its file, and found before the next step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rs_adapt.datasets import TileDataset
from rs_adapt.datasets.checks import allowed_values, check_tiles
from rs_adapt.errors import DataError


def overwrite(folder: str, name: str, values: np.ndarray) -> None:
    Image.fromarray(values).save(Path(folder) / name)


def test_good_folder_passes_and_reports_progress(write_tiles, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    check_tiles(TileDataset(**write_tiles()), tmp_path / "cache", lambda stage, done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_checked_folder_is_read_again_only_when_it_changes(write_tiles, tmp_path: Path) -> None:
    arguments = write_tiles()
    calls: list[int] = []
    for _ in range(2):
        check_tiles(TileDataset(**arguments), tmp_path / "cache", lambda stage, done, total: calls.append(done))
    assert calls == [1, 2, 3, 4]
    overwrite(arguments["ann_dir"], "0.png", np.full((8, 8), 9, np.uint8))
    with pytest.raises(DataError, match="label value 9"):
        check_tiles(TileDataset(**arguments), tmp_path / "cache")


def test_label_outside_the_class_list_names_file_and_value(write_tiles, tmp_path: Path) -> None:
    arguments = write_tiles()
    label = np.zeros((8, 8), np.uint8)
    label[0, :2] = 3
    overwrite(arguments["ann_dir"], "2.png", label)
    with pytest.raises(
        DataError, match=r"label value 3 \(2 pixels\) in .*ann_dir/2\.png is outside .*0-2 and 255: 0 a, 1 b, 2 c"
    ):
        check_tiles(TileDataset(**arguments), tmp_path / "cache")


def test_ignore_value_is_allowed(write_tiles, tmp_path: Path) -> None:
    arguments = write_tiles()
    overwrite(arguments["ann_dir"], "2.png", np.full((8, 8), 255, np.uint8))
    check_tiles(TileDataset(**arguments), tmp_path / "cache")


def test_size_mismatch_names_both(write_tiles, tmp_path: Path) -> None:
    arguments = write_tiles()
    overwrite(arguments["ann_dir"], "1.png", np.zeros((8, 6), np.uint8))
    with pytest.raises(DataError, match=r"size mismatch, .*img_dir/1\.png is 8x8 px but its label .* is 6x8 px"):
        check_tiles(TileDataset(**arguments), tmp_path / "cache")


@pytest.mark.parametrize("folder", ["img_dir", "ann_dir"])
def test_truncated_file_is_named(write_tiles, tmp_path: Path, folder: str) -> None:
    arguments = write_tiles(size_px=64)
    path = Path(arguments[folder]) / "1.png"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match=rf"cannot read .*{folder}/1\.png"):
        check_tiles(TileDataset(**arguments), tmp_path / "cache")


def test_colour_labels_are_refused(write_tiles, tmp_path: Path) -> None:
    arguments = write_tiles()
    overwrite(arguments["ann_dir"], "0.png", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(DataError, match=r"ann_dir/0\.png has 3 bands"):
        check_tiles(TileDataset(**arguments), tmp_path / "cache")


def test_unlabelled_target_is_checked_without_its_labels(write_tiles, tmp_path: Path) -> None:
    arguments = write_tiles(labels=False)
    overwrite(str(Path(arguments["img_dir"]).parent / "ann_dir"), "0.png", np.full((8, 8), 77, np.uint8))
    check_tiles(TileDataset(**arguments), tmp_path / "cache")
    (Path(arguments["img_dir"]) / "0.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"cannot read .*img_dir/0\.png"):
        check_tiles(TileDataset(**arguments), tmp_path / "cache")


def test_shifted_legends_allow_one_value_more() -> None:
    assert allowed_values(7, reduce_zero_label=True, ignore_index=255) == [0, 1, 2, 3, 4, 5, 6, 7, 255]
    assert allowed_values(2, reduce_zero_label=False, ignore_index=255) == [0, 1, 255]
