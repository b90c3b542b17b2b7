"""Folders with the images of one class each, as AID, RESISC45, UCM and others are given out. Loads no torch."""

from __future__ import annotations

import re
from pathlib import Path

from rs_adapt.datasets.scene_classes.split import Scene
from rs_adapt.errors import DataError, DataNotFound

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp")


def class_text(folder: str) -> str:
    """Return the words of a folder's name: `BareLand`, `bare_land` and `1bare-land` are all `bare land`.

    Examples:
        >>> class_text("DenseResidential"), class_text("baseball_diamond"), class_text("aGrass")
        ('dense residential', 'baseball diamond', 'grass')
    """
    # RSSCN7 numbers its folders by letters: aGrass, bField.
    name = re.sub(r"^(?:\d+[ _-]*|[a-g](?=[A-Z]))", "", folder)
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return " ".join(re.split(r"[ _\-]+", name)).strip().lower()


def find_scenes(root: Path, *, how_to_get: str = "") -> tuple[Scene, ...]:
    """Return the images below a folder that holds one folder for each class, in the order of their paths.

    Args:
        root: The folder of the data set.
        how_to_get: A sentence for the message about missing data.

    Raises:
        DataNotFound: There is no such folder.
        DataError: It holds no folder of a class, a folder holds no image, or two folders have one name for prompts.
    """
    if not root.is_dir():
        raise DataNotFound(f"There is no folder {root}. {how_to_get}".strip())
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not folders:
        raise DataError(
            f"{root} holds no folders of classes. It needs one folder for each class, named after it, with the images "
            f"of the class inside, such as {root / 'farmland'}/001.jpg. {how_to_get}".strip()
        )
    scenes: list[Scene] = []
    seen: dict[str, str] = {}
    for folder in folders:
        name = class_text(folder.name)
        if not name:
            raise DataError(f"The name of the folder {folder} has no word for its class. Rename it.")
        if name in seen:
            raise DataError(f"{root}: the folders {seen[name]} and {folder.name} both mean the class {name!r}.")
        seen[name] = folder.name
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        if not files:
            raise DataError(
                f"The folder {folder} holds no image ({', '.join(SUFFIXES)}). Add images of the class, or remove the "
                "folder."
            )
        scenes += [Scene(path=path.relative_to(root).as_posix(), class_name=name) for path in files]
    return tuple(scenes)
