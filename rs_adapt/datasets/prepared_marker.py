"""The marker of a folder of prepared tiles: what they depend on, their number, and hashes of their records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from rs_adapt.datasets.prepared_copies import MARKER, holds_all_tiles
from rs_adapt.disk import explain_tiles_disk
from rs_adapt.documents import read_json
from rs_adapt.errors import ConfigError, DataError, UnreadableFile
from rs_adapt.files import atomic_folder, file_sha256, write_json
from rs_adapt.locks import exclusive_folder

# What helps against a damaged record.
REMAKE = "Remove the folder (rs-adapt data clean), and the next run makes its tiles again."


def write_marker(folder: Path, facts: object, tiles: Mapping[str, int]) -> None:
    """Mark a folder as finished.

    Args:
        folder: The folder, with its tiles and records.
        facts: All that the tiles depend on, as JSON holds it.
        tiles: Number of tiles by `<region>/<split>`.
    """
    write_json(folder / MARKER, {"facts": facts, "tiles": tiles, "records": _hash_records(folder)}, indent=1)


def make_once(out_dir: Path, *, is_there: Callable[[], bool], make: Callable[[Path], None], what: str) -> None:
    """Make a prepared folder in a temporary sibling, which appears at once and complete, unless it is there.

    Several processes may call this at the same time: one makes the folder, the others wait for it.

    Args:
        out_dir: The folder.
        is_there: Whether it holds what would be made.
        make: Fills an empty folder, and marks it as finished.
        what: What it holds, for the message: "tiles", "images".

    Raises:
        ConfigError: The folder holds something else, or cannot be written to.
    """
    if is_there():
        return
    if out_dir.is_dir() and any(out_dir.iterdir()) and not (out_dir / MARKER).is_file():
        # It was not made here, and making it would delete what it holds.
        raise ConfigError(f"{out_dir} is not empty and holds no prepared {what}. Move it away, or set RS_ADAPT_HOME.")
    with explain_tiles_disk(out_dir):
        out_dir.parent.mkdir(parents=True, exist_ok=True)
        with exclusive_folder(out_dir):
            if is_there():
                return
            with atomic_folder(out_dir) as building:
                make(building)


def is_finished(out_dir: Path, facts: object) -> bool:
    """Return whether a folder holds the tiles that facts lead to: all of them, and their records undamaged."""
    try:
        marker = read_json(out_dir / MARKER)
    except (FileNotFoundError, UnreadableFile):
        return False
    if not isinstance(marker, dict) or marker.get("facts") != facts:
        return False
    # Version 0.1.0 stored no hashes.
    same_records = "records" not in marker or marker["records"] == _hash_records(out_dir)
    return same_records and holds_all_tiles(out_dir, marker.get("tiles"))


def is_finished_without_scenes(out_dir: Path, facts: object) -> bool:
    """Return whether tiles are there that fit all but the state of the scenes, which are no longer there."""
    try:
        marker = read_json(out_dir / MARKER)
    except (FileNotFoundError, UnreadableFile):
        return False
    if not isinstance(marker, dict) or not isinstance(marker.get("facts"), dict) or not isinstance(facts, dict):
        return False
    return is_finished(out_dir, facts | {"raw": marker["facts"].get("raw")})


def read_own_record(path: Path) -> object:
    """Return the content of a JSON file beside prepared tiles.

    Raises:
        DataError: It is missing or damaged.
    """
    try:
        return read_json(path, error=DataError, remedy=REMAKE)
    except FileNotFoundError as error:
        raise DataError(f"{path} cannot be read: it is missing. {REMAKE}") from error


def _hash_records(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of the JSON files beside the tiles, by path: where one is damaged, all are made again."""
    # In the folder and in each `<region>/<split>`; not below, where the tiles are.
    files = sorted(path for pattern in ("*.json", "*/*/*.json") for path in folder.glob(pattern) if path.is_file())
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in files if path.name != MARKER}
