"""Finished strips of a map on disk, so that a map that was interrupted continues where it stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from rs_adapt.errors import OutputExists
from rs_adapt.files import atomic_file, remove_folder, write_text
from rs_adapt.leftovers import remove_leftovers
from rs_adapt.locks import is_locked, removed_lock
from rs_adapt.prediction.grid import MapGrid
from rs_adapt.prediction.layers import Layer, Pixels
from rs_adapt.scenes import Box

_JOB_FILE = "job.json"
# Holds one of the two words below from when all strips are there; before that there is no such file.
_STAGE_FILE = "stage"
_WRITING, _FINISHED = "writing", "finished"
_UNREADABLE_FILE = "unreadable.json"
# What the adaptation of the model to the scene has changed; see `rs_adapt.prediction.adapting`.
ADAPTATION_FILE = "adapted.json"
# The entry of a job with the facts that follow from the machine, beside those that the user asks for.
NUMERICS = "numerics"


class MapInUse(OutputExists):
    """Raised when a different process makes the map."""


class StripStore:
    """A folder with the strips of one map, named by panel and row of tiles; each is complete or not there.

    Strips of a different job (other scene, model or options) are removed when the store is opened.

    Args:
        folder: Made if it is not there; its parent must exist.
        job: Everything that the strips depend on, as JSON.
        takes_gaps: Whether strips may lack blocks of the scene that could not be read; else these are removed, too.
    """

    def __init__(self, folder: Path, job: Mapping[str, object], *, takes_gaps: bool = False) -> None:
        self.folder = folder
        remove_leftovers(folder)
        is_usable = is_store_of(folder, job) and (takes_gaps or not (folder / _UNREADABLE_FILE).exists())
        if folder.is_dir() and not is_usable:
            remove_folder(folder)
        folder.mkdir(exist_ok=True)
        write_text(folder / _JOB_FILE, _job_text(job))

    def has(self, panel: int, row: int) -> bool:
        """Return whether a strip is there."""
        return self._path(panel, row).is_file()

    def first_missing(self, panel: int, rows: int) -> int:
        """Return the first row of a panel that is not there; `rows` if all are."""
        return next((row for row in range(rows) if not self.has(panel, row)), rows)

    def num_tiles(self, grid: MapGrid) -> int:
        """Return the number of tiles of a map whose strips are there."""
        return sum((panel.last - panel.first) * self.first_missing(panel.index, grid.rows) for panel in grid.panels())

    def write(self, panel: int, row: int, layers: Mapping[Layer, Pixels]) -> None:
        """Write the layers of a strip."""
        with atomic_file(self._path(panel, row)) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **layers)  # type: ignore[arg-type]

    def read(self, panel: int, row: int, layer: Layer) -> Pixels | None:
        """Return a layer of a strip; None where the strip is damaged, which removes it."""
        path = self._path(panel, row)
        try:
            with np.load(path, allow_pickle=False) as strip:
                values: Pixels = strip[layer]
                return values
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            path.unlink(missing_ok=True)
            return None

    def add_unreadable(self, box: Box) -> None:
        """Record a block of the scene that cannot be read."""
        boxes = {*self.unreadable(), box}
        write_text(self.folder / _UNREADABLE_FILE, json.dumps(sorted(boxes)) + "\n")

    def unreadable(self) -> list[Box]:
        """Return the blocks of the scene that could not be read, from this call and those that it continues."""
        return unreadable_in(self.folder)

    @property
    def is_finished(self) -> bool:
        """Whether all files of the map have been written; the strips are gone."""
        return _stage(self.folder) == _FINISHED

    def begin_files(self) -> None:
        """Record that files of the map appear from now on: they are no reason to refuse the same call."""
        write_text(self.folder / _STAGE_FILE, _WRITING)

    def finish(self) -> None:
        """Record that all files of the map are there, and remove the strips.

        The record stays until the whole call has ended, so that one of many scenes continues with the scene at which
        it was interrupted.
        """
        write_text(self.folder / _STAGE_FILE, _FINISHED)
        for path in self.folder.iterdir():
            if path.name not in (_JOB_FILE, _STAGE_FILE, _UNREADABLE_FILE, ADAPTATION_FILE):
                path.unlink(missing_ok=True)

    def _path(self, panel: int, row: int) -> Path:
        return self.folder / f"{panel:04d}-{row:06d}.npz"


def strips_folder(out: Path) -> Path:
    """Return the folder of a map's strips, beside the map."""
    return out.with_name(f".{out.name}.strips")


