"""Images with one class each, as AID, RESISC45, UCM, RSICD and others are given out. Loads no torch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from rs_adapt import limits
from rs_adapt.datasets.scene_classes.split import Scene
from rs_adapt.documents import read_bytes
from rs_adapt.errors import DataError, DataNotFound
from rs_adapt.path_names import relative_fault

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp")
# Hidden, or what archives of macOS hold beside the files.
_NOT_DATA = (".", "__MACOSX")
# The folder of RSICD's lists, one a class: a file name a line.
LISTS = "txtclasses_*"


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
    """Return the images of a data set with their classes, in the order of their paths.

    The class of an image is that of the list which names it (`txtclasses_rsicd/CLASS.txt`, images anywhere below the
    folder; images in no list are left out); without lists that of its folder; in a folder without folders the words
    before the number of its name (`airport_12.jpg`). A folder that holds one folder alone stands for that one.

    Args:
        root: The folder of the data set.
        how_to_get: A sentence for the message about missing data.

    Raises:
        DataNotFound: There is no such folder, or no image that a list names.
        DataError: A list is damaged or names an image of a different list, a folder holds no image, a name has no word
            for a class, or two folders have one name for prompts.
    """
    if not root.is_dir():
        raise DataNotFound(f"There is no folder {root}. {how_to_get}".strip())
    if lists := sorted(path for path in root.glob(f"{LISTS}/*.txt") if path.is_file()):
        return _of_lists(root, lists)
    place = root
    while len(folders := _folders(place)) == 1 and not _images(place.iterdir()) and _folders(folders[0]):
        place = folders[0]
    if len(folders) == 1 and not _images(place.iterdir()):
        place, folders = folders[0], []
    if not folders:
        return _of_names(root, place, how_to_get)
    return _of_folders(root, folders)


def _folders(place: Path) -> list[Path]:
    return sorted(path for path in place.iterdir() if path.is_dir() and not path.name.startswith(_NOT_DATA))


def _images(paths: Iterable[Path]) -> list[Path]:
    return sorted(
        path
        for path in paths
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(_NOT_DATA) and path.is_file()
    )


def _scene(root: Path, path: Path, name: str) -> Scene:
    relative = path.relative_to(root).as_posix()
    try:
        f"{relative}{name}".encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"The name of {str(path)!r} is no UTF-8, which a list of a split cannot hold. Rename it."
        ) from error
    return Scene(path=relative, class_name=name)


def _of_folders(root: Path, folders: Sequence[Path]) -> tuple[Scene, ...]:
    scenes: list[Scene] = []
    seen: dict[str, str] = {}
    for folder in folders:
        name = class_text(folder.name)
        if not name:
            raise DataError(f"The name of the folder {folder} has no word for its class. Rename it.")
        if name in seen:
            raise DataError(f"{root}: the folders {seen[name]} and {folder.name} both mean the class {name!r}.")
        seen[name] = folder.name
        files = _images(folder.rglob("*"))
        if not files:
            raise DataError(
                f"The folder {folder} holds no image ({', '.join(SUFFIXES)}). Add images of the class, or remove the "
                "folder."
            )
        scenes += [_scene(root, path, name) for path in files]
    return tuple(scenes)


def _of_names(root: Path, place: Path, how_to_get: str) -> tuple[Scene, ...]:
    files = _images(place.iterdir())
    if not files:
        raise DataError(
            f"{place} holds no folders of classes and no images. It needs one folder for each class, named after it, "
            f"with the images of the class inside, such as {root / 'farmland'}/001.jpg. {how_to_get}".strip()
        )
    scenes = []
    for path in files:
        name = class_text(re.sub(r"[ _-]*\d+$", "", path.stem))
        if not name:
            raise DataError(
                f"The image {path} has no class: its name has no words before the number (airport_12.jpg), it is in no "
                f"folder of a class, and {root} holds no lists of classes ({LISTS}/CLASS.txt, file names line by line)."
            )
        scenes.append(_scene(root, path, name))
    return tuple(scenes)


def _of_lists(root: Path, lists: Sequence[Path]) -> tuple[Scene, ...]:
    places: dict[str, list[Path]] = {}
    for path in _images(root.rglob("*")):
        places.setdefault(path.name, []).append(path)
    found: dict[Path, Scene] = {}
    origin: dict[str, str] = {}
    for file in lists:
        name = class_text(file.stem)
        if not name:
            raise DataError(f"The name of the list {file} has no word for its class. Rename it.")
        for number, line in enumerate(_read_lines(file), start=1):
            if not (image := line.strip()):
                continue
            where = f"{file}, line {number}"
            if fault := relative_fault(image):
                raise DataError(f"{where}: the image {image[:200]!r} {fault}. A list holds names of files.")
            if image in origin:
                raise DataError(f"{where}: {image[:200]} stands in {origin[image]} too. Leave it in one of them.")
            origin[image] = where
            paths = places.get(image, [])
            if not paths:
                raise DataNotFound(f"{where}: there is no image {image[:200]} below {root}. Unpack the images there.")
            if len(paths) > 1:
                raise DataError(f"{where}: {image[:200]} is both {paths[0]} and {paths[1]}. Remove one of them.")
            found[paths[0]] = _scene(root, paths[0], name)
    return tuple(found[path] for path in sorted(found))


def _read_lines(file: Path) -> list[str]:
    try:
        return read_bytes(file, most=limits.RECORD_BYTES).decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as failure:
        raise DataError(
            f"{file} cannot be read: {failure}. It must be a text in UTF-8, a file name a line."
        ) from failure
