"""Folders of tiles: what pairs up is read, what does not is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rs_adapt.datasets import TileDataset
from rs_adapt.datasets.spreading import evenly_spread
from rs_adapt.datasets.stream import seeded
from rs_adapt.errors import DataError, DataNotFound


def test_reads_image_and_label(write_tiles) -> None:
    dataset = TileDataset(**write_tiles())
    sample = dataset[2]
    assert sample["inputs"].shape == (3, 8, 8)
    assert sample["inputs"].unique().tolist() == [20]
    assert sample["data_samples"].gt_sem_seg.data.unique().tolist() == [2]


def test_unlabelled_set_needs_no_label_folder(write_tiles) -> None:
    arguments = write_tiles(labels=False)
    shutil.rmtree(Path(arguments["img_dir"]).parent / "ann_dir")
    dataset = TileDataset(**arguments)
    assert len(dataset) == 4
    assert "gt_sem_seg" not in dataset[0]["data_samples"]


def test_masks_of_unlabelled_tiles_are_turned_and_cut_with_the_image(write_tiles) -> None:
    arguments = write_tiles(labels=False, size_px=16)
    folder = Path(arguments["img_dir"])
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:9, :5] = 200
    Image.fromarray(pixels).save(folder / "1.png")
    (folder.parent / "valid_dir").mkdir()
    Image.fromarray((pixels[..., 0] > 0).astype(np.uint8)).save(folder.parent / "valid_dir" / "1.png")
    load, pack = arguments["pipeline"][0], arguments["pipeline"][-1]
    turned = [
        {"type": "RandomResize", "scale": (16, 16), "ratio_range": (2.0, 2.0), "keep_ratio": True},
        {"type": "mmseg.RandomCrop", "crop_size": (12, 12), "cat_max_ratio": 1.0},
        {"type": "RandomFlip", "prob": 1.0},
    ]
    for seed in range(8):
        with seeded(seed):
            sample = TileDataset(**{**arguments, "pipeline": [load, *turned, pack]})[1]
        image_HW, valid_HW = sample["inputs"][0].numpy(), sample["data_samples"].valid.data[0].numpy()
        assert valid_HW.shape == image_HW.shape == (12, 12)
        # Bilinear colours and nearest masks differ by less than a pixel at the edge.
        assert not (valid_HW & (image_HW == 0)).any()
        assert valid_HW[image_HW == 200].all()
        assert "gt_sem_seg" not in sample["data_samples"]
    assert "valid" not in TileDataset(**arguments)[0]["data_samples"]


def test_names_the_missing_folder_and_how_to_get_it(write_tiles) -> None:
    arguments = write_tiles()
    shutil.rmtree(arguments["ann_dir"])
    with pytest.raises(DataNotFound, match=r"folder of labels .*ann_dir does not exist\. Bring it like this\."):
        TileDataset(**arguments)


def test_empty_folder_is_missing_data(write_tiles) -> None:
    with pytest.raises(DataNotFound, match=r"img_dir holds no \*\.png images"):
        TileDataset(**write_tiles(count=0))


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("ann_dir", r"1 image\(s\) without label, first .*ann_dir/1\.png is missing"),
        ("img_dir", r"1 label\(s\) without image"),
    ],
)
def test_unpaired_files_are_named(write_tiles, folder: str, message: str) -> None:
    arguments = write_tiles()
    (Path(arguments[folder]) / "1.png").unlink()
    with pytest.raises(DataError, match=message):
        TileDataset(**arguments)


def test_truncated_image_is_named_when_read(write_tiles) -> None:
    arguments = write_tiles(size_px=64)
    path = Path(arguments["img_dir"]) / "3.png"
    path.write_bytes(path.read_bytes()[:-40])
    dataset = TileDataset(**arguments)
    with pytest.raises(DataError, match=r"cannot read .*img_dir/3\.png"):
        dataset[3]


def test_positions_are_spread_over_the_split() -> None:
    assert evenly_spread(10, 2) == [2, 7]
    assert evenly_spread(3, 8) == [0, 1, 2]
    assert evenly_spread(5, 0) == []


def test_spread_selects_evenly_spaced_tiles(write_tiles) -> None:
    some = TileDataset(**write_tiles(count=7), spread=3)
    names = [Path(some.get_data_info(index)["img_path"]).stem for index in range(len(some))]
    assert names == ["1", "3", "5"]
    assert len(TileDataset(**write_tiles(count=7), spread=9)) == 7
