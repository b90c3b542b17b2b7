"""The run folder: made after all checks have passed, refused if it holds a run, described by `cell.json`."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from rs_adapt.config.wording import without_wording
from rs_adapt.errors import CheckpointMismatch, ConfigError, OutputExists
from rs_adapt.files import write_json, write_text
from rs_adapt.runs.files import (
    CELL_FILE,
    CONFIG_FILE,
    DATA_FILE,
    RESULT_FILE,
    STATE_FILE,
    SWEEP_CELL_FILE,
    SWEEP_LOCK_FILE,
    SWEEP_LOG_FILE,
)
from rs_adapt.runs.records import FORMAT, DataRecord, RunStart, TileDigests, write_record


def check_run_folder(run_dir: Path, *, cfg_text: str, resume: bool, overwrite: bool) -> None:
    """Check that a run may start in a folder or be resumed there; writes nothing.

    Args:
        run_dir: The folder; it need not exist.
        cfg_text: The resolved configuration as Python text.
        resume: Resume the run in the folder; its configuration must be the same, except for texts for people.
        overwrite: An existing run may be deleted.

    Raises:
        OutputExists: The folder holds a run, and neither `resume` nor `overwrite` is set, or it holds other files.
        CheckpointMismatch: `resume` is set, and there is no state or the configuration differs.
    """
    if resume:
        _check_resumable(run_dir, cfg_text)
        return
    if run_dir.exists() and not run_dir.is_dir():
        raise OutputExists(f"{run_dir} is a file. Choose a folder with --work-dir.")
    if _files_of_a_run(run_dir):
        if not (run_dir / CELL_FILE).is_file():
            raise OutputExists(
                f"{run_dir} is not empty and holds no run of rs-adapt. Choose a different folder with --work-dir."
            )
        if not overwrite:
            state = "an unfinished run: --resume continues it" if (run_dir / STATE_FILE).is_file() else "a run"
            raise OutputExists(
                f"{run_dir} holds {state}. Choose a different folder with --work-dir, or add --overwrite to delete it."
            )


def open_run_folder(
    run_dir: Path, *, cfg_text: str, start: RunStart, digests: Mapping[str, TileDigests], resume: bool, overwrite: bool
) -> None:
    """Make a run folder with `config.py`, `cell.json` and `data.json`, or check the folder of a run to resume.

    Args:
        run_dir: The folder.
        cfg_text: The resolved configuration as Python text.
        start: Content of `cell.json`.
        digests: Digests of the tiles by role.
        resume: Resume the run in the folder; its configuration must be the same, except for texts for people.
        overwrite: Delete an existing run first.

    Raises:
        OutputExists: See `check_run_folder`.
        CheckpointMismatch: See `check_run_folder`.
        ConfigError: The folder cannot be made or written to.
    """
    check_run_folder(run_dir, cfg_text=cfg_text, resume=resume, overwrite=overwrite)
    if resume:
        return
    try:
        for path in _files_of_a_run(run_dir):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        run_dir.mkdir(parents=True, exist_ok=True)
        write_text(run_dir / CONFIG_FILE, cfg_text)
        # Some thousand tiles: one line.
        record = DataRecord(roles=digests)
        write_json(run_dir / DATA_FILE, {"format": FORMAT} | record.content(), indent=None)
        write_record(run_dir / CELL_FILE, start)
    except OSError as error:
        raise ConfigError(
            f"Cannot write the run folder {run_dir}: {error.strerror}. Choose a different folder with --work-dir."
        ) from error


def _files_of_a_run(run_dir: Path) -> list[Path]:
    """Return the content of a folder except the sweep's files about the cell."""
    of_sweep = (SWEEP_CELL_FILE, SWEEP_LOG_FILE, SWEEP_LOCK_FILE)
    return [path for path in run_dir.iterdir() if path.name not in of_sweep] if run_dir.is_dir() else []


def _check_resumable(run_dir: Path, cfg_text: str) -> None:
    if not (run_dir / STATE_FILE).is_file():
        if not (run_dir / CELL_FILE).is_file():
            raise CheckpointMismatch(f"Cannot resume {run_dir}: there is no run. Start one without --resume.")
        finished = (run_dir / RESULT_FILE).is_file()
        reason = "the run is finished" if finished else f"there is no {STATE_FILE}, so nothing was saved yet"
        raise CheckpointMismatch(f"Cannot resume {run_dir}: {reason}. Start again with --overwrite.")
    stored = (run_dir / CONFIG_FILE).read_text(encoding="utf-8")
    if stored == cfg_text:
        return
    file = str(run_dir / CONFIG_FILE)
    old, new = (without_wording(text, file=file).splitlines() for text in (stored, cfg_text))
    if old != new:
        first = next(
            (pair for pair in zip(old, new, strict=False) if pair[0] != pair[1]),
            (f"{len(old)} lines", f"{len(new)} lines"),
        )
        raise CheckpointMismatch(
            f"Cannot resume {run_dir}: the configuration has changed. First difference: `{first[0].strip()}` is now "
            f"`{first[1].strip()}`. Repeat the options of the first start, or start again with --overwrite."
        )
