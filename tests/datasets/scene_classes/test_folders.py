from __future__ import annotations

import os
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


def test_what_archives_of_macos_add_is_no_image_and_no_class(tmp_path: Path) -> None:
    for name in ("lake/1.png", "lake/._1.png", "road/1.png", "__MACOSX/lake/._1.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert [scene.path for scene in find_scenes(tmp_path)] == ["lake/1.png", "road/1.png"]


def test_folder_without_classes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no folders of classes and no images"):
        find_scenes(tmp_path)
    (tmp_path / "1.png").touch()
    with pytest.raises(DataError, match=r"1\.png has no class: its name has no words"):
        find_scenes(tmp_path)
    with pytest.raises(DataNotFound, match="There is no folder"):
        find_scenes(tmp_path / "none")


def test_class_without_images_and_two_folders_of_one_class(tmp_path: Path) -> None:
    for name in ("forest", "forest/1.png", "beach"):
        (tmp_path / name).mkdir()
    # A folder is no image, whatever its name.
    (tmp_path / "beach" / "1.png").touch()
    with pytest.raises(DataError, match="folder .*forest holds no image"):
        find_scenes(tmp_path)
    (tmp_path / "forest" / "1.png").rmdir()
    (tmp_path / "forest" / "1.png").touch()
    (tmp_path / "Forest_").mkdir()
    (tmp_path / "Forest_" / "1.png").touch()
    with pytest.raises(DataError, match="both mean the class 'forest'"):
        find_scenes(tmp_path)


def test_one_folder_stands_for_that_within_it(tmp_path: Path) -> None:
    for name in ("AID/AID/Airport/1.jpg", "AID/AID/BareLand/1.jpg"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    assert [(scene.path, scene.class_name) for scene in find_scenes(tmp_path)] == [
        ("AID/AID/Airport/1.jpg", "airport"),
        ("AID/AID/BareLand/1.jpg", "bare land"),
    ]


def test_classes_in_names_of_files(tmp_path: Path) -> None:
    (tmp_path / "RSICD_images").mkdir()
    for name in ("airport_1.jpg", "airport_12.jpg", "denseresidential_3.jpg"):
        (tmp_path / "RSICD_images" / name).touch()
    (tmp_path / "dataset_rsicd.json").touch()
    assert [(scene.path, scene.class_name) for scene in find_scenes(tmp_path)] == [
        ("RSICD_images/airport_1.jpg", "airport"),
        ("RSICD_images/airport_12.jpg", "airport"),
        ("RSICD_images/denseresidential_3.jpg", "denseresidential"),
    ]


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """Return a folder as RSICD is given out: lists decide, and not the names of images."""
    (tmp_path / "RSICD_images").mkdir()
    (tmp_path / "txtclasses_rsicd").mkdir()
    for name in ("00001.jpg", "pond_1.jpg", "pond_2.jpg"):
        (tmp_path / "RSICD_images" / name).touch()
    (tmp_path / "txtclasses_rsicd" / "pond.txt").write_bytes(b"\xef\xbb\xbf00001.jpg\r\n\r\n")
    (tmp_path / "txtclasses_rsicd" / "playfields.txt").write_text("pond_1.jpg\n")
    return tmp_path


def test_classes_of_lists(listed: Path) -> None:
    assert [(scene.path, scene.class_name) for scene in find_scenes(listed)] == [
        ("RSICD_images/00001.jpg", "pond"),
        ("RSICD_images/pond_1.jpg", "playfields"),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"pond_2.jpg\npond_1.jpg\n", r"pond\.txt, line 2: pond_1\.jpg stands in .*playfields\.txt, line 1 too"),
        (b"../x.jpg\n", r"pond\.txt, line 1: the image '\.\./x\.jpg' leads out of its folder"),
        (b"/x.jpg\n", "is not relative"),
        (b"\xff.jpg\n", r"pond\.txt cannot be read: .*utf-8"),
        (b"00001.jpg", "is both .*RSICD_images/00001.jpg and .*copy/00001.jpg"),
    ],
)
def test_damaged_lists_of_classes(listed: Path, content: bytes, message: str) -> None:
    (listed / "copy").mkdir()
    (listed / "copy" / "00001.jpg").touch()
    (listed / "txtclasses_rsicd" / "pond.txt").write_bytes(content)
    with pytest.raises(DataError, match=message):
        find_scenes(listed)


def test_list_of_an_image_that_is_missing(listed: Path) -> None:
    (listed / "RSICD_images" / "pond_1.jpg").unlink()
    with pytest.raises(DataNotFound, match=r"playfields\.txt, line 1: there is no image pond_1\.jpg"):
        find_scenes(listed)


def test_name_that_is_no_text(tmp_path: Path) -> None:
    for name in (b"forest/\xff.png", b"beach/1.png"):
        path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
        path.parent.mkdir()
        path.touch()
    with pytest.raises(DataError, match="is no UTF-8"):
        find_scenes(tmp_path)
