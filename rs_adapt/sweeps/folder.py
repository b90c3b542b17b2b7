"""The state of a cell, read from its folder, and its lock, which one process at a time holds.

States are stored in the cells' folders only, so that no central file can contradict them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rs_adapt.config.sameness import settings_sha256
from rs_adapt.config.wording import without_wording
from rs_adapt.documents import parse_json, read_json
from rs_adapt.errors import ConfigError, UnreadableFile
from rs_adapt.files import file_sha256
from rs_adapt.runs.files import (
    CELL_FILE,
    CONFIG_FILE,
    METRICS_FILE,
    RESULT_FILE,
    STATE_FILE,
    SWEEP_CELL_FILE,
)
from rs_adapt.runs.locking import is_run_locked, try_to_lock_run
from rs_adapt.runs.records import FORMAT, Result, RunStart, SweepCellRecord, read_record
from rs_adapt.runs.records.record import AnyRecord
from rs_adapt.sweeps.data import Fingerprints, describe_changed_data
from rs_adapt.sweeps.identity import Identity, describe_difference, hash_identity, with_current_manifests

STATES = ("done", "running", "interrupted", "failed", "stale", "missing")

# What is read of the log of a failed cell.
_LOG_END_BYTES = 2**22


@dataclass(frozen=True, kw_only=True)
class CellState:
    """The state of a cell.

    Args:
        status: `done` (its result belongs to the sweep's present configuration), `stale` (it belongs to a different
            one), `running` (a process holds its lock), `interrupted` (there is a training state), `failed`, or
            `missing`.
        note: The error, the change of the configuration, or the process that runs it.
        record: The content of `sweep_cell.json`; without values where there is none.
        result: The content of `result.json`, of a done or stale cell.
    """

    status: str
    note: str = ""
    record: SweepCellRecord = field(default_factory=SweepCellRecord)
    result: Result | None = None


def read_state(
    folder: Path,
    *,
    digest: str,
    identity: Identity,
    locked: bool | None = None,
    fingerprints: Callable[[], Fingerprints] = dict,
) -> CellState:
    """Return the state of a cell's folder.

    Args:
        folder: The run folder; it need not exist.
        digest: Hash of the cell's present identity.
        identity: The cell's present identity, to describe a change.
        locked: Whether a different process holds the lock; None to check.
        fingerprints: Returns those of the data that are there now; called where the run recorded its own.
    """
    stored = _read_or_none(folder / SWEEP_CELL_FILE, SweepCellRecord)
    record = stored or SweepCellRecord()
    result = _read_or_none(folder / RESULT_FILE, Result)
    if is_cell_locked(folder) if locked is None else locked:
        holder = f"process {record.pid or '?'} on {record.host or '?'}"
        return CellState(status="running", note=holder, record=record)
    if (stored is None or result is None) and (newer := _newer_format(folder)):
        # A newer version has finished it: that is no damage, and no reason to delete it.
        return CellState(status="stale", note=newer, record=record)
    before = with_current_manifests(record.identity)
    is_current = digest in (record.digest, hash_identity(before))
    if result is not None and (folder / STATE_FILE).is_file() and is_current:
        # The process was killed before the last files were written; resuming writes them.
        return CellState(status="interrupted", note="all but its last files are written", record=record)
    if result is not None:
        # None where the process was killed between result and record.
        run_sha256 = record.ran_config_sha256
        if is_current and run_sha256 is not None and run_sha256 != config_sha256(folder):
            note = "the run was repeated outside the sweep, with a different configuration"
            return CellState(status="stale", note=note, record=record, result=result)
        if is_current and (note := find_changed_data(folder, fingerprints)):
            return CellState(status="stale", note=note, record=record, result=result)
        if is_current:
            return CellState(status="done", record=record, result=result)
        note = f"was run with {describe_difference(before, identity)}" if before else "was not run by a sweep"
        return CellState(status="stale", note=note, record=record, result=result)
    if (folder / RESULT_FILE).exists():
        note = f"its {RESULT_FILE} is damaged; it starts from scratch"
        return CellState(status="missing", note=note, record=record)
    if not is_current:
        return CellState(status="missing")
    if record.status == "failed":
        return CellState(status="failed", note=record.error or "", record=record)
    if (folder / STATE_FILE).is_file():
        if note := find_changed_data(folder, fingerprints):
            return CellState(status="missing", note=f"{note}; it starts from scratch", record=record)
        return CellState(status="interrupted", note=describe_progress(folder), record=record)
    return CellState(status="missing", note="stopped before anything was saved", record=record)


def find_changed_data(folder: Path, fingerprints: Callable[[], Fingerprints]) -> str:
    """Return which data differ from those that the run of a folder recorded, as a phrase; empty where none do."""
    record = _read_or_none(folder / CELL_FILE, RunStart)
    return describe_changed_data(record.data, fingerprints()) if record is not None and record.data else ""


def can_resume(folder: Path, sha256: str, fingerprints: Fingerprints | None = None) -> bool:
    """Return whether a run can be resumed: it has a training state of the same configuration and the same data.

    Args:
        folder: The run folder.
        sha256: Hash of the configuration (`Order.config_sha256`).
        fingerprints: Those of the data that are there now; None where they are not known.
    """
    text_sha256 = config_sha256(folder)
    if text_sha256 is None or not (folder / STATE_FILE).is_file():
        return False
    if fingerprints and find_changed_data(folder, lambda: fingerprints):
        return False
    # Jobs that have been in a queue since an older version ask for the hash of the text, whole or without wording.
    return sha256 in (text_sha256, *_settings_sha256(folder))


def config_sha256(folder: Path) -> str | None:
    """Return the hash of the configuration in a run folder; None where there is none."""
    try:
        return file_sha256(folder / CONFIG_FILE)
    except OSError:
        return None


def _settings_sha256(folder: Path) -> tuple[str, ...]:
    """Return hashes of the settings in a run folder: of those that change the result, and of the text without wording.

    Empty for a damaged configuration.
    """
    file = folder / CONFIG_FILE
    try:
        text = file.read_text(encoding="utf-8")
        plain = without_wording(text, file=str(file))
        return settings_sha256(text, file=str(file)), hashlib.sha256(plain.encode()).hexdigest()
    except (OSError, UnicodeDecodeError, ConfigError):
        return ()


def describe_progress(folder: Path) -> str:
    """Return the progress of a run by its metrics, such as `iteration 60`; empty where there are none."""
    try:
        with (folder / METRICS_FILE).open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 8192))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    for line in reversed(lines):
        try:
            return f"iteration {int(parse_json(line)['iter'])}"
        except (ValueError, KeyError, TypeError):
            continue
    return ""


def read_last_error(log: Path, start: int = 0) -> str:
    """Return the error line of a log: the last line that begins with `error:`, else the last line.

    Args:
        log: The file.
        start: Number of bytes at the start of the log to skip.
    """
    try:
        with log.open("rb") as file:
            # Its end: a cell that prints without end fills no memory here.
            file.seek(max(start, os.fstat(file.fileno()).st_size - _LOG_END_BYTES))
            lines = [
                line.strip() for line in file.read(_LOG_END_BYTES).decode(errors="replace").splitlines() if line.strip()
            ]
    except OSError:
        return ""
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return errors[-1] if errors else (lines[-1] if lines else "")


def _read_or_none(path: Path, record: type[AnyRecord]) -> AnyRecord | None:
    """Return the record in a file; None where the file is missing or cannot be read."""
    try:
        return read_record(path, record)
    except UnreadableFile:
        return None


def _newer_format(folder: Path) -> str:
    """Return that a newer version wrote the result of a folder, or the sweep's record of it; empty if none did."""
    for name in (RESULT_FILE, SWEEP_CELL_FILE):
        try:
            content = read_json(folder / name, error=UnreadableFile)
        except (OSError, UnreadableFile):
            continue
        number = content.get("format") if isinstance(content, dict) else None
        if isinstance(number, int) and number > FORMAT:
            return f"its {name} has format {number}, and this version reads format {FORMAT}; update rs-adapt"
    return ""


@contextmanager
def lock_cell(folder: Path) -> Iterator[int | None]:
    """Hold the lock of a cell's run folder during the block, and create the folder; see `try_to_lock_run`.

    Yields:
        The descriptor of the lock, for child processes; None if a different process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with try_to_lock_run(folder) as descriptor:
        yield descriptor


def is_cell_locked(folder: Path) -> bool:
    """Return whether a process holds a cell's lock."""
    return is_run_locked(folder)
