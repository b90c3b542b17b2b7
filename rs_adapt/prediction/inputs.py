"""The scenes that a command line names: files, folders, patterns and lists."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

from rs_adapt.errors import ConfigError, DataNotFound

# Endings of files that are taken from a folder; a file that is named is read whatever it is called.
SCENE_SUFFIXES = frozenset({".tif", ".tiff", ".vrt", ".jp2", ".png", ".jpg", ".jpeg", ".img"})


def find_scenes(inputs: Sequence[str]) -> list[Path]:
    """Return the scenes of a command line, each once, in the order in which they are named.

    Args:
        inputs: Files, folders (their rasters, not those in subfolders), patterns such as `scenes/*.tif`, and text files
            (.txt) with one path a line, relative to the list's folder.

    Raises:
        DataNotFound: There is no such file, or a folder, pattern or list holds no scene.
    """
    scenes: dict[Path, None] = {}
    for text in inputs:
        for path in _expand(text):
            scenes.setdefault(path, None)
    return list(scenes)


def output_files(scenes: Sequence[Path], out: Path) -> dict[Path, Path]:
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
        return {scenes[0]: out}
    maps: dict[Path, Path] = {}
    taken: dict[str, Path] = {}
    for scene in scenes:
        other = taken.setdefault(scene.stem, scene)
        if other != scene:
            raise ConfigError(
                f"{other} and {scene} would both become {out / scene.stem}.tif. Predict them into different folders."
            )
        maps[scene] = out / f"{scene.stem}.tif"
    return maps


def _expand(text: str) -> list[Path]:
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
    lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    paths = [file.parent / Path(line).expanduser() for line in lines if line and not line.startswith("#")]
    for path in paths:
        if not path.is_file():
            raise DataNotFound(f"{file} names {path}, which does not exist. Paths are relative to the list's folder.")
    return _require(paths, f"The list {file} names no scene. Write one path a line.")


def _require(scenes: list[Path], message: str) -> list[Path]:
    if not scenes:
        raise DataNotFound(message)
    return scenes


def _is_visible(file: Path) -> bool:
    return file.is_file() and not file.name.startswith(".")
