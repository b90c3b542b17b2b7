"""The run folder: made after all checks have passed, refused if it holds a run, described by `cell.json`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rs_adapt.config.wording import without_wording
from rs_adapt.errors import CheckpointMismatch, ConfigError, OutputExists
from rs_adapt.files import write_json, write_text
from rs_adapt.links import check_no_links
from rs_adapt.runs.clearing import clear_run, holds_run, refuse_nested_run, sort_content
from rs_adapt.runs.files import CELL_FILE, CONFIG_FILE, DATA_FILE, RESULT_FILE, STATE_FILE
from rs_adapt.runs.locking import lock_run, refuse_locked_run
from rs_adapt.runs.plugins import require_same_plugins
from rs_adapt.runs.records import FORMAT, DataRecord, RunStart, TileDigests, write_record


def check_run_folder(run_dir: Path, *, cfg_text: str, resume: bool, overwrite: bool) -> None:
    """Check that a run may start in a folder or be resumed there; writes nothing.

    Args:
        run_dir: The folder; it need not exist.
        cfg_text: The resolved configuration as Python text.
        resume: Resume the run in the folder; its configuration must be the same, except for texts for people.
        overwrite: An existing run may be deleted.

    Raises:
        OutputExists: A different process writes into the folder; it holds a run, and neither `resume` nor `overwrite`
            is set; it holds other files, has a different run inside, or lies inside the folder of one.
        CheckpointMismatch: `resume` is set, and there is no state, the configuration differs, or a plugin does.
    """
    refuse_locked_run(run_dir)
    if resume:
        check_no_links(run_dir)
        _check_resumable(run_dir, cfg_text)
        require_same_plugins(run_dir)
        return
    if run_dir.exists() and not run_dir.is_dir():
        raise OutputExists(f"{run_dir} is a file. Choose a folder with --work-dir.")
    refuse_nested_run(run_dir)
    of_run, others = sort_content(run_dir)
    # A run that was killed before it wrote `cell.json` left files of its own only.
    if others and not holds_run(run_dir):
        raise OutputExists(
            f"{run_dir} is not empty and holds no run of rs-adapt. Choose a different folder with --work-dir."
        )
    if of_run and not overwrite:
        state = "an unfinished run: --resume continues it" if (run_dir / STATE_FILE).is_file() else "a run"
        raise OutputExists(
            f"{run_dir} holds {state}. Choose a different folder with --work-dir, or add --overwrite to delete it."
        )


@contextmanager
def lock_run_folder(run_dir: Path) -> Iterator[None]:
    """Make a run folder, and be the only process that writes into it during the block.

    Raises:
        OutputExists: A different process writes into it.
        ConfigError: The folder cannot be made or written to.
    """
    with ExitStack() as stack:
        try:
            run_dir.mkdir(parents=True, exist_ok=True)
            stack.enter_context(lock_run(run_dir))
        except OSError as error:
            raise _cannot_write(run_dir, error) from error
        yield


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
        overwrite: Delete the files of an existing run first; others stay.

    Raises:
        OutputExists: See `check_run_folder`.
        CheckpointMismatch: See `check_run_folder`.
        ConfigError: The folder cannot be made or written to.
    """
    check_run_folder(run_dir, cfg_text=cfg_text, resume=resume, overwrite=overwrite)
    if resume:
        return
    try:
        clear_run(run_dir)
        run_dir.mkdir(parents=True, exist_ok=True)
        write_text(run_dir / CONFIG_FILE, cfg_text)
        # Some thousand tiles: one line.
        record = DataRecord(roles=digests)
        write_json(run_dir / DATA_FILE, {"format": FORMAT} | record.content(), indent=None)
        write_record(run_dir / CELL_FILE, start)
    except OSError as error:
        raise _cannot_write(run_dir, error) from error


def _cannot_write(run_dir: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"Cannot write the run folder {run_dir}: {error.strerror}. Choose a different folder with --work-dir."
    )


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
