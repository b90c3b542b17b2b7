"""Files that a call writes: none stands in for a different one, or for a file that is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rs_adapt.errors import ConfigError, OutputExists
from rs_adapt.scenes.vrt_parts import list_parts


def check_outputs(files: Mapping[Path, Sequence[Path]], *, read: Iterable[Path]) -> None:
    """Refuse files of maps that would replace each other, such as `a_confidence.tif` of the scenes a and a_confidence.

    Args:
        files: The files of the map of each scene.
        read: Other files that are read, such as labels.

    Raises:
        ConfigError: Maps of two scenes have a file in common.
        OutputExists: A file is one that is read; `overwrite` does not allow that.
    """
    inputs = {_key(part) for scene in files for part in _parts(scene)} | {_key(file) for file in read}
    taken: dict[str, Path] = {}
    for scene, paths in files.items():
        for path in paths:
            if _key(path) in inputs:
                raise OutputExists(
                    f"{path} is read, so it cannot be written. Choose a different place with --out; --overwrite "
                    "replaces maps alone."
                )
            # Some file systems do not tell small letters from large ones.
            other = taken.setdefault(_key(path).lower(), scene)
            if other != scene:
                raise ConfigError(
                    f"Maps of {other} and {scene} would both write {path}. Predict them into different folders."
                )


def _parts(scene: Path) -> list[Path]:
    return [scene, *(list_parts(scene) if scene.suffix.lower() == ".vrt" else [])]


def _key(path: Path) -> str:
    return str(path.resolve())
