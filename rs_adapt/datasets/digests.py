"""Digests of the pixels of tiles, by which changed data are noticed. Loads no torch.

A tile is decoded once: digests are cached by the size and the times of its files, the time of the last change of
their state among them, which an edit that restores the time of modification does not restore.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

from rs_adapt.config.paths import home
from rs_adapt.datasets.captions.listing import digest_captions
from rs_adapt.datasets.tile_files import list_tiles
from rs_adapt.documents import read_sealed, write_sealed
from rs_adapt.errors import DataError, UnreadableFile
from rs_adapt.files import file_state
from rs_adapt.pictures import open_picture
from rs_adapt.runs.records import TileDigests

Array = np.ndarray[Any, Any]

# Bump when other bytes of a tile are hashed.
_VERSION = 1
_EXIF_ORIENTATION = 0x0112


class _Cache(BaseModel):
    """The content of the file: by name, the state of the file (see `file_state`) and its digest."""

    version: int
    files: dict[str, tuple[int, int, int, str]]


class DigestCache:
    """The digests of the files of a folder, on disk between processes.

    Args:
        folder: The folder; files of its subfolders count too.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        name = hashlib.sha256(str(folder).encode()).hexdigest()[:32]
        self._file = home() / "digests" / f"{name}.json"
        self._entries: dict[str, list[Any]] = {}
        self._is_changed = False
        # A damaged cache is made again.
        with suppress(FileNotFoundError, UnreadableFile, ValueError):
            content = _Cache.model_validate(read_sealed(self._file))
            if content.version == _VERSION:
                self._entries = {name: [*entry] for name, entry in content.files.items()}

    def find(self, path: Path) -> str | None:
        """Return the digest of a file; None where it is not known, or the file has changed."""
        entry = self._entries.get(self._key(path))
        return str(entry[-1]) if entry is not None and entry[:-1] == [*file_state(path)] else None

    def add(self, path: Path, digest: str) -> None:
        """Store the digest of a file in its present state."""
        self._entries[self._key(path)] = [*file_state(path), digest]
        self._is_changed = True

    def save(self) -> None:
        """Write the cache, if digests were added. It only saves time: a place that cannot be written stops no run."""
        if self._is_changed:
            with suppress(OSError):
                self._file.parent.mkdir(parents=True, exist_ok=True)
                content = {"version": _VERSION, "folder": str(self._folder), "files": self._entries}
                write_sealed(self._file, content)
                self._is_changed = False

    def _key(self, path: Path) -> str:
        return path.relative_to(self._folder).as_posix()


@functools.lru_cache(maxsize=64)
def _cache_of(folder: Path, _home: Path) -> DigestCache:
    return DigestCache(folder)


def digest_cache(folder: str | Path) -> DigestCache:
    """Return the cache of a folder of tiles."""
    return _cache_of(Path(folder), home())


def digest_pixels(path: Path, pixels: Array) -> str:
    """Return the digest of a decoded file, 16 hex digits: its pixels, and how they become colours.

    Args:
        path: The file, whose header is read.
        pixels: Its pixels, as Pillow decodes them.
    """
    with open_picture(path) as image:
        palette = image.palette.getdata()[1] if image.mode == "P" and image.palette is not None else b""
        orientation = image.getexif().get(_EXIF_ORIENTATION) if image.format in ("JPEG", "MPO", "TIFF") else None
        header = f"{image.mode} {pixels.shape} {pixels.dtype} {orientation}"
    digest = hashlib.blake2b(header.encode() + palette, digest_size=8)
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def digest_tiles(settings: Mapping[str, Any]) -> TileDigests:
    """Return the digests of the tiles of a set by name: image, label and mask, as far as the set reads them.

    Args:
        settings: The arguments of `TileDataset`, or of a set of captions.

    Raises:
        DataError: A file cannot be decoded.
    """
    if "choices" in settings or "negatives" in settings:
        return digest_captions(settings)
    tiles = list_tiles(settings)
    img_dir = Path(settings["img_dir"])
    images = _digests([tile.image for tile in tiles], img_dir)
    labels = _digests([tile.label for tile in tiles], Path(settings.get("ann_dir") or img_dir))
    masks = _digests([tile.mask for tile in tiles], img_dir.parent / "valid_dir")
    return {
        tile.name: tuple(digest for digest in (image, label, mask) if digest is not None)
        for tile, image, label, mask in zip(tiles, images, labels, masks, strict=True)
    }


def _digests(paths: Sequence[Path | None], folder: Path) -> list[str | None]:
    cache = digest_cache(folder)
    digests = [None if path is None else cache.find(path) for path in paths]
    unknown = {index: path for index, path in enumerate(paths) if path is not None and digests[index] is None}
    with ThreadPoolExecutor(max_workers=8) as pool:
        for (index, path), digest in zip(unknown.items(), pool.map(_digest_file, unknown.values()), strict=True):
            cache.add(path, digest)
            digests[index] = digest
    cache.save()
    return digests


def _digest_file(path: Path) -> str:
    try:
        with open_picture(path) as image:
            pixels = np.asarray(image)
        return digest_pixels(path, pixels)
    except (OSError, SyntaxError) as error:
        raise DataError(f"Cannot read {path}: {error}. The file is damaged or cut off; replace it.") from error
