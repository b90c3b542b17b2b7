"""Finished strips of a map on disk, so that a map that was interrupted continues where it stopped."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from rs_adapt.files import atomic_file, write_text
from rs_adapt.prediction.layers import Layer

_JOB_FILE = "job.json"


class StripStore:
    """A folder with the strips of one map, named by panel and row of tiles; each is complete or not there.

    Strips of a different job (other scene, model or options) are removed when the store is opened.

    Args:
        folder: Made if it is not there; its parent must exist.
        job: Everything that the strips depend on, as JSON.
    """

    def __init__(self, folder: Path, job: Mapping[str, object]) -> None:
        self.folder = folder
        text = json.dumps({"sha256": hashlib.sha256(json.dumps(job, sort_keys=True).encode()).hexdigest()}) + "\n"
        stored = folder / _JOB_FILE
        if folder.is_dir() and not (stored.is_file() and stored.read_text(encoding="utf-8") == text):
            shutil.rmtree(folder)
        folder.mkdir(exist_ok=True)
        write_text(stored, text)

    def has(self, panel: int, row: int) -> bool:
        """Return whether a strip is there."""
        return self._path(panel, row).is_file()

    def first_missing(self, panel: int, rows: int) -> int:
        """Return the first row of a panel that is not there; `rows` if all are."""
        return next((row for row in range(rows) if not self.has(panel, row)), rows)

    def write(self, panel: int, row: int, layers: Mapping[Layer, NDArray[np.uint8]]) -> None:
        """Write the layers of a strip."""
        with atomic_file(self._path(panel, row)) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **layers)  # type: ignore[arg-type]

    def read(self, panel: int, row: int, layer: Layer) -> NDArray[np.uint8] | None:
        """Return a layer of a strip; None where the strip is damaged, which removes it."""
        path = self._path(panel, row)
        try:
            with np.load(path, allow_pickle=False) as strip:
                values: NDArray[np.uint8] = strip[layer]
                return values
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            path.unlink(missing_ok=True)
            return None

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, panel: int, row: int) -> Path:
        return self.folder / f"{panel:04d}-{row:06d}.npz"
