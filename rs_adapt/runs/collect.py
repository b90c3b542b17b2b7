"""The runs below some folders: finished, unfinished, failed and damaged ones. Loads no torch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rs_adapt.errors import ConfigError, UnreadableFile
from rs_adapt.runs.files import CELL_FILE, DIRS_OF_A_RUN, MANIFEST_FILE, SWEEP_CELL_FILE, SWEEP_PLAN_FILE
from rs_adapt.runs.means import read_mean, with_members
from rs_adapt.runs.records import PlannedCell, SweepPlan, read_record
from rs_adapt.runs.run import NOT_STARTED, RUNNING, Damage, Run


@dataclass(frozen=True, kw_only=True)
class Collection:
    """All runs below some folders.

    Attributes:
        runs: All runs by folder, then the cells that a sweep plans and has not started.
        means: Means of trained models that `rs-adapt eval` has scored, as runs (`read_mean`).
        damaged: Folders and files that cannot be read.
        remarks: Sentences about results that no longer belong to their sweep.
    """

    runs: tuple[Run, ...]
    damaged: tuple[Damage, ...]
    remarks: tuple[str, ...] = ()
    means: tuple[Run, ...] = ()

    @property
    def finished(self) -> tuple[Run, ...]:
        """Runs with a result."""
        return tuple(run for run in self.runs if run.result is not None)

    @property
    def others(self) -> tuple[Run, ...]:
        """Runs without a result."""
        return tuple(run for run in self.runs if run.result is None)


def collect(places: Sequence[Path]) -> Collection:
    """Find and read all runs and means of them below the folders. A damaged one is reported in `damaged` and skipped.

    Args:
        places: Run folders, or folders above them; a run that lies below two of them counts once.

    Raises:
        ConfigError: A place is no folder, or there is no run below any.
    """
    for place in places:
        if not place.is_dir():
            raise ConfigError(
                f"There is no folder {place}. Name run folders or folders above them, such as work_dirs, where "
                "rs-adapt train writes."
            )
    runs: list[Run] = []
    means: list[Run] = []
    damaged: list[Damage] = []
    for folder, is_run in _folders(places):
        try:
            run = Run.read(folder) if is_run else read_mean(folder)
        except UnreadableFile as error:
            damaged.append(Damage(place=folder, why=str(error)))
            continue
        if run is not None:
            (runs if is_run else means).append(run)
            damaged += run.damage
    means = [with_members(mean, runs) for mean in means]
    if not runs and not means and not damaged:
        raise ConfigError(
            f"There is no run below {', '.join(map(str, places))}: no folder holds a cell.json. rs-adapt train and "
            "rs-adapt sweep write runs."
        )
    runs, remarks = _compare_with_plan(_plans(places, damaged), runs)
    return Collection(runs=tuple(runs), damaged=tuple(damaged), remarks=tuple(remarks), means=tuple(means))


def describe_failure(run: Run) -> str:
    """Return why a run has no result, for a cell of a table."""
    if run.error:
        return run.error
    if run.status == NOT_STARTED:
        return "not started"
    last = max((line.iter for line in run.metrics), default=None)
    progress = "" if last is None else f"; {last} iterations are in its metrics.jsonl"
    if run.status == RUNNING:
        return f"no result.json yet{progress}; its process is still running, or was killed."
    resumable = " rs-adapt train ... --resume continues it." if run.can_resume else ""
    return f"no result.json{progress}.{resumable}"


def _folders(places: Iterable[Path]) -> Iterator[tuple[Path, bool]]:
    """Yield the folders of runs, and others with a pack, each with whether it is a run's."""
    seen: set[Path] = set()
    for place in places:
        for root, folders, files in os.walk(place):
            folder = Path(root)
            is_run = CELL_FILE in files or SWEEP_CELL_FILE in files
            is_pack = MANIFEST_FILE in files
            hidden = DIRS_OF_A_RUN if is_run or is_pack else set()
            folders[:] = sorted(name for name in folders if name not in hidden and not name.startswith("."))
            if (is_run or is_pack) and folder.resolve() not in seen:
                seen.add(folder.resolve())
                yield folder, is_run


def _plans(places: Iterable[Path], damaged: list[Damage]) -> dict[Path, PlannedCell]:
    """Return the cells that the sweeps of these folders plan, by folder; add plans that cannot be read to `damaged`."""
    planned: dict[Path, PlannedCell] = {}
    for place in places:
        for file in [place / SWEEP_PLAN_FILE, *sorted(place.glob(f"*/{SWEEP_PLAN_FILE}"))]:
            try:
                plan = read_record(file, SweepPlan)
            except UnreadableFile as error:
                damaged.append(Damage(place=file, why=f"the plan of the sweep cannot be read: {error}"))
                continue
            planned |= {file.parent / cell.folder: cell for cell in plan.cells} if plan else {}
    return planned


def _compare_with_plan(planned: Mapping[Path, PlannedCell], runs: list[Run]) -> tuple[list[Run], list[str]]:
    """Add planned cells that have no run yet, and report results whose settings differ from the plan's."""
    position = {run.folder.resolve(): number for number, run in enumerate(runs)}
    runs, remarks = list(runs), []
    for folder, cell in planned.items():
        number = position.get(folder.resolve())
        if number is None:
            runs.append(Run(folder=folder, status=NOT_STARTED, planned=cell))
            continue
        run = runs[number] = replace(runs[number], planned=cell)
        if run.result is not None and (run.sweep is None or run.sweep.digest != cell.digest):
            remarks.append(
                f"Stale: {folder} has a result of settings other than its sweep's; rs-adapt sweep names them."
            )
    return runs, remarks
