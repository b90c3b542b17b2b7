"""The runs below some folders: finished, unfinished, failed, and what cannot be read. Loads no torch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rs_adapt.errors import ConfigError
from rs_adapt.runs.files import (
    CELL_FILE,
    DIRS_OF_A_RUN,
    LOG_FILE,
    METRICS_FILE,
    RESULT_FILE,
    STATE_FILE,
    SWEEP_CELL_FILE,
    SWEEP_PLAN_FILE,
)
from rs_adapt.runs.read import AXES, UnreadableFile, check_result, read_lines, read_table

# What a sweep writes: into each cell's folder, and into the folder of all.
FINISHED = "finished"
# Of a cell that a sweep plans.
NOT_BEGUN = "missing"
# Folders within a run that hold no runs.


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run folder.

    Attributes:
        folder: where it is.
        status: "finished", "unfinished", or a sweep's word: "failed", "interrupted", "missing", "running" (or killed).
        cell: names by axis, `seed`, `tuned`; empty where nothing tells it.
        options: `overrides`, `weights`, ... it was started with.
        command: the command line that made it; "" where unknown.
        environment: versions, machine, commit.
        result: content of `result.json`; None where the run is not finished.
        lines: content of `metrics.jsonl`, as far as it can be read.
        error: last line of the error of a failed run.
        log: where its log lies; "" where there is none.
        attempts: how often a sweep tried it; None without a sweep.
        title: what a sweep calls it.
        digest: by which a sweep knows its settings.
    """

    folder: Path
    status: str
    cell: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    command: str = ""
    environment: Mapping[str, Any] = field(default_factory=dict)
    result: Mapping[str, Any] | None = None
    lines: Sequence[Mapping[str, Any]] = ()
    error: str = ""
    log: str = ""
    attempts: int | None = None
    title: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """The cell in words, or the folder where nothing tells it."""
        if not all(axis in self.cell for axis in AXES):
            return self.title or str(self.folder)
        bench, setting, method, backbone, head, strategy, seed = (str(self.cell[axis]) for axis in AXES)
        return " / ".join(
            _spelled(word) for word in (f"{bench}-{setting}", method, f"{backbone} + {head}", strategy, f"seed {seed}")
        )

    @property
    def overrides(self) -> tuple[str, ...]:
        """What was set beside the cell: `--set` and its short forms, and other base weights."""
        weights = self.options.get("weights")
        given = [str(text) for text in self.options.get("overrides") or ()]
        return (*given, *([f"weights={Path(str(weights)).name}"] if weights else []))


@dataclass(frozen=True, kw_only=True)
class Damaged:
    """A file or folder that cannot be used, and why."""

    place: Path
    why: str


@dataclass(frozen=True, kw_only=True)
class Collection:
    """All runs below the folders, ordered by folder, what was damaged, and what else a reader should know."""

    runs: tuple[Run, ...]
    damaged: tuple[Damaged, ...]
    remarks: tuple[str, ...] = ()

    @property
    def finished(self) -> tuple[Run, ...]:
        """Runs with a result."""
        return tuple(run for run in self.runs if run.result is not None)

    @property
    def others(self) -> tuple[Run, ...]:
        """Runs without a result."""
        return tuple(run for run in self.runs if run.result is None)


def collect(places: Sequence[Path]) -> Collection:
    """Find and read all runs below the folders; a damaged one is named and stops nothing.

    Args:
        places: Run folders, or folders above them; a run that lies below two of them counts once.

    Raises:
        ConfigError: A place is no folder, or there is no run below any.
    """
    for place in places:
        if not place.is_dir():
            raise ConfigError(
                f"There is no folder {place}. Name run folders or folders above them, such as work_dirs (what "
                "rs-adapt train writes)."
            )
    runs: list[Run] = []
    damaged: list[Damaged] = []
    for folder in _run_folders(places):
        try:
            run, found = _read(folder)
            runs.append(run)
            damaged += found
        except UnreadableFile as error:
            damaged.append(Damaged(place=folder, why=str(error)))
    if not runs and not damaged:
        raise ConfigError(
            f"There is no run below {', '.join(map(str, places))}: no folder holds a cell.json. rs-adapt train and "
            "rs-adapt sweep write runs."
        )
    remarks = _beside_the_plan(_plans(places, damaged), runs)
    return Collection(runs=tuple(runs), damaged=tuple(damaged), remarks=tuple(remarks))


