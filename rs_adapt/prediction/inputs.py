"""The scenes that a command line names: files, folders, patterns, lists and STAC items."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from rs_adapt.documents import read_bytes
from rs_adapt.errors import ConfigError, DataError, DataNotFound
from rs_adapt.prediction.stac import find_asset
from rs_adapt.scenes.vrt_parts import check_parts_below

# Endings of files that are taken from a folder; a file that is named is read whatever it is called.
SCENE_SUFFIXES = frozenset({".tif", ".tiff", ".vrt", ".jp2", ".png", ".jpg", ".jpeg", ".img"})
_PARTS_REMEDY = "outside of its folder. If that is meant, allow the part's folder with --parts {folder}."


class NamedScene(NamedTuple):
    """A scene of a command line.

    Attributes:
        path: The file.
        name: Name of its map, without ending: that of the file, or of the STAC item.
    """

    path: Path
    name: str


def find_scenes(inputs: Sequence[str], *, asset: str | None = None, parts: Sequence[Path] = ()) -> list[NamedScene]:
    """Return the scenes of a command line, each once, in the order in which they are named.

    Args:
        inputs: Files, folders (their rasters, not those in subfolders), patterns such as `scenes/*.tif`, text files
            (.txt) with one path a line, relative to the list's folder, and STAC items (.json).
        asset: Key of the asset of STAC items; None for the one with the role `data` or `visual`.
        parts: Folders in which parts of VRTs and files of STAC items may lie, besides the folder of each.

    Raises:
        DataNotFound: There is no such file, or a folder, pattern or list holds no scene.
        DataError: A list, a VRT or a STAC item cannot be read, or names files that are not allowed.
        ConfigError: Nothing is named, or `asset` is given without an item.
    """
    if not inputs:
        raise ConfigError("No scene is named. Name files, folders, patterns, or a .txt with one path a line.")
    scenes: dict[str, NamedScene] = {}
    num_items = 0
    for file in (file for text in inputs for file in _expand(text)):
        scene = NamedScene(file, file.stem)
        if file.suffix.lower() == ".json":
            num_items += 1
            scene = NamedScene(find_asset(file, asset=asset, folders=parts), file.stem)
        if scene.path.suffix.lower() == ".vrt":
            check_parts_below(scene.path, parts, remedy=_PARTS_REMEDY)
        scenes.setdefault(os.path.abspath(scene.path), scene)
    if asset is not None and not num_items:
        raise ConfigError(f"--asset is {asset}, but no scene is a STAC item (.json).")
    return list(scenes.values())


def output_files(scenes: Sequence[NamedScene], out: Path) -> dict[Path, Path]:
    """Return the map of each scene.

    Args:
        scenes: The scenes.
        out: The file of the map, with the ending .tif, if there is one scene; else a folder, in which each map has the
            name of its scene.

    Raises:
        ConfigError: Several scenes and one file, or two scenes with equal names.
    """
    is_file = out.suffix.lower() in (".tif", ".tiff") and not out.is_dir()
    if is_file and len(scenes) > 1:
        raise ConfigError(f"--out {out} is a file, and there are {len(scenes)} scenes. Name a folder.")
    if is_file:
        return {scenes[0].path: out}
    maps: dict[Path, Path] = {}
    # Some file systems do not tell small letters from large ones.
    taken: dict[str, Path] = {}
    for path, name in scenes:
        other = taken.setdefault(name.lower(), path)
        if other != path:
            raise ConfigError(
                f"{other} and {path} would both become {out / name}.tif. Predict them into different folders."
            )
        maps[path] = out / f"{name}.tif"
    return maps


def _expand(text: str) -> list[Path]:
    if not text.strip():
        raise DataNotFound("The name of a scene is empty. Name a file, a folder, a pattern, or a .txt.")
    path = Path(text).expanduser()
    if path.is_dir():
        return _require(
            sorted(file for file in path.iterdir() if file.suffix.lower() in SCENE_SUFFIXES and _is_visible(file)),
            f"The folder {path} holds no scene. Read are files ending in {', '.join(sorted(SCENE_SUFFIXES))}.",
        )
    if path.is_file():
        return _from_list(path) if path.suffix.lower() == ".txt" else [path]
    if any(sign in text for sign in "*?["):
        files = sorted(file for name in glob.glob(str(path), recursive=True) if (file := Path(name)).is_file())
        return _require(files, f"No file fits the pattern {text}. Check the path; quote the pattern.")
    raise DataNotFound(f"There is no scene {path}. Name a file, a folder, a pattern, or a .txt with one path a line.")


def _from_list(file: Path) -> list[Path]:
    paths = [file.parent / Path(line).expanduser() for line in _lines(file)]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        more = f", and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise DataNotFound(
            f"{file} names {missing[0]}, which does not exist{more}. Paths are relative to the list's folder."
        )
    return _require(paths, f"The list {file} names no scene. Write one path a line.")


def _lines(file: Path) -> Iterator[str]:
    try:
        text = read_bytes(file).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"The list {file} cannot be read ({error}). Write one path a line, in UTF-8.") from error
    for line in map(str.strip, text.splitlines()):
        if line and not line.startswith("#"):
            yield line


def _require(scenes: list[Path], message: str) -> list[Path]:
    if not scenes:
        raise DataNotFound(message)
    return scenes


def _is_visible(file: Path) -> bool:
    return file.is_file() and not file.name.startswith(".")
