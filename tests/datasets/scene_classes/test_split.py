from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from rs_adapt.datasets.scene_classes.split import Scene, draw_shots, make_split, read_split, write_split
from rs_adapt.errors import DataError, DataNotFound


def scenes(classes: int = 2, images: int = 20) -> list[Scene]:
    return [Scene(path=f"c{k}/{i:02d}.png", class_name=f"class {k}") for k in range(classes) for i in range(images)]


def test_split_has_published_shares_and_no_image_twice() -> None:
    split = make_split(scenes())
    assert {part: len(rows) for part, rows in split.items()} == {"train": 20, "val": 8, "test": 12}
    paths = [scene.path for rows in split.values() for scene in rows]
    assert len(set(paths)) == len(paths) == 40


def test_split_depends_on_names_and_seed_alone() -> None:
    assert make_split(scenes()) == make_split(scenes()[::-1])
    assert make_split(scenes(), seed=1) != make_split(scenes())


def test_published_hash_of_a_split(tmp_path: Path) -> None:
    digest = write_split(tmp_path / "split.json", make_split(scenes()))
    # Changes with the rule of the split: runs on older splits are then no longer comparable.
    assert digest == hashlib.sha256((tmp_path / "split.json").read_bytes()).hexdigest()
    assert (tmp_path / "split.sha256").read_text() == f"{digest}  split.json\n"
    assert digest == "f2c1a4e60a76aabe46a4c2bf76c5a1f1b8423ed34ee8ec7041edda1843b31d53"
    assert read_split(tmp_path / "split.json") == make_split(scenes())


def test_shots_are_nested_and_drawn_by_seed() -> None:
    two, four = (draw_shots(scenes(), shots, seed=3, name="x") for shots in (2, 4))
    assert set(two) < set(four)
    assert {name: sum(s.class_name == name for s in four) for name in ("class 0", "class 1")} == {
        "class 0": 4,
        "class 1": 4,
    }
    assert draw_shots(scenes(), 2, seed=4, name="x") != two


def test_too_few_images_for_the_shots() -> None:
    with pytest.raises(DataError, match=r"class 'class 0' has 3 images, but 4 shots.*bench.shots=3"):
        draw_shots(scenes(images=3), 4, seed=0, name="x")


def test_released_list_of_coop_is_read(tmp_path: Path) -> None:
    file = tmp_path / "split_zhou_X.json"
    file.write_text(json.dumps({"train": [["a/1.jpg", 0, "swimmig pool"]], "val": [], "test": [["a/2.jpg", 0, "b"]]}))
    assert read_split(file)["train"] == (Scene(path="a/1.jpg", class_name="swimmig pool"),)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"train": [["a.jpg", 0]]}', "must be"),
        ('{"train": [["../a.jpg", 0, "x"]]}', "Paths are relative"),
        ('{"train": [["a.jpg", 0, "x"]], "test": [["a.jpg", 0, "x"]]}', "is in train and in test"),
        ("[]", "is no split"),
    ],
)
def test_damaged_lists(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "s.json").write_text(content)
    with pytest.raises(DataError, match=message):
        read_split(tmp_path / "s.json")


def test_missing_list(tmp_path: Path) -> None:
    with pytest.raises(DataNotFound, match="no list of a split"):
        read_split(tmp_path / "s.json")
