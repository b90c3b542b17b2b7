"""The report's parts about the runs themselves: what failed, what was done, and what each run needs to be repeated."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from rs_adapt.render.document import Cell, Grid, Part, spelled, text
from rs_adapt.reports.score_tables import SETTINGS, Labels
from rs_adapt.runs.collect import NOT_BEGUN, Collection, Damaged, Run, told_failure
from rs_adapt.scores.groups import Group, commits

_LIBRARIES = ("torch", "onedl-mmsegmentation", "transformers")


def failures_part(collection: Collection, damaged: Sequence[Damaged], base: Path) -> Part | None:
    """Runs without a result and files that cannot be read; None where all is well."""
    grids = []
    broken = [run for run in collection.others if run.status != NOT_BEGUN]
    waiting = [run.name for run in collection.others if run.status == NOT_BEGUN]
    if broken:
        rows = [
            [
                text(run.name if run.cell or run.title else shown(run.folder, base)),
                text(run.status),
                text(told_failure(run)),
                text(shown(Path(run.log), base) if run.log else ""),
                Cell(text="-" if run.attempts is None else str(run.attempts), value=run.attempts),
            ]
            for run in broken
        ]
        head = ["cell", "state", "error", "log", "attempts"]
        grids.append(Grid(title="Cells without a result", head=head, rows=rows, names=4))
    if damaged:
        rows = [[text(shown(one.place, base)), text(one.why)] for one in damaged]
        grids.append(Grid(title="Damaged files", head=["file or folder", "why it is left out"], rows=rows, names=2))
    if not grids and not waiting:
        return None
    begun = "has" if len(waiting) == 1 else "have"
    told = [f"{len(waiting)} of the planned cells {begun} not begun: {'; '.join(waiting)}."] if waiting else []
    return Part(
        anchor="failed",
        title="Failed, unfinished or damaged",
        text=["Nothing of these is in the tables below.", *told],
        grids=grids,
        alarm=True,
    )


def summary_part(collection: Collection, groups: Sequence[Group], labels: Labels, remarks: Sequence[str]) -> Part:
    """How many runs of what, under which protocols, and what all have in common."""
    states = Counter(run.status for run in collection.runs)
    lines = [
        f"{len(collection.runs)} runs: {', '.join(f'{number} {state}' for state, number in states.most_common())}.",
        *labels.shared(),
    ]
    mixed = [labels.name(group) for group in groups if len(commits([group])) > 1]
    if mixed:
        lines.append(f"Seeds made with different versions of the code: {'; '.join(mixed)}.")
    if any(commit.endswith("+") for commit in commits(groups)):
        lines.append("Some runs were made with files that differ from their commit (+ in the table of runs).")
    columns = sorted({group.column for group in groups})
    rows = [
        [
            text(f"{spelled(column.bench)}-{column.setting}"),
            text(column.protocol),
            text(column.split),
            text(column.seen),
            _seeds([group for group in groups if group.column == column]),
        ]
        for column in columns
    ]
    grid = Grid(
        title="Protocols",
        head=["bench", "protocol", "scored on", "target in training, inference", "runs"],
        rows=rows,
        names=4,
        notes=[f"{name}: {told.partition(': ')[2] or told}." for name, told in _settings(groups).items()],
    )
    return Part(anchor="summary", title="Summary", text=[*lines, *remarks], grids=[grid] if rows else [])


def runs_part(collection: Collection, base: Path) -> Part:
    """Versions, machine, commit, and the command that repeats each run."""
    return Part(
        anchor="runs",
        title="Runs and environment",
        text=["Folders are relative to the first folder of this report. A + behind a commit: files differed from it."],
        grids=[
            Grid(
                title="",
                head=["run", "folder", "commit", "rs-adapt", "libraries", "device", "finished", "command"],
                rows=[_environment_row(run, base) for run in collection.runs],
                names=8,
            )
        ],
        folded=True,
    )


def shown(path: Path, base: Path) -> str:
    """A path relative to the report's first folder where it lies below it."""
    relative = os.path.relpath(path, base)
    return str(path) if relative.startswith("..") else relative


def revision(run: Run) -> str:
    """The commit of a run, 12 digits, with + where files differed from it; "" where unknown."""
    git = run.environment.get("git")
    if not isinstance(git, Mapping) or not git.get("commit"):
        return ""
    return f"{str(git['commit'])[:12]}{'+' if git.get('dirty') else ''}"


def _environment_row(run: Run, base: Path) -> list[Cell]:
    facts, result = run.environment, run.result or {}
    packages = facts.get("packages")
    packages = packages if isinstance(packages, Mapping) else {}
    libraries = [f"Python {facts['python']}"] if facts.get("python") else []
    libraries += [f"{name.removeprefix('onedl-')} {packages[name]}" for name in _LIBRARIES if name in packages]
    return [
        text(run.name if run.cell or run.title else run.status),
        text(shown(run.folder, base)),
        text(revision(run)),
        text(facts.get("rs_adapt")),
        text(", ".join(libraries)),
        text(facts.get("device")),
        text(result.get("finished") or run.status),
        text(run.command),
    ]


def _seeds(groups: Sequence[Group]) -> Cell:
    number = sum(len(group.scores) for group in groups)
    return Cell(text=str(number), value=number)


def _settings(groups: Sequence[Group]) -> dict[str, str]:
    found = {group.column.setting for group in groups}
    return {name: told for name, told in SETTINGS.items() if name in found}
