"""Lists of a split: which image of which class is for training, validation or test. Loads no torch.

The file is JSON with the lists `train`, `val` and `test` of `[path, label, class name]`, as the code of CoOp (arXiv
2109.01134) and the papers after it write it; labels are numbers by the classes' order, and the name decides.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rs_adapt.documents import read_json
from rs_adapt.errors import DataError, DataNotFound
from rs_adapt.files import write_text
from rs_adapt.path_names import relative_fault

PARTS = ("train", "val", "test")
# Shares of training and validation of each class; the rest is for the test (the protocol of DCPL and QNet).
SHARES = (0.5, 0.2)
SPLIT_FILE = "split_rs_adapt.json"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """An image and its class; `path` is relative to the folder of the images."""

    path: str
    class_name: str


Split = Mapping[str, tuple[Scene, ...]]


def make_split(scenes: Iterable[Scene], *, seed: int = 0) -> dict[str, tuple[Scene, ...]]:
    """Divide the images of each class: 50 % training, 20 % validation, 30 % test, rounded, at least one for training.

    A function of the class names, the file names and the seed alone: images are ordered by a hash of the three, so that
    neither the order of a folder nor a copy of the data changes the split.

    Args:
        scenes: All images.
        seed: Seed of the split.
    """
    by_class: dict[str, list[Scene]] = {}
    for scene in scenes:
        by_class.setdefault(scene.class_name, []).append(scene)
    parts: dict[str, list[Scene]] = {part: [] for part in PARTS}
    for name in sorted(by_class):
        order = sorted(by_class[name], key=lambda scene: _rank(seed, scene))
        first = max(1, round(SHARES[0] * len(order)))
        second = first + round(SHARES[1] * len(order))
        for part, members in zip(PARTS, (order[:first], order[first:second], order[second:]), strict=True):
            parts[part] += sorted(members, key=lambda scene: scene.path)
    return {part: tuple(members) for part, members in parts.items()}


def draw_shots(scenes: Sequence[Scene], shots: int, *, seed: int, name: str) -> tuple[Scene, ...]:
    """Return `shots` images of each class; with a seed, more shots contain those of fewer.

    Args:
        scenes: The images of a part.
        shots: Images a class, 1 or more.
        seed: Seed of the draw.
        name: Name of the set, for messages.

    Raises:
        DataError: A class has fewer images.
    """
    by_class: dict[str, list[Scene]] = {}
    for scene in scenes:
        by_class.setdefault(scene.class_name, []).append(scene)
    few = {of_class: len(members) for of_class, members in by_class.items() if len(members) < shots}
    if few:
        of_class, number = min(few.items(), key=lambda item: (item[1], item[0]))
        raise DataError(
            f"{name}: class {of_class!r} has {number} image{'s' * (number != 1)}, but {shots} shots are asked for. "
            f"Lower them (--set bench.shots={number}), or add images."
        )
    drawn = []
    for of_class in sorted(by_class):
        order = sorted(by_class[of_class], key=lambda scene: _rank(seed, scene))
        drawn += sorted(order[:shots], key=lambda scene: scene.path)
    return tuple(drawn)


def _rank(seed: int, scene: Scene) -> str:
    file = scene.path.rpartition("/")[2]
    return hashlib.sha256(f"{seed}/{scene.class_name}/{file}".encode()).hexdigest()


def split_text(split: Split) -> str:
    """Return the text of a split's file, which its published hash is over."""
    names = sorted({scene.class_name for scenes in split.values() for scene in scenes})
    numbers = {name: number for number, name in enumerate(names)}
    content = {part: [[s.path, numbers[s.class_name], s.class_name] for s in split.get(part, ())] for part in PARTS}
    return json.dumps(content, indent=0) + "\n"


def write_split(path: Path, split: Split) -> str:
    """Write a split's file, and beside it its SHA-256 in the format of `sha256sum`; return the hash."""
    text = split_text(split)
    digest = hashlib.sha256(text.encode()).hexdigest()
    write_text(path, text)
    write_text(path.with_suffix(".sha256"), f"{digest}  {path.name}\n")
    return digest


def read_split(path: Path, *, how_to_get: str = "") -> dict[str, tuple[Scene, ...]]:
    """Read the file of a split.

    Args:
        path: The file.
        how_to_get: A sentence for the message about a missing file.

    Raises:
        DataNotFound: There is no such file.
        DataError: It is no list of a split, an image stands in it twice, or a path leads out of the folder.
    """
    try:
        state = path.stat()
    except FileNotFoundError as error:
        raise DataNotFound(f"There is no list of a split {path}. {how_to_get}".strip()) from error
    return dict(_read(path, state.st_mtime_ns, state.st_size))


@functools.lru_cache(maxsize=32)
def _read(path: Path, _mtime_ns: int, _size: int) -> Split:
    content = read_json(path, error=DataError, remedy="Make the split again, or copy the released file again.")
    if not isinstance(content, dict) or not isinstance(content.get("train"), list):
        raise DataError(f"{path} is no split: it needs the lists train, val and test of [path, label, class name].")
    parts: dict[str, tuple[Scene, ...]] = {}
    home: dict[str, str] = {}
    for part in PARTS:
        rows = content.get(part, [])
        parts[part] = tuple(_scene(path, part, row) for row in (rows if isinstance(rows, list) else [rows]))
        for scene in parts[part]:
            if scene.path not in home:
                home[scene.path] = part
            elif home[scene.path] == part:
                raise DataError(
                    f"{path}: {scene.path} stands twice in {part}. Leave it there once: it would count twice."
                )
            else:
                raise DataError(
                    f"{path}: {scene.path} is in {home[scene.path]} and in {part}. Leave it in one of them: an image "
                    "must not be trained on and scored."
                )
    return parts


def _scene(path: Path, part: str, row: object) -> Scene:
    if not (isinstance(row, list) and len(row) == 3 and isinstance(row[0], str) and isinstance(row[2], str)):
        raise DataError(f"{path}: an entry of {part} is {str(row)[:80]}; it must be [path, label, class name].")
    if fault := relative_fault(row[0]):
        raise DataError(f"{path}: the path {row[0]!r} of {part} {fault}. Paths are relative to the folder of images.")
    return Scene(path=row[0], class_name=row[2])
