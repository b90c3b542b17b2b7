"""The report's sections about the runs themselves: failures, a summary, and how to repeat each run."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rs_adapt.render.document import Section, Table, TableCell, hyphenate, text_cell
from rs_adapt.reports.score_tables import SETTINGS, Labels
from rs_adapt.runs.collect import Collection, describe_failure
from rs_adapt.runs.run import NOT_STARTED, Damage, Run
from rs_adapt.scores.groups import Group, commits

_LIBRARIES = ("torch", "onedl-mmsegmentation", "transformers")


def failures_section(collection: Collection, damaged: Sequence[Damage], base: Path) -> Section | None:
    """Return runs without a result and files that cannot be read; None where all is well."""
    tables = []
    broken = [run for run in collection.others if run.status != NOT_STARTED]
    waiting = [run.name for run in collection.others if run.status == NOT_STARTED]
    if broken:
        rows = [
            [
                text_cell(run.name if run.cell or run.title else shown(run.folder, base)),
                text_cell(run.status),
                text_cell(describe_failure(run)),
                text_cell(shown(run.log, base) if run.log else ""),
                _attempts(run),
            ]
            for run in broken
        ]
        head = ["cell", "state", "error", "log", "attempts"]
        tables.append(Table(title="Cells without a result", head=head, rows=rows, name_columns=4))
    if damaged:
        rows = [[text_cell(shown(one.place, base)), text_cell(one.why)] for one in damaged]
        tables.append(
            Table(title="Damaged files", head=["file or folder", "why it is left out"], rows=rows, name_columns=2)
        )
    if not tables and not waiting:
        return None
    started = "has" if len(waiting) == 1 else "have"
    told = [f"{len(waiting)} of the planned cells {started} not started: {'; '.join(waiting)}."] if waiting else []
    return Section(
        anchor="failed",
        title="Failed, unfinished or damaged",
        text=["Nothing of these is in the tables below.", *told],
        tables=tables,
        alarm=True,
    )


def summary_section(collection: Collection, groups: Sequence[Group], labels: Labels, remarks: Sequence[str]) -> Section:
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
            text_cell(f"{hyphenate(column.bench)}-{column.setting}"),
            text_cell(column.protocol),
            text_cell(column.split),
            text_cell(column.seen),
            _seeds([group for group in groups if group.column == column]),
        ]
        for column in columns
    ]
    table = Table(
        title="Protocols",
        head=["bench", "protocol", "scored on", "target in training, inference", "runs"],
        rows=rows,
        name_columns=4,
        notes=[f"{name}: {told.partition(': ')[2] or told}." for name, told in _settings(groups).items()],
    )
    return Section(anchor="summary", title="Summary", text=[*lines, *remarks], tables=[table] if rows else [])


def runs_section(collection: Collection, base: Path) -> Section:
    """Versions, machine, commit, and the command that repeats each run."""
    return Section(
        anchor="runs",
        title="Runs and environment",
        text=["Folders are relative to the first folder of this report. A + behind a commit: files differed from it."],
        tables=[
            Table(
                title="",
                head=["run", "folder", "commit", "rs-adapt", "libraries", "device", "finished", "command"],
                rows=[_environment_row(run, base) for run in collection.runs],
                name_columns=8,
            )
        ],
        folded=True,
    )


def shown(path: Path, base: Path) -> str:
    """Return a path relative to the report's first folder where it lies below it."""
    relative = os.path.relpath(path, base)
    return str(path) if relative.startswith("..") else relative


def revision(run: Run) -> str:
    """Return the commit of a run, 12 digits, with + where files differed from it; "" where unknown."""
    git = run.environment.git
    return f"{git.commit[:12]}{'+' if git.dirty else ''}" if git is not None and git.commit else ""


def _environment_row(run: Run, base: Path) -> list[TableCell]:
    facts = run.environment
    packages = facts.packages
    libraries = [f"Python {facts.python}"] if facts.python else []
    libraries += [f"{name.removeprefix('onedl-')} {packages[name]}" for name in _LIBRARIES if name in packages]
    return [
        text_cell(run.name if run.cell or run.title else run.status),
        text_cell(shown(run.folder, base)),
        text_cell(revision(run)),
        text_cell(facts.rs_adapt),
        text_cell(", ".join(libraries)),
        text_cell(facts.device),
        text_cell((run.result and run.result.finished) or run.status),
        text_cell(run.command),
    ]


def _attempts(run: Run) -> TableCell:
    sweep = run.sweep
    return TableCell(text="-") if sweep is None else TableCell(text=str(sweep.attempts), value=sweep.attempts)


def _seeds(groups: Sequence[Group]) -> TableCell:
    number = sum(len(group.scores) for group in groups)
    return TableCell(text=str(number), value=number)


def _settings(groups: Sequence[Group]) -> dict[str, str]:
    found = {group.column.setting for group in groups}
    return {name: told for name, told in SETTINGS.items() if name in found}
