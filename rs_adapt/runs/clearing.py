"""Deletion of the files of a run, and refusal to write where a different run lies. Loads no torch."""

from __future__ import annotations

import os
from pathlib import Path

from rs_adapt.errors import OutputExists
from rs_adapt.runs.files import (
    CELL_FILE,
    CONFIG_FILE,
    CONFUSIONS_DIR,
    DIRS_OF_A_RUN,
    FILES_BESIDE_A_RUN,
    LOGGER_DIRS,
    PACKS_DIR,
    RESULT_FILE,
    STATE_FILE,
    SWEEP_CELL_FILE,
    is_written_by_run,
)

_DIRS = frozenset({*DIRS_OF_A_RUN, *LOGGER_DIRS})
# Folders of a run whose files are needed to read it.
_DIRS_OF_RESULTS = frozenset({PACKS_DIR, CONFUSIONS_DIR})


def clear_run(folder: Path) -> None:
    """Delete the files that a run wrote into a folder, and its sub-folders that are empty without them.

    All other files and folders stay, and so do the files of a sweep about the cell. Links are removed, not followed.

    Args:
        folder: The run folder; it need not exist.
    """
    # A run that is half deleted, because the process is killed, must look neither finished nor like no run.
    for name in (RESULT_FILE, STATE_FILE):
        (folder / name).unlink(missing_ok=True)
    last = (folder / CONFIG_FILE, folder / CELL_FILE)
    # Bottom up, so that a folder has lost its files when it is looked at.
    for root, folders, names in os.walk(folder, topdown=False):
        place = Path(root)
        links = [name for name in folders if (place / name).is_symlink()]
        for path in [place / name for name in (*names, *links) if place / name not in last]:
            below = path.relative_to(folder)
            if is_written_by_run(below) or (path.is_symlink() and below.name in _DIRS and path.parent == folder):
                path.unlink()
        if place != folder and _is_made_by_run(place.relative_to(folder)) and not any(place.iterdir()):
            place.rmdir()
    for path in last:
        path.unlink(missing_ok=True)


def sort_content(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return what runs wrote at the top of a folder, and all else; a sweep's files about the cell are in neither."""
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    paths = [path for path in paths if path.name not in FILES_BESIDE_A_RUN]
    of_runs = [path for path in paths if path.name in _DIRS or is_written_by_run(Path(path.name))]
    return of_runs, [path for path in paths if path not in of_runs]


def holds_run(folder: Path) -> bool:
    """Return whether a folder is that of a run or of a sweep's cell."""
    return any((folder / name).is_file() for name in (CELL_FILE, SWEEP_CELL_FILE))


def find_run_below(folder: Path) -> Path | None:
    """Return the folder of a run below a folder, other than the folder itself; None if there is none."""
    places = (Path(root) for root, _, _ in os.walk(folder))
    return next((place for place in places if place != folder and holds_run(place)), None)


def find_run_above(path: Path) -> Path | None:
    """Return the folder of the run inside which a path lies, the nearest one; None if there is none."""
    return next((place for place in path.absolute().parents if holds_run(place)), None)


def refuse_nested_run(run_dir: Path) -> None:
    """Refuse a folder for a new run that lies inside the folder of a different run, or has a run inside.

    Raises:
        OutputExists: There is such a run.
    """
    if (above := find_run_above(run_dir)) is not None:
        raise OutputExists(
            f"{run_dir} lies inside the folder of the run {above}. Choose a folder outside of it with --work-dir."
        )
    if (below := find_run_below(run_dir)) is not None:
        raise OutputExists(
            f"{run_dir} has the run {below} inside. Move that run out of it, or choose a different folder with "
            "--work-dir."
        )


def refuse_output_in_run(out: Path, *, may_hold_runs: bool = False) -> None:
    """Refuse a folder for the output of a command where the output would mix with the files of a run.

    Args:
        out: The folder that the user named with `--out`; it need not exist.
        may_hold_runs: Whether runs may lie inside.

    Raises:
        OutputExists: It is the folder of a run, `packs` or `confusions` of one, or has a run inside.
    """
    above = find_run_above(out)
    is_part = above is not None and out.absolute().relative_to(above).parts[0] in _DIRS_OF_RESULTS
    run = above if is_part else out if holds_run(out) else None
    if run is not None:
        raise OutputExists(f"{out} belongs to the run {run}. Choose a folder outside of it with --out.")
    if not may_hold_runs and (below := find_run_below(out)) is not None:
        raise OutputExists(f"{out} has the run {below} inside. Choose a different folder with --out.")


def _is_made_by_run(folder: Path) -> bool:
    return folder.parts[0] in _DIRS or is_written_by_run(folder / "file")
