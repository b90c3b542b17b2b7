"""The report of a sweep: its cells as table, line or JSON, the counts of states, and `sweep.json`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NotRequired, TypedDict

from rs_adapt.errors import ConfigError, UnreadableFile
from rs_adapt.render.document import format_interval
from rs_adapt.runs.files import SWEEP_LOG_FILE, SWEEP_PLAN_FILE
from rs_adapt.runs.records import PlannedCell, Result, SkippedCell, SweepPlan, read_record, write_record
from rs_adapt.scores.contradictions import check_result
from rs_adapt.scores.current import current_result, mean_line
from rs_adapt.scores.settings import run_of
from rs_adapt.scores.tuning import TUNED_MARK, tuned_notes, tuned_values_of
from rs_adapt.sweeps.folder import STATES, CellState, describe_progress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rich.console import RenderableType
    from rich.table import Table

    from rs_adapt.runs.records import Result
    from rs_adapt.sweeps.cells import Expansion, SweepCell
    from rs_adapt.sweeps.spec import Spec

_STYLES = {
    "done": "green",
    "running": "bold",
    "failed": "red",
    "stale": "yellow",
    "interrupted": "yellow",
    "missing": "dim",
}


def write_sweep_file(folder: Path, spec: Spec, expansion: Expansion) -> None:
    """Write `sweep.json`: the sweep's name and file, cells with their folders and hashes, and skipped combinations.

    It names cells; their states are in the cells' folders.

    Raises:
        ConfigError: The folder belongs to a different sweep, or cannot be written to.
    """
    present = _read_sweep_name(folder)
    if present not in ("", spec.name):
        raise ConfigError(
            f"{folder} belongs to the sweep {present!r}, but {spec.file} is {spec.name!r}. Choose a "
            "different --work-dir."
        )
    plan = SweepPlan(
        name=spec.name,
        title=spec.title,
        file=spec.file.name,
        cells=[
            PlannedCell(
                folder=cell.name, title=str(cell), digest=cell.digest, **vars(cell.cell), overrides=list(cell.overrides)
            )
            for cell in expansion.cells
        ],
        skipped=[SkippedCell(what=skipped.what, reason=skipped.reason) for skipped in expansion.skipped],
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_record(folder / SWEEP_PLAN_FILE, plan)
    except OSError as error:
        raise ConfigError(
            f"Cannot write to {folder}: {error.strerror}. Choose a different folder with --work-dir."
        ) from error


def _read_sweep_name(folder: Path) -> str:
    """Return the name of the sweep of a folder; empty where there is none."""
    try:
        plan = read_record(folder / SWEEP_PLAN_FILE, SweepPlan)
    except UnreadableFile:
        return ""
    return "" if plan is None else plan.name


def cells_table(cells: Sequence[SweepCell], states: Mapping[str, CellState]) -> Table:
    """Return a row per cell: state, mIoU with its interval, selection of the checkpoint, protocol, minutes."""
    from rich.table import Table

    from rs_adapt.render.terminal import styled

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("cell", overflow="fold")
    titles = {result.score_title for state in states.values() if (result := state.result) is not None}
    # Cells of several tasks have scores of several kinds.
    score = f"{titles.pop() if len(titles) == 1 else 'score' if titles else 'mIoU'} %"
    for name in ("state", score, "95 % interval", "checkpoint", "protocol", "minutes"):
        table.add_column(name, justify="right" if name in (score, "minutes") else "left", no_wrap=True)
    for cell in cells:
        state = states[cell.name]
        facts = cell_facts(cell, state)
        scored = _scored(cell, state)
        interval = None if scored is None else scored.interval
        table.add_row(
            f"{cell}{TUNED_MARK if facts['tuned'] else ''}",
            styled(state.status, _STYLES[state.status]),
            "" if scored is None or scored.score_pct is None else f"{scored.score_pct:.1f}",
            "" if interval is None else format_interval(interval.low, interval.high, digits=1),
            facts["headline"] or "",
            facts["protocol"] or "",
            "" if facts["minutes"] is None else f"{facts['minutes']:.1f}",
        )
    return table


def tuned_lines(cells: Sequence[SweepCell], states: Mapping[str, CellState]) -> list[str]:
    """Return footnotes about cells whose results use values tuned for the bench."""
    marked = [cell for cell in cells if cell_facts(cell, states[cell.name])["tuned"]]
    return tuned_notes(run for cell in marked if (run := run_of(cell.folder)) is not None)


def live_view(cells: Sequence[SweepCell], states: Mapping[str, CellState], *, height: int) -> RenderableType:
    """Return the counts, and a row for each cell that runs or has failed, as many as fit into `height` lines."""
    from rich.table import Table

    from rs_adapt.render.terminal import styled

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column(counts_line(states))
    for name in ("state", "so far"):
        table.add_column(name, no_wrap=True)
    rows = [cell for cell in cells if states[cell.name].status == "running"]
    rows += [cell for cell in cells if states[cell.name].status == "failed"]
    for cell in rows[: max(1, height - 4)]:
        state = states[cell.name]
        so_far = describe_progress(cell.folder) if state.status == "running" else state.note
        if so_far.startswith("iteration"):
            so_far = f"{so_far}/{cell.iters}"
        table.add_row(str(cell), styled(state.status, _STYLES[state.status]), so_far[:60])
    return table


def change_line(cell: SweepCell, state: CellState, states: Mapping[str, CellState]) -> str:
    """Return one line about a change of state, for output that is not a terminal."""
    num_done = sum(state.status == "done" for state in states.values())
    facts = cell_facts(cell, state)
    detail = ""
    scored = _scored(cell, state)
    if state.status == "done" and scored is not None and scored.score_pct is not None:
        detail = f": {scored.score_title} {scored.score_pct:.1f} %"
    elif state.status == "failed":
        detail = f": {state.note} Log: {facts['log']}"
    return f"{num_done}/{len(states)} done; {state.status}: {cell}{detail}"


def counts_line(states: Mapping[str, CellState]) -> str:
    """Return the number of cells in each state, such as `3 done, 1 failed`."""
    counts = Counter(state.status for state in states.values())
    return ", ".join(f"{counts[status]} {status}" for status in STATES if counts[status])


def trouble_lines(cells: Sequence[SweepCell], states: Mapping[str, CellState]) -> list[str]:
    """Return lines about cells that failed, are stale or stopped: the reason, and the log."""
    lines = []
    for cell in cells:
        state = states[cell.name]
        if state.status == "failed":
            times = state.record.attempts
            lines.append(f"failed after {times} attempt{'s' * (times != 1)}: {cell}: {state.note}")
            lines.append(f"  log: {cell.folder / SWEEP_LOG_FILE}")
        elif state.status == "done" and state.result is not None:
            contradictions = check_result(cell.folder, state.result)
            lines += [f"contradiction: {cell}: {contradiction}" for contradiction in contradictions]
        elif state.status in ("stale", "interrupted") or (state.status == "missing" and state.note):
            lines.append(f"{state.status}: {cell}{f': {state.note}' if state.note else ''}")
    return lines


class CellFacts(TypedDict):
    """A cell as the table and JSON show it."""

    cell: str
    folder: str
    digest: str
    state: str
    note: str
    miou_pct: float | None
    accuracy_pct: NotRequired[float | None]
    harmonic_mean_pct: NotRequired[float | None]
    classes: str | None
    interval: Mapping[str, object] | None
    tuned: Mapping[str, object] | None
    headline: str | None
    protocol: str | None
    minutes: float | None
    attempts: int
    error: str | None
    log: str | None


def cell_facts(cell: SweepCell, state: CellState) -> CellFacts:
    """Return a cell as the table and JSON show it."""
    result, record = state.result, state.record
    contradictions = () if result is None else check_result(cell.folder, result)
    scored = _scored(cell, state)
    protocol = None if result is None else result.protocol
    interval = None if scored is None else scored.interval
    seconds = (None if result is None else result.train_s) or record.wall_s
    log = cell.folder / SWEEP_LOG_FILE
    facts: CellFacts = {
        "cell": str(cell),
        "folder": str(cell.folder),
        "digest": cell.digest,
        "state": state.status,
        "note": " ".join((state.note, *contradictions)).strip(),
        "miou_pct": None if scored is None else scored.miou_pct,
        "classes": None if scored is None or scored.score_pct is None else mean_line(scored),
        "interval": None if interval is None else interval.content(),
        "tuned": None if result is None else _tuned_values(cell.folder, result),
        "headline": None if result is None else result.headline,
        "protocol": f"{protocol.name}-{protocol.version}" if protocol is not None and protocol.name else None,
        "minutes": round(seconds / 60, 2) if seconds else None,
        "attempts": record.attempts,
        "error": record.error,
        "log": str(log) if log.is_file() else None,
    }
    if scored is not None and scored.score_key == "accuracy_pct":
        facts["accuracy_pct"] = scored.score_pct
    elif scored is not None and scored.score_key == "harmonic_mean_pct":
        facts["harmonic_mean_pct"] = scored.score_pct
    return facts


def _scored(cell: SweepCell, state: CellState) -> Result | None:
    """Return the result of a cell under the present rule for classes without true pixels; None without a result.

    A score that its matrices do not give is in no table.
    """
    if state.result is None or check_result(cell.folder, state.result):
        return None
    return current_result(cell.folder, state.result)


def _tuned_values(folder: Path, result: Result) -> Mapping[str, object] | None:
    """Return the tuned values of a result, by adapter setting; None where they are not known."""
    tuned = result.tuned
    if tuned is None:
        # An older result: its configuration has them.
        run = run_of(folder)
        tuned = None if run is None else tuned_values_of(run)
    return None if tuned is None else dict(tuned.values)
