from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rs_adapt.datasets.scene_classes.dataset import SceneDataset, turned
from rs_adapt.datasets.scene_classes.folders import find_scenes
from rs_adapt.datasets.scene_classes.split import make_split, write_split
from rs_adapt.datasets.tile_files import list_tiles
from rs_adapt.errors import DataError
from tests.scene_folders import write_rsscn7

CLASSES = ["field", "forest", "grass", "industry", "parking", "resident", "river lake"]


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    root = write_rsscn7(tmp_path, images=6) / "rsscn7"
    write_split(root / "split.json", make_split(find_scenes(root)))
    return {
        "name": "rsscn7/rsscn7/train",
        "img_dir": str(root),
        "split_file": str(root / "split.json"),
        "part": "train",
        "classes": CLASSES,
        "candidates": [0, 0, 0, 0, 1, 1, 1],
        "size_px": 32,
    }


def test_samples(settings: dict[str, Any]) -> None:
    dataset = SceneDataset(**settings)
    assert len(dataset) == 21
    sample = dataset[0]
    assert sample["inputs"].shape == (3, 32, 32)
    facts = sample["data_samples"]
    label = int(facts.gt_sem_seg.data)
    assert facts.gt_sem_seg.data.shape == (1, 1, 1)
    assert facts.group == [0, 0, 0, 0, 1, 1, 1][label]
    # BGR: field is (35, 225, 90).
    own = next(s for s in dataset if int(s["data_samples"].gt_sem_seg.data) == 0)
    assert own["inputs"].float().mean(dim=(1, 2)).round(decimals=-1).tolist() == pytest.approx([90, 220, 40], abs=10)


def test_base_classes_alone(settings: dict[str, Any]) -> None:
    base = SceneDataset(**{**settings, "classes": CLASSES[:4], "candidates": [0] * 4, "other_classes": CLASSES[4:]})
    assert {int(s["data_samples"].gt_sem_seg.data) for s in base} == {0, 1, 2, 3}


def test_files_name_the_class(settings: dict[str, Any]) -> None:
    files = list_tiles({**settings, "img_suffix": "", "ann_dir": None})
    assert len(files) == 21
    assert files[0].name.startswith("field: bField/")


def test_eight_views_differ_and_are_deterministic() -> None:
    image = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
    views = [turned(image, view).tobytes() for view in range(8)]
    assert len(set(views)) == 8
    assert np.array_equal(turned(image, 0), image)


def test_unreadable_image(settings: dict[str, Any]) -> None:
    dataset = SceneDataset(**settings)
    Path(dataset.get_data_info(0)["img_path"]).write_bytes(b"no image")
    with pytest.raises(DataError, match="cannot read"):
        dataset[0]


def test_class_that_the_bench_lacks(settings: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="holds images of the class .* which the bench does not have"):
        SceneDataset(**{**settings, "classes": CLASSES[1:], "candidates": [0] * 6})
