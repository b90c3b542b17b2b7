"""The report's sections about runs: failures, a summary, and the command that repeats each run."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rs_adapt.render.document import Section, Table, TableCell, hyphenate, score_cell, text_cell
from rs_adapt.reports.result_tables import views_of
from rs_adapt.reports.score_tables import SETTINGS, Labels
from rs_adapt.runs.collect import Collection, describe_failure
from rs_adapt.runs.evaluations import list_evaluations
from rs_adapt.runs.identity import describe_environments
from rs_adapt.runs.means import scored_folder
from rs_adapt.runs.run import NOT_STARTED, Damage, Run
from rs_adapt.scores.groups import Group, commits

_LIBRARIES = ("torch", "onedl-mmsegmentation", "transformers")


def failures_section(collection: Collection, damaged: Sequence[Damage], base: Path) -> Section | None:
    """Return the runs without a result and the files that cannot be read; None if there are neither."""
    tables = []
    broken = [run for run in collection.others if run.status != NOT_STARTED]
    waiting = [run.name for run in collection.others if run.status == NOT_STARTED]
    if broken:
        rows = [
            [
                text_cell(run.name if run.cell or run.title else format_path(run.folder, base)),
                text_cell(run.status),
                text_cell(describe_failure(run)),
                text_cell(format_path(run.log, base) if run.log else ""),
                _attempts(run),
            ]
            for run in broken
        ]
        head = ["cell", "state", "error", "log", "attempts"]
        tables.append(Table(title="Cells without a result", head=head, rows=rows, name_columns=4))
    if damaged:
        rows = [[text_cell(format_path(damage.place, base)), text_cell(damage.why)] for damage in damaged]
        tables.append(Table(title="Damaged files", head=["file or folder", "reason"], rows=rows, name_columns=2))
    if not tables and not waiting:
        return None
    started = "has" if len(waiting) == 1 else "have"
    notes = [f"{len(waiting)} of the planned cells {started} not started: {'; '.join(waiting)}."] if waiting else []
    return Section(
        anchor="failed",
        title="Failed, unfinished or damaged",
        text=["None of these are in the tables below.", *notes],
        tables=tables,
        alarm=True,
    )


def summary_section(collection: Collection, groups: Sequence[Group], labels: Labels, remarks: Sequence[str]) -> Section:
    """Return the number of runs by state, the protocols, and the settings that all runs share."""
    states = Counter(run.status for run in collection.runs)
    number = len(collection.runs)
    counts = ", ".join(f"{count} {state}" for state, count in states.most_common())
    lines = [
        f"{number} run{'' if number == 1 else 's'}: {counts}.",
        *labels.shared_settings(),
    ]
    mixed = [labels.name(group) for group in groups if len(commits([group])) > 1]
    if mixed:
        lines.append(f"Groups with seeds that ran with different versions of the code: {'; '.join(mixed)}.")
    if any(commit.endswith("+") for commit in commits(groups)):
        lines.append("Some runs used uncommitted changes (+ after the commit in the table of runs).")
    environments = describe_environments(score.run for group in groups for score in group.scores)
    if environments:
        lines.append(
            f"Not all runs had the same versions or device, which can move last digits: {'; '.join(environments)}."
        )
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
        notes=[f"{name}: {text.partition(': ')[2] or text}." for name, text in _settings(groups).items()],
    )
    return Section(anchor="summary", title="Summary", text=[*lines, *remarks], tables=[table] if rows else [])


def runs_section(collection: Collection, base: Path) -> Section:
    """Return versions, machine and commit of each run, and the command that repeats it."""
    return Section(
        anchor="runs",
        title="Runs and environment",
        text=["Folders are relative to the first folder of this report. A + after a commit: uncommitted changes."],
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


def evaluations_section(collection: Collection, base: Path) -> Section | None:
    """Return what `rs-adapt eval` stored in the folders of the runs, each with its precision; None where it did not."""
    rows = [
        [
            text_cell(run.name),
            text_cell(f"{result.cell.bench} {result.protocol.report_split or 'not scored'}"),
            score_cell(result.score_pct, note="" if result.score_key == "miou_pct" else result.score_title, digits=2),
            text_cell(result.precision or "not recorded"),
            text_cell(views_of(result)),
            text_cell(result.environment.device),
            text_cell(result.environment.rs_adapt),
            text_cell(result.environment.packages.get("torch")),
            text_cell(format_path(folder, base)),
        ]
        for run in collection.runs
        for folder, result in list_evaluations(run.folder)
        # That of a mean is the score of its row.
        if folder != scored_folder(run.folder)
    ]
    if not rows:
        return None
    head = ["run", "scored on", "score %", "precision", "views", "device", "rs-adapt", "torch", "folder"]
    return Section(
        anchor="evaluations",
        title="Further evaluations",
        text=["Of rs-adapt eval, beside the results of the runs. They are in no mean and no comparison of this page."],
        tables=[Table(title="", head=head, rows=rows, name_columns=2)],
        folded=True,
    )


def format_path(path: Path, base: Path) -> str:
    """Return the path relative to the report's first folder, or unchanged if it is not below that folder."""
    relative = os.path.relpath(path, base)
    return str(path) if relative.startswith("..") else relative


def format_revision(run: Run) -> str:
    """Return the first 12 digits of a run's commit, with + for uncommitted changes; "" if the commit is unknown."""
    git = run.environment.git
    return f"{git.commit[:12]}{'+' if git.dirty else ''}" if git is not None and git.commit else ""


def _environment_row(run: Run, base: Path) -> list[TableCell]:
    facts = run.environment
    packages = facts.packages
    libraries = [f"Python {facts.python}"] if facts.python else []
    libraries += [f"{name.removeprefix('onedl-')} {packages[name]}" for name in _LIBRARIES if name in packages]
    return [
        text_cell(run.name if run.cell or run.title else run.status),
        text_cell(format_path(run.folder, base)),
        text_cell(format_revision(run)),
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
    used = {group.column.setting for group in groups}
    return {name: text for name, text in SETTINGS.items() if name in used}
