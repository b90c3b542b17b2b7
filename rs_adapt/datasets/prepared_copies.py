"""Prepared tiles in the cache folder: which there are, and how they are removed."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rs_adapt.config import paths
from rs_adapt.config.names import unknown_name_message
from rs_adapt.documents import read_json
from rs_adapt.errors import UnknownName, UnreadableFile
from rs_adapt.files import remove_folder
from rs_adapt.locks import exclusive_if_free

MARKER = "prepared.json"
# The bench, and the first digits of the hash over what its tiles depend on.
_FOLDER = re.compile(r"(.+)-[0-9a-f]{8}")


@dataclass(frozen=True, kw_only=True)
class PreparedCopy:
    """A folder of prepared tiles.

    Attributes:
        folder: The folder.
        bench: Name of the bench, or of the family of benches that share the tiles.
        kind: `scenes` of your own, `images` of a data set, or `synthetic` ones.
        made: When it was made.
        tiles: Number of tiles.
        size_bytes: Size of its files.
    """

    folder: Path
    bench: str
    kind: str
    made: datetime
    tiles: int
    size_bytes: int

    def age_days(self, now: datetime) -> float:
        """Return the days since it was made."""
        return (now - self.made).total_seconds() / 86_400


def find_prepared(names: Sequence[str] = (), *, older_than_days: float = 0) -> list[PreparedCopy]:
    """Return the folders of prepared tiles below `RS_ADAPT_HOME`, by name.

    Only folders that hold the record of their preparation count; anything else is left alone.

    Args:
        names: Benches; none means all.
        older_than_days: Only those made that many days ago or earlier.

    Raises:
        UnknownName: There are no tiles of a bench.
    """
    home = paths.home() / "prepared"
    copies = [copy for folder in sorted(home.glob("*")) if (copy := _read(folder)) is not None]
    benches = tuple(dict.fromkeys(copy.bench for copy in copies))
    for name in names:
        if name not in benches:
            raise UnknownName(unknown_name_message("prepared bench", name, benches))
    now = datetime.now(UTC)
    return [copy for copy in copies if (not names or copy.bench in names) and copy.age_days(now) >= older_than_days]


def find_damaged() -> list[Path]:
    """Return the folders of prepared tiles whose record cannot be read; benches make their tiles again."""
    return [
        folder
        for folder in sorted((paths.home() / "prepared").glob("*"))
        if _FOLDER.fullmatch(folder.name) and not folder.is_symlink()
        if (folder / MARKER).exists() and _read_facts(folder) is None
    ]


def remove_prepared(copies: Sequence[PreparedCopy]) -> list[PreparedCopy]:
    """Remove folders of prepared tiles, and return those that are left because a process is making them again."""
    left = []
    for copy in copies:
        with exclusive_if_free(copy.folder.with_name(f".{copy.folder.name}.lock")) as lock:
            if lock is None:
                left.append(copy)
            elif copy.folder.is_dir():
                remove_folder(copy.folder)
    return left


def holds_all_tiles(out_dir: Path, tiles: object) -> bool:
    """Return whether a folder holds as many images, and labels where there are any, as were made.

    Tiles may vanish from a cache folder: a clean-up of old files, a copy that broke off. The remaining tiles would be
    trained on and scored as if they were all.
    """
    if not isinstance(tiles, dict):
        return False
    for part, number in tiles.items():
        for kind, is_needed in (("img_dir", True), ("ann_dir", False)):
            folder = out_dir / part / kind
            if folder.is_dir():
                if sum(1 for name in os.listdir(folder) if name.endswith(".png")) != number:
                    return False
            elif is_needed and number:
                return False
    return True


def _read(folder: Path) -> PreparedCopy | None:
    """Return what a folder's record says of it; None for a folder without a record, and for links."""
    name = _FOLDER.fullmatch(folder.name)
    if name is None or folder.is_symlink() or (facts := _read_facts(folder)) is None:
        return None
    kind, tiles, made = facts
    size = sum(entry.stat().st_size for entry in _files(folder))
    return PreparedCopy(folder=folder, bench=name[1], kind=kind, made=made, tiles=tiles, size_bytes=size)


def _read_facts(folder: Path) -> tuple[str, int, datetime] | None:
    """Return kind, number of tiles and time of making from a folder's record; None where it cannot be read."""
    marker = folder / MARKER
    try:
        record = read_json(marker)
        kind, tiles = str(record["facts"]["prepare"]["kind"]), sum(record["tiles"].values())
        return kind, tiles, datetime.fromtimestamp(marker.stat().st_mtime, UTC)
    except (OSError, UnreadableFile, KeyError, TypeError, AttributeError):
        return None


def _files(folder: Path) -> list[os.DirEntry[str]]:
    files: list[os.DirEntry[str]] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                files += _files(Path(entry.path))
            elif entry.is_file(follow_symlinks=False):
                files.append(entry)
    return files