def unreadable_in(folder: Path) -> list[Box]:
    """Return the blocks of the scene that could not be read, as the folder of a map's strips records them."""
    text = _read(folder / _UNREADABLE_FILE)
    return [] if text is None else [Box(*box) for box in json.loads(text)]


def is_store_of(folder: Path, job: Mapping[str, object]) -> bool:
    """Return whether a folder holds the strips of a job."""
    return _read(folder / _JOB_FILE) == _job_text(job)


def is_finished(folder: Path, job: Mapping[str, object]) -> bool:
    """Return whether a call has written all files of a map as a job asks for, on whatever kind of device it ran."""
    try:
        stored = json.loads(_read(folder / _JOB_FILE) or "{}")
    except ValueError:
        return False
    return _stage(folder) == _FINISHED and stored == stored | {"request": _sha256(_request(job))}


def has_begun_files(folder: Path) -> bool:
    """Return whether an interrupted call has written files of a map, or all of them, whatever its options were."""
    return _stage(folder) is not None


def remove_store(out: Path) -> None:
    """Remove what a call has stored beside a map, and what killed processes left there."""
    folder = strips_folder(out)
    remove_leftovers(folder)
    if folder.is_dir():
        remove_folder(folder)


def check_files(files: Sequence[Path], *, overwrite: bool) -> None:
    """Refuse maps that exist, before any work is done.

    Raises:
        OutputExists: One does, and `overwrite` is False.
    """
    existing = next((file for file in files if file.exists()), None)
    if existing is not None and not overwrite:
        raise OutputExists(f"{existing} exists. Choose a different place with --out, or add --overwrite to replace it.")


def check_maps(maps: Mapping[Path, Sequence[Path]], *, overwrite: bool, waits: bool = False) -> None:
    """Refuse maps that exist or that a different process makes; those of an interrupted call pass.

    Args:
        maps: The files of each map, by the map of classes.
        overwrite: Replace maps that exist.
        waits: Whether maps that a different process makes are waited for; they pass.

    Raises:
        OutputExists: A file exists, or its map is being made.
    """
    in_use = [out for out in maps if is_in_use(out)]
    if in_use and not waits:
        raise _in_use(in_use[0])
    maps = {out: files for out, files in maps.items() if out not in in_use}
    try:
        for out, files in maps.items():
            check_files(files, overwrite=overwrite or has_begun_files(strips_folder(out)))
    except OutputExists:
        # A call that was killed after its last map, while it removed what it had stored.
        if all(file.exists() for files in maps.values() for file in files):
            for out in maps:
                remove_leftovers(strips_folder(out))
                if _stage(strips_folder(out)) == _FINISHED:
                    remove_store(out)
        raise


@contextmanager
def lock_map(out: Path) -> Iterator[None]:
    """Be the only process that makes a map; the folder of the map must exist.

    Raises:
        MapInUse: A different process makes it.
    """
    with removed_lock(_lock_file(out)) as descriptor:
        if descriptor is None:
            raise _in_use(out)
        yield


def is_in_use(out: Path) -> bool:
    """Return whether a process makes a map."""
    return is_locked(_lock_file(out))


def _lock_file(out: Path) -> Path:
    return out.with_name(f".{out.name}.lock")


def _in_use(out: Path) -> MapInUse:
    return MapInUse(
        f"Another process is predicting {out}, so nothing is done there. Wait until it has ended, end it, or choose a "
        "different place with --out."
    )


def _job_text(job: Mapping[str, object]) -> str:
    return json.dumps({"sha256": _sha256(job), "request": _sha256(_request(job))}) + "\n"


def _request(job: Mapping[str, object]) -> dict[str, object]:
    """Return what a user asks for: all of a job but what follows from the machine."""
    return {name: value for name, value in job.items() if name != NUMERICS}


def _sha256(job: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(job, sort_keys=True).encode()).hexdigest()


def _stage(folder: Path) -> str | None:
    return _read(folder / _STAGE_FILE)


def _read(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
