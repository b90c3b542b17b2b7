"""The run folder: made after all checks have passed, refused if it holds a run, described by `cell.json`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from rs_adapt.config.sameness import changed_settings, result_settings
from rs_adapt.errors import CheckpointMismatch, ConfigError, OutputExists, RsAdaptError
from rs_adapt.files import write_json, write_text
from rs_adapt.leftovers import is_leftover
from rs_adapt.links import check_no_links
from rs_adapt.runs.clearing import clear_run, holds_run, refuse_nested_run, sort_content
from rs_adapt.runs.files import CELL_FILE, CONFIG_FILE, DATA_FILE, PACKS_DIR, RESULT_FILE, STATE_FILE, TENSORS_FILE
from rs_adapt.runs.locking import lock_run, refuse_locked_run
from rs_adapt.runs.plugins import require_same_plugins
from rs_adapt.runs.records import FORMAT, DataRecord, RunStart, TileDigests, read_record, write_record

# Characters of a value in a message.
_LONGEST = 60
# The files with which a run begins; `cell.json` comes first, because it marks the folder as that of a run.
_BEGINNING = (CELL_FILE, CONFIG_FILE, DATA_FILE)
# What a run saves; where none of it is there, starting over loses nothing.
_SAVED = (STATE_FILE, RESULT_FILE, TENSORS_FILE, PACKS_DIR)


def saved_nothing(run_dir: Path) -> bool:
    """Return whether a run was started in a folder and saved nothing yet, so that resuming it means starting over.

    A process that was killed while it made the folder leaves some of the files with which a run begins, complete or
    under their temporary names.
    """
    of_run, others = sort_content(run_dir)
    names = [path.name for path in of_run]
    if not names or any(name in _SAVED for name in names):
        return False
    if CELL_FILE in names:
        return True
    begun = [name for name in names if not is_leftover(name)]
    # Older versions wrote `cell.json` last. A `config.py` of somebody else names no cell.
    return not others and (not begun or (set(begun) <= set(_BEGINNING) and _names_cell(run_dir / CONFIG_FILE)))


def awaits_finish(run_dir: Path) -> bool:
    """Return whether a run has its result, and was killed before the last files were written and its state removed."""
    return (run_dir / RESULT_FILE).is_file() and (run_dir / STATE_FILE).is_file()


def is_finished(run_dir: Path, *, cfg_text: str) -> bool:
    """Return whether a folder holds the finished run of a configuration.

    Raises:
        CheckpointMismatch: It holds a finished run of a configuration with other results.
    """
    if not (run_dir / RESULT_FILE).is_file() or awaits_finish(run_dir):
        return False
    _check_same_settings(run_dir, cfg_text)
    return True


def recorded_threads(run_dir: Path) -> int | None:
    """Return the number of torch's threads that an interrupted run began with; None where it is not known."""
    # A damaged file is reported by the checks of the folder.
    with suppress(RsAdaptError):
        start = read_record(run_dir / CELL_FILE, RunStart)
        return None if start is None else start.environment.threads
    return None


def check_run_folder(run_dir: Path, *, cfg_text: str, resume: bool, overwrite: bool) -> None:
    """Check that a run may start in a folder or be resumed there; writes nothing.

    Args:
        run_dir: The folder; it need not exist.
        cfg_text: The resolved configuration as Python text.
        resume: Resume the run in the folder; its configuration must be the same, except for what changes no number.
        overwrite: An existing run may be deleted.

    Raises:
        OutputExists: A different process writes into the folder; it holds a run, and neither `resume` nor `overwrite`
            is set; it holds other files, has a different run inside, or lies inside the folder of one.
        CheckpointMismatch: `resume` is set, and there is no state, the configuration differs, or a plugin does.
    """
    refuse_locked_run(run_dir)
    if resume:
        check_no_links(run_dir)
        if not saved_nothing(run_dir):
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
    if not overwrite and any(not is_leftover(path.name) for path in of_run):
        state = "a run"
        if (run_dir / STATE_FILE).is_file():
            state = "an unfinished run: --resume continues it"
        elif saved_nothing(run_dir):
            state = "a run that has saved nothing yet: --resume starts it over"
        raise OutputExists(
            f"{run_dir} holds {state}. Choose a different folder with --work-dir, or add --overwrite to delete it."
        )


def require_outside(run_dir: Path, trained: Path, *, option: str, run: str) -> None:
    """Refuse a trained run that lies in the folder of the run that needs it, or is that folder.

    Args:
        run_dir: The folder of the run that needs it.
        trained: The folder of the trained run.
        option: The option that names it, for the message.
        run: The run that needs it, in words.

    Raises:
        ConfigError: It lies there.
    """
    if run_dir.resolve() in (trained.resolve(), *trained.resolve().parents):
        raise ConfigError(
            f"{option} {trained} lies in the folder of {run}, {run_dir}. Choose a different folder for it with "
            "--work-dir."
        )


