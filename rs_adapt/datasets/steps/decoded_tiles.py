"""Decoded tiles in memory: all of a small set, the last one of a large set."""

from __future__ import annotations

import os
from typing import Generic, TypeVar

T = TypeVar("T")

# Of the images and of the labels of one set, in each process that loads it.
MAX_BYTES = 32 * 2**20


class DecodedTiles(Generic[T]):
    """What has been decoded of the files of a set.

    A set that fits into `MAX_BYTES` is decoded once in each process that loads it. Of a larger one the last file is
    kept, which is read again where a crop shows too little of the wanted class. A file that has changed is not found.
    Copies for other processes begin empty.

    Args:
        num_tiles: Number of tiles of the set.
    """

    def __init__(self, num_tiles: int) -> None:
        self.num_tiles = num_tiles
        self._kept: dict[str, tuple[tuple[int, ...], T]] = {}

    def __getstate__(self) -> dict[str, object]:
        """Return the state without decoded tiles."""
        return {"num_tiles": self.num_tiles, "_kept": {}}

    def fit(self, num_bytes: int) -> bool:
        """Return whether as many tiles of so many bytes as the set has are kept."""
        return self.num_tiles * num_bytes <= MAX_BYTES

    def find(self, path: str) -> T | None:
        """Return what was decoded of a file, or None."""
        kept = self._kept.get(path)
        return kept[1] if kept is not None and kept[0] == _stamp(path) else None

    def keep(self, path: str, item: T, num_bytes: int) -> None:
        """Keep what was decoded of a file, of so many bytes; without the others, unless the whole set fits."""
        if not self.fit(num_bytes):
            self._kept.clear()
        self._kept[path] = (_stamp(path), item)


def _stamp(path: str) -> tuple[int, ...]:
    status = os.stat(path)
    return status.st_mtime_ns, status.st_size, status.st_ino
