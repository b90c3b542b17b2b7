"""The SHA-256 of the files of a finished run, which bind its scores to its weights and settings. Loads no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from rs_adapt.errors import UnreadableFile
from rs_adapt.files import file_sha256
from rs_adapt.runs.files import (
    CELL_FILE,
    CONFIG_FILE,
    DATA_FILE,
    HASHES_FILE,
    IMAGES_FILE,
    MANIFEST_FILE,
    METRICS_FILE,
    RESULT_FILE,
    TENSORS_FILE,
)
from rs_adapt.runs.records import HashesRecord, read_record, record_text, write_record

if TYPE_CHECKING:
    from rs_adapt.runs.records import Result

_PACK = (TENSORS_FILE, MANIFEST_FILE)


def bound_files(result: Result) -> tuple[str, ...]:
    """Return the files that a result stands on, sorted, relative to the run folder, `result.json` among them."""
    files = {CONFIG_FILE, CELL_FILE, DATA_FILE, METRICS_FILE, RESULT_FILE, *_PACK}
    if result.measures:
        files.add(IMAGES_FILE)
    for checkpoint in result.selections.values():
        if checkpoint is None:
            continue
        if checkpoint.confusions is not None:
            files.add(checkpoint.confusions)
        if checkpoint.pack not in (None, "."):
            files |= {f"{checkpoint.pack}/{name}" for name in _PACK}
    return tuple(sorted(files))


def write_hashes(run_dir: Path, result: Result) -> None:
    """Write `hashes.json` of a run; the last step before `result.json`, with which a run is finished.

    Args:
        run_dir: The run folder, with all files except `result.json`.
        result: What `result.json` will hold.

    Raises:
        OSError: A file cannot be read or written.
    """
    # A run that an older version started has no data.json.
    others = [name for name in bound_files(result) if name != RESULT_FILE and (run_dir / name).is_file()]
    files = {name: file_sha256(run_dir / name) for name in others}
    files[RESULT_FILE] = hashlib.sha256(record_text(result).encode()).hexdigest()
    write_record(run_dir / HASHES_FILE, HashesRecord(files=files))


def find_changes(run_dir: Path, names: Iterable[str]) -> list[str]:
    """Return a sentence for each file of a finished run that is not as the run wrote it.

    Args:
        run_dir: The run folder.
        names: Files, relative to the folder. Those without a stored hash are not checked: older versions stored none.
    """
    try:
        hashes = read_record(run_dir / HASHES_FILE, HashesRecord)
    except UnreadableFile as error:
        return [str(error)]
    if hashes is None:
        return []
    changed = []
    for name in names:
        with suppress(OSError):
            if name in hashes.files and file_sha256(run_dir / name) != hashes.files[name]:
                changed.append(
                    f"{name} was changed after the run had ended, or is damaged: its SHA-256 is not that in "
                    f"{HASHES_FILE}."
                )
    return changed