def told_failure(run: Run) -> str:
    """What is known of a run without a result, for a table."""
    if run.error:
        return run.error
    if run.status == NOT_BEGUN:
        return "not begun"
    last = max((line["iter"] for line in run.lines), default=None)
    at = "" if last is None else f"; {last} iterations are in its metrics.jsonl"
    if run.status == "running":
        return f"no result.json yet{at}; its process goes on, or was killed."
    resumable = " rs-adapt train ... --resume goes on." if (run.folder / STATE_FILE).is_file() else ""
    return f"no result.json{at}.{resumable}"


def _spelled(name: str) -> str:
    return name.replace("_", "-")


def _run_folders(places: Iterable[Path]) -> Iterator[Path]:
    seen: set[Path] = set()
    for place in places:
        for root, folders, files in os.walk(place):
            folder = Path(root)
            is_run = CELL_FILE in files or SWEEP_CELL_FILE in files
            hidden = DIRS_OF_A_RUN if is_run else set()
            folders[:] = sorted(name for name in folders if name not in hidden and not name.startswith("."))
            if is_run and folder.resolve() not in seen:
                seen.add(folder.resolve())
                yield folder


def _read(folder: Path) -> tuple[Run, list[Damaged]]:
    damaged: list[Damaged] = []
    sweep: dict[str, Any] = {}
    try:
        sweep = read_table(folder / SWEEP_CELL_FILE) or {}
    except UnreadableFile as error:
        damaged.append(Damaged(place=folder / SWEEP_CELL_FILE, why=str(error)))
    record = read_table(folder / CELL_FILE) or {}
    result = read_table(folder / RESULT_FILE)
    if result is not None:
        check_result(result)
    lines, lost = read_lines(folder / METRICS_FILE, whole=result is not None)
    if lost:
        damaged.append(Damaged(place=folder / METRICS_FILE, why=lost))
    said = sweep.get("status")
    own_log = str(folder / LOG_FILE) if (folder / LOG_FILE).is_file() else ""
    known = result or record
    run = Run(
        folder=folder,
        status=FINISHED if result is not None else str(said) if said not in (None, "done") else "unfinished",
        cell=_dict(known, "cell") or _cell_of(sweep),
        options=_dict(record or known, "options"),
        command=str(record.get("command") or sweep.get("command") or ""),
        environment=_dict(result or record, "environment"),
        result=result,
        lines=lines,
        error=str(sweep.get("error") or "") if result is None else "",
        # A sweep's is relative to the cell's folder.
        log=str(folder / str(sweep["log"])) if sweep.get("log") else own_log,
        attempts=sweep["attempts"] if isinstance(sweep.get("attempts"), int) else None,
        title=str(sweep.get("title") or ""),
        digest=str(sweep.get("digest") or ""),
    )
    return run, damaged


def _cell_of(sweep: Mapping[str, Any]) -> dict[str, Any]:
    """The cell of a sweep's record, for a run that has not begun to write its own."""
    identity = _dict(sweep, "identity")
    return {axis: identity[f"cell.{axis}"] for axis in AXES if f"cell.{axis}" in identity}


def _plans(places: Iterable[Path], damaged: list[Damaged]) -> dict[Path, Mapping[str, Any]]:
    """The cells that the sweeps of these folders plan, by folder."""
    planned: dict[Path, Mapping[str, Any]] = {}
    for place in places:
        for file in [place / SWEEP_PLAN_FILE, *sorted(place.glob(f"*/{SWEEP_PLAN_FILE}"))]:
            try:
                cells = (read_table(file) or {}).get("cells") or []
                planned |= {file.parent / str(cell["folder"]): cell for cell in cells}
            except (UnreadableFile, TypeError, KeyError, AttributeError) as error:
                damaged.append(Damaged(place=file, why=f"the plan of the sweep cannot be read: {error}"))
    return planned


def _beside_the_plan(planned: Mapping[Path, Mapping[str, Any]], runs: list[Run]) -> list[str]:
    """Add planned cells that have no run yet; say which results are of other settings than the plan's."""
    by_folder = {run.folder.resolve(): run for run in runs}
    remarks = []
    for folder, cell in planned.items():
        run = by_folder.get(folder.resolve())
        if run is None:
            known = {axis: cell[axis] for axis in AXES if axis in cell}
            runs.append(Run(folder=folder, status=NOT_BEGUN, cell=known, title=str(cell.get("title") or "")))
        elif run.result is not None and run.digest != str(cell.get("digest")):
            told = "has a result of other settings than its sweep asks for; rs-adapt sweep says which."
            remarks.append(f"Stale: {folder} {told}")
    return remarks


def _dict(content: Mapping[str, Any] | None, key: str) -> dict[str, Any]:
    value = (content or {}).get(key)
    return value if isinstance(value, dict) else {}