@contextmanager
def lock_run_folder(run_dir: Path) -> Iterator[None]:
    """Make a run folder, and be the only process that writes into it during the block.

    Raises:
        OutputExists: A different process writes into it.
        ConfigError: The folder cannot be made or written to.
    """
    is_new = not run_dir.exists()
    try:
        with ExitStack() as stack:
            try:
                run_dir.mkdir(parents=True, exist_ok=True)
                stack.enter_context(lock_run(run_dir))
            except OSError as error:
                raise _cannot_write(run_dir, error) from error
            yield
    finally:
        if is_new:
            # Only where nothing could be written into it.
            with suppress(OSError):
                run_dir.rmdir()


def open_run_folder(
    run_dir: Path, *, cfg_text: str, start: RunStart, digests: Mapping[str, TileDigests], resume: bool, overwrite: bool
) -> bool:
    """Make a run folder with `cell.json`, `config.py` and `data.json`, or check the folder of a run to resume.

    Args:
        run_dir: The folder.
        cfg_text: The resolved configuration as Python text.
        start: Content of `cell.json`.
        digests: Digests of the tiles by role.
        resume: Resume the run in the folder; its configuration must be the same, except for what changes no number.
        overwrite: Delete the files of an existing run first; others stay.

    Returns:
        Whether there is a state to resume from. A resumed run that has saved nothing yet starts over.

    Raises:
        OutputExists: See `check_run_folder`.
        CheckpointMismatch: See `check_run_folder`.
        ConfigError: The folder cannot be made or written to.
    """
    check_run_folder(run_dir, cfg_text=cfg_text, resume=resume, overwrite=overwrite)
    if resume and not saved_nothing(run_dir):
        return True
    try:
        clear_run(run_dir)
        run_dir.mkdir(parents=True, exist_ok=True)
        # First, because it marks the folder as that of a run, wherever the process is killed.
        write_record(run_dir / CELL_FILE, start)
        write_text(run_dir / CONFIG_FILE, cfg_text)
        # Some thousand tiles: one line.
        record = DataRecord(roles=digests)
        write_json(run_dir / DATA_FILE, {"format": FORMAT} | record.content(), indent=None)
    except OSError as error:
        with suppress(OSError):
            for name in reversed(_BEGINNING):
                (run_dir / name).unlink(missing_ok=True)
        raise _cannot_write(run_dir, error) from error
    return False


def _cannot_write(run_dir: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"Cannot write the run folder {run_dir}: {error.strerror}. Choose a different folder with --work-dir."
    )


def _names_cell(config: Path) -> bool:
    try:
        return re.search(r"^cell = dict\(", config.read_text(encoding="utf-8"), re.MULTILINE) is not None
    except (OSError, UnicodeDecodeError):
        return False


def _check_resumable(run_dir: Path, cfg_text: str) -> None:
    if not (run_dir / STATE_FILE).is_file():
        if not (run_dir / CELL_FILE).is_file():
            raise CheckpointMismatch(f"Cannot resume {run_dir}: there is no run. Start one without --resume.")
        finished = (run_dir / RESULT_FILE).is_file()
        reason = "the run is finished" if finished else f"there is no {STATE_FILE}, so nothing was saved yet"
        longer = (
            f" To train longer, start a new run from its weights: --from {run_dir} --work-dir NEW." if finished else ""
        )
        raise CheckpointMismatch(f"Cannot resume {run_dir}: {reason}. Start again with --overwrite.{longer}")
    _check_same_settings(run_dir, cfg_text)


def _check_same_settings(run_dir: Path, cfg_text: str) -> None:
    file = run_dir / CONFIG_FILE
    try:
        stored = file.read_text(encoding="utf-8")
        before = result_settings(stored, file=str(file))
    except (OSError, UnicodeDecodeError, ConfigError) as error:
        raise CheckpointMismatch(
            f"Cannot resume {run_dir}: its {CONFIG_FILE} cannot be read ({error}). Copy the run again, or start a new "
            f"one from its weights: --from {run_dir} --work-dir NEW."
        ) from error
    if stored == cfg_text:
        return
    changed = changed_settings(before, result_settings(cfg_text, file=CONFIG_FILE))
    if changed:
        key, old, new = changed[0]
        more = f" ({len(changed) - 1} more keys differ.)" if len(changed) > 1 else ""
        raise CheckpointMismatch(
            f"Cannot resume {run_dir}: the configuration has changed. First difference: `{key}={_show(old)}` is now "
            f"`{key}={_show(new)}`.{more} That changes the result. Repeat the options of the first start, start a new "
            f"run from the saved weights (--from {run_dir} --work-dir NEW), or start again with --overwrite."
        )


def _show(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
