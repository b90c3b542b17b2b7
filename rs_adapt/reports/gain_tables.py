"""The section of gains: over source-only training, over the frozen backbone, and the share of the gap closed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from rs_adapt.render.document import Section, Table, TableCell, format_count, format_interval, score_cell, text_cell
from rs_adapt.reports.content import GainContent
from rs_adapt.reports.cost import group_cost
from rs_adapt.reports.score_tables import Labels, format_seeds, group_notes
from rs_adapt.runs.run import Run
from rs_adapt.scores.gains import Gains, PairedGain
from rs_adapt.scores.groups import Group
from rs_adapt.scores.intervals import RESAMPLES
from rs_adapt.scores.t_interval import LEVEL

# From the lower to the upper bound.
_SETTING_ORDER = ("dg", "da", "ss", "ov")
# Gains of more seeds than this do not fit into the note of a cell.
_MAX_SEEDS_SHOWN = 5
# Attributes of `Gains` by column of the table.
_COLUMNS = {"over source only": "over_source_only", "gap closed": "gap_closed", "over frozen": "over_frozen"}


def gains_section(groups: Sequence[Group], gains: Sequence[Gains], labels: Labels) -> Section | None:
    """Return a table for each bench, split and protocol whose groups have a reference; None without any.

    Args:
        groups: The groups of the report.
        gains: Their gains, in the same order.
        labels: Names of the groups.
    """
    by_column: dict[tuple[Any, ...], list[tuple[Group, Gains]]] = {}
    for group, gain in zip(groups, gains, strict=True):
        if group.mean is not None:
            column = group.column
            by_column.setdefault((column.bench, column.split, column.facts), []).append((group, gain))
    tables = [table for rows in by_column.values() if (table := _table(rows, labels)) is not None]
    if not tables:
        return None
    return Section(
        anchor="gains",
        title="Gains over references",
        text=[
            "mIoU of each way of training next to its references of the same seeds: source-only training (dg), "
            "training on the target's labels (ss), and the frozen backbone with a trained head. Gains are in points; "
            "the gap closed is the mean gain over source-only training as a share of the mean gap between the two "
            "references.",
            f"In brackets: the {100 * LEVEL:.0f} % t interval, with the variances of {RESAMPLES} resamples of the "
            "scenes (images, where scenes are unknown) and of as many of the seeds, the same ones for a row and its "
            "references; then the gain of each seed.",
        ],
        tables=tables,
    )


def gains_of_runs(groups: Sequence[Group], gains: Sequence[Gains]) -> dict[Path, dict[str, float | None]]:
    """Return the gains of single runs by run folder, for `results.csv`: points, and the gap closed in percent."""
    by_folder: dict[Path, dict[str, float | None]] = {}
    for group, gain in zip(groups, gains, strict=True):
        for score in group.scores:
            seed = score.run.seed
            by_folder[score.run.folder] = {
                "over_source_only": _gain_of_seed(gain.over_source_only, seed),
                "gap_closed_pct": _gain_of_seed(gain.gap_closed, seed),
                "over_frozen": _gain_of_seed(gain.over_frozen, seed),
            }
    return by_folder


def gain_json(gain: PairedGain | None) -> GainContent | None:
    """Return a gain as JSON: `value`, `low`, `high`, `seeds`, `by_seed`; None without a reference."""
    if gain is None:
        return None
    return {
        "value": round(gain.value, 3),
        "low": None if gain.interval is None else round(gain.interval.low, 3),
        "high": None if gain.interval is None else round(gain.interval.high, 3),
        "seeds": list(gain.seeds),
        "by_seed": [None if math.isnan(value) else round(value, 3) for value in gain.by_seed],
    }


def _table(rows: Sequence[tuple[Group, Gains]], labels: Labels) -> Table | None:
    titles = [title for title, name in _COLUMNS.items() if any(getattr(gain, name) is not None for _, gain in rows)]
    if not titles:
        return None
    column = rows[0][0].column
    ordered = sorted(rows, key=lambda row: _SETTING_ORDER.index(row[0].column.setting))
    on_source = any(_source_val(group) is not None for group, _ in rows)
    return Table(
        title=f"{column.name} · {column.protocol}",
        head=[
            "setting",
            "training",
            "mIoU %",
            *titles,
            *(["source val mIoU %"] if on_source else []),
            "adapter parameters",
            "minutes a run",
        ],
        rows=[
            [
                text_cell(group.column.setting),
                text_cell(labels.group_name(group.row)),
                score_cell(group.mean, note=format_seeds(group, with_range=True)),
                *(_gain_cell(getattr(gain, _COLUMNS[title]), is_share=title == "gap closed") for title in titles),
                *([score_cell(_source_val(group))] if on_source else []),
                *_cost_cells(group),
            ]
            for group, gain in ordered
        ],
        name_columns=2,
        notes=[
            "A dash: the runs of a reference are missing or share no seed, the row is the reference, or the target's "
            "labels did not help (gap closed).",
            *(["Source val: mean over seeds at the last evaluation, on the source's tiles."] if on_source else []),
            "Minutes: median over seeds, training with evaluations.",
            *dict.fromkeys(note for _, gain in rows for note in gain.refused),
            *group_notes([group for group, _ in rows]),
        ],
        for_paper=True,
    )


def _gain_cell(gain: PairedGain | None, *, is_share: bool) -> TableCell:
    if gain is None:
        return text_cell("")
    digits, sign, unit = (0, "", " %") if is_share else (1, "+", "")

    def format_gain(value: float) -> str:
        return "-" if math.isnan(value) else f"{value:{sign}.{digits}f}"

    ends = (None, None) if gain.interval is None else (gain.interval.low, gain.interval.high)
    notes = [format_interval(*ends, digits=digits, sign=sign)]
    if 1 < len(gain.seeds) <= _MAX_SEEDS_SHOWN:
        notes.append(", ".join(format_gain(value) for value in gain.by_seed))
    elif len(gain.seeds) == 1:
        notes.append("1 seed")
    return TableCell(text=f"{format_gain(gain.value)}{unit}", value=gain.value, note="; ".join(notes))


def _cost_cells(group: Group) -> list[TableCell]:
    cost = group_cost(group)
    parameters, train_s = cost["adapted"], cost["train_s"]
    return [
        text_cell("") if parameters is None else TableCell(text=format_count(parameters), value=parameters),
        score_cell(None if train_s is None else train_s / 60),
    ]


def _source_val(group: Group) -> float | None:
    """Return the mean mIoU on the source's validation tiles at the last evaluation; None unless every seed has it."""
    values = [_last_source_val(score.run) for score in group.scores]
    measured = [value for value in values if value is not None]
    return mean(measured) if measured and len(measured) == len(values) else None


def _last_source_val(run: Run) -> float | None:
    scores = [line.source_val.miou_pct for line in run.evaluations if line.source_val is not None]
    return scores[-1] if scores else None


def _gain_of_seed(gain: PairedGain | None, seed: int) -> float | None:
    if gain is None or seed not in gain.seeds:
        return None
    value = gain.by_seed[gain.seeds.index(seed)]
    return None if math.isnan(value) else round(value, 3)
