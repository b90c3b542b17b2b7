from __future__ import annotations

from pathlib import Path

import pytest

from rs_adapt.datasets.scene_classes.folders import class_text, find_scenes
from rs_adapt.errors import DataError, DataNotFound
from tests.scene_folders import write_rsscn7


@pytest.mark.parametrize(
    ("folder", "text"),
    [
        ("BareLand", "bare land"),
        ("baseball_diamond", "baseball diamond"),
        ("dRiverLake", "river lake"),
        ("airport", "airport"),
        ("1 sparse-residential", "sparse residential"),
    ],
)
def test_class_text(folder: str, text: str) -> None:
    assert class_text(folder) == text


def test_folders_become_classes(tmp_path: Path) -> None:
    found = find_scenes(write_rsscn7(tmp_path, images=2) / "rsscn7")
    assert len(found) == 14
    assert {scene.class_name for scene in found} == {
        *("grass", "field", "industry", "river lake", "forest", "resident", "parking")
    }


def test_folder_without_classes(tmp_path: Path) -> None:
    (tmp_path / "1.png").touch()
    with pytest.raises(DataError, match="holds no folders of classes"):
        find_scenes(tmp_path)
    with pytest.raises(DataNotFound, match="There is no folder"):
        find_scenes(tmp_path / "none")


def test_class_without_images_and_two_folders_of_one_class(tmp_path: Path) -> None:
    (tmp_path / "forest").mkdir()
    with pytest.raises(DataError, match="holds no image"):
        find_scenes(tmp_path)
    (tmp_path / "forest" / "1.png").touch()
    (tmp_path / "Forest_").mkdir()
    (tmp_path / "Forest_" / "1.png").touch()
    with pytest.raises(DataError, match="both mean the class 'forest'"):
        find_scenes(tmp_path)
