"""The report's tables of scores: transfer matrix, selections, classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from statistics import mean

from rs_adapt.render.document import STAR, Section, Table, TableCell, format_interval, hyphenate, score_cell, text_cell
from rs_adapt.runs.selection import SELECTIONS
from rs_adapt.scores.columns import Column, Row
from rs_adapt.scores.groups import Group, score_title
from rs_adapt.scores.ranking import SHORT_RULE, Ranking, rank, rule
from rs_adapt.scores.t_interval import LEVEL, Interval
from rs_adapt.scores.tuning import TUNED_MARK, tuned_notes

SETTINGS = {
    "da": "Adaptation (da): labelled source, unlabelled target images",
    "dg": "Generalization (dg): the target is not seen",
    "ss": "Supervised on the target (ss): an upper bound, no transfer",
    "b2n": "Base to novel (b2n): few labelled images of base classes, scored on base and novel classes",
    "xd": "Across data sets (xd): few labelled images of one data set, scored on another",
    "ov": "Open vocabulary (ov): trained on some classes of the source, scored on all; the score is hIoU, the harmonic "
    "mean of the mIoU of seen and of unseen classes",
}
Rankings = Mapping[Column, tuple[Sequence[Group], Ranking]]


def rank_columns(groups: Sequence[Group]) -> Rankings:
    """Return groups and intervals by column, the groups of a column in the given order."""
    by_column: dict[Column, list[Group]] = {}
    for group in groups:
        by_column.setdefault(group.column, []).append(group)
    return {column: (members, rank(members)) for column, members in by_column.items()}


class Labels:
    """Names of groups, without the parts that all groups share; `shared_settings` states those."""

    def __init__(self, groups: Sequence[Group]) -> None:
        rows = [group.row for group in groups]
        self._bodies = {(row.backbone, row.head) for row in rows}
        self._overrides = set.intersection(*(set(row.overrides) for row in rows)) if rows else set()
        self._untuned = {row.untuned for row in rows}
        self._columns = {group.column for group in groups}

    def bench_name(self, column: Column) -> str:
        """Return bench and setting, with the protocol where the same bench was scored in several ways."""
        name = f"{hyphenate(column.bench)}-{column.setting}"
        same = [other for other in self._columns if (other.bench, other.setting) == (column.bench, column.setting)]
        facts = [(*other.facts, *other.details) for other in (column, *same)]
        # All columns have the same number of facts; the name states those that differ.
        differing = [values[0] for values in zip(*facts, strict=True) if len(set(values)) > 1]
        return f"{name} ({', '.join(differing)})" if differing else name

    def name(self, group: Group) -> str:
        """Return method and bench as a label."""
        return f"{self.bench_name(group.column)}: {self.group_name(group.row)}"

    def group_name(self, row: Row) -> str:
        """Return method, strategy if it trains on pseudo-labels, and other parts that differ between the groups."""
        parts = [f"{hyphenate(row.method)}{TUNED_MARK if row.tuned else ''}"]
        parts += [hyphenate(row.strategy)] if row.strategy != "source_only" else []
        parts += [f"{hyphenate(row.backbone)} + {hyphenate(row.head)}"] if len(self._bodies) > 1 else []
        parts += ["untuned"] if len(self._untuned) > 1 and row.untuned else []
        overrides = [text for text in row.overrides if text not in self._overrides]
        overrides += [row.variant] if row.variant else []
        return " · ".join(parts) + (f" ({', '.join(overrides)})" if overrides else "")

    def shared_settings(self) -> list[str]:
        """Return sentences about the settings that all groups share."""
        sentences = []
        if len(self._bodies) == 1:
            ((backbone, head),) = self._bodies
            sentences.append(f"Backbone {hyphenate(backbone)}, head {hyphenate(head)} in all runs.")
        if self._untuned == {True}:
            sentences.append("All runs use the methods' own values, not the values tuned for a bench (--untuned).")
        if self._overrides:
            sentences.append(f"In all runs: {', '.join(f'--set {text}' for text in sorted(self._overrides))}.")
        return sentences


def matrix_section(rankings: Rankings, labels: Labels) -> Section:
    """Return the scores by method and bench, in a table for each setting and protocol."""
    tables = [
        _matrix(setting, protocol, dict(columns), labels)
        for (setting, protocol), columns in groupby(
            sorted(rankings.items(), key=lambda item: item[0]), key=lambda item: (item[0].setting, item[0].protocol)
        )
    ]
    title = score_title(group for groups, _ in rankings.values() for group in groups)
    title = title if title == "mIoU" else title.capitalize()
    return Section(
        anchor="transfer",
        title="Transfer matrix",
        text=[
            f"{title} in % on the target: mean over seeds, below it [lowest, highest] and the number of seeds. Scores "
            "of different protocols, splits or classes are in different tables or columns.",
            rule(),
        ],
        tables=tables,
    )


def selections_section(groups: Sequence[Group], labels: Labels) -> Section:
    """Return the mIoU of the checkpoint that each selection chooses."""
    rows = []
    for group in groups:
        if not group.values:
            continue
        values = {name: group.mean_of(name) for name in SELECTIONS}
        last, oracle = values["last"], values["oracle"]
        rows.append(
            [
                text_cell(labels.bench_name(group.column)),
                text_cell(labels.group_name(group.row)),
                *(
                    score_cell(value, note=_gap(value, last) if name != "last" else "", digits=2)
                    for name, value in values.items()
                ),
                score_cell(None if last is None or oracle is None else oracle - last, digits=2, sign="+"),
                TableCell(text=str(len(group.scores)), value=len(group.scores)),
            ]
        )
    title = score_title(groups)
    table = Table(
        title=f"{title} of five ways to choose a checkpoint",
        head=[
            "bench",
            "method",
            "last",
            "guarded",
            "best source val",
            "best label-free",
            "oracle*",
            "oracle* - last",
            "seeds",
        ],
        rows=rows,
        name_columns=2,
        notes=[
            STAR,
            "A dash: a seed lacks the values that the selection needs, or a stored score. Below: the "
            "difference from last in points, where there is one.",
            *group_notes(groups),
        ],
        for_paper=True,
    )
    return Section(
        anchor="selections",
        title="Checkpoints: five selections",
        text=[f"Mean {title} over seeds in %, on the split and classes of the transfer matrix."],
        tables=[table] if rows else [],
    )


def classes_section(rankings: Rankings, labels: Labels) -> Section:
    """Return IoU by class with intervals, in a table for each column."""
    tables = []
    for column, (groups, ranking) in rankings.items():
        names = list(dict.fromkeys(name for group in groups for score in group.scores for name in score.iou_pct))
        if not names:
            continue
        rows = []
        for group, iou, miou in zip(groups, ranking.iou, ranking.miou, strict=True):
            means = {name: _mean(score.iou_pct.get(name) for score in group.scores) for name in names}
            cells = [score_cell(means[name], note=_interval_note(iou.get(name))) for name in names]
            rows.append(
                [text_cell(labels.group_name(group.row)), *cells, score_cell(group.mean, note=_interval_note(miou))]
            )
        level = f"{100 * LEVEL:.0f} % t interval"
        below = f"Below: {level} over {ranking.units}." if ranking.units else "No stored matrices."
        tables.append(
            Table(
                title=labels.bench_name(column),
                head=["method", *names, score_title(groups)],
                rows=rows,
                notes=[
                    f"{_class_title(groups)} in % on {column.split}, mean over seeds. {below} "
                    f"Scored: {column.protocol}.",
                    *group_notes(groups),
                ],
                for_paper=True,
            )
        )
    return Section(anchor="classes", title="Classes", tables=tables)


def group_notes(groups: Iterable[Group]) -> list[str]:
    """Return the footnotes about tuned values of a table's groups."""
    return tuned_notes(score.run for group in groups for score in group.scores)


def _class_title(groups: Sequence[Group]) -> str:
    title = groups[0].scores[0].measure.class_title
    return title if title == "IoU" else title.capitalize()


def _matrix(
    setting: str, protocol: str, columns: Mapping[Column, tuple[Sequence[Group], Ranking]], labels: Labels
) -> Table:
    cells: dict[Row, dict[Column, TableCell]] = {}
    notes = []
    for column, (groups, ranking) in columns.items():
        for position, group in enumerate(groups):
            cells.setdefault(group.row, {})[column] = _matrix_cell(group, bold=position == ranking.best)
        over = f" Over {ranking.units}." if ranking.units else ""
        notes.append(f"{column.name}: {ranking.why}{over}")
    return Table(
        title=f"{SETTINGS.get(setting, setting).partition(':')[0]} · {protocol}",
        head=["method", *(_head(column, columns) for column in columns)],
        rows=[
            [text_cell(labels.group_name(row)), *(by_column.get(column, text_cell("")) for column in columns)]
            for row, by_column in sorted(cells.items())
        ],
        notes=[
            *notes,
            *([SHORT_RULE] if len(cells) > 1 else []),
            *([STAR] if "oracle*" in protocol else []),
            *group_notes(group for groups, _ in columns.values() for group in groups),
        ],
        for_paper=True,
    )


def _matrix_cell(group: Group, *, bold: bool) -> TableCell:
    values = group.values
    if not values:
        return TableCell(text="-", note="not scored")
    return score_cell(group.mean, note=format_seeds(group, with_range=True), bold=bold)


def format_seeds(group: Group, *, with_range: bool = False) -> str:
    """Return the number of seeds with a score, such as "3 seeds"; with the lowest and the highest score before it."""
    values = group.values
    number = f"{len(values)} seed{'' if len(values) == 1 else 's'}"
    return f"{format_interval(min(values), max(values), digits=1)}, {number}" if with_range and values[1:] else number


def _head(column: Column, columns: Iterable[Column]) -> str:
    """Return bench and split, with the use of the target where two columns share both."""
    same = [other for other in columns if other.name == column.name]
    differing = [of[0] for of in zip(column.details, *(other.details for other in same), strict=True) if len({*of}) > 1]
    return f"{column.name} ({', '.join(differing)})" if differing else column.name


def _gap(value: float | None, last: float | None) -> str:
    return "" if value is None or last is None or value == last else f"{value - last:+.2f}"


def _interval_note(interval: Interval | None) -> str:
    low, high = (None, None) if interval is None else (interval.low, interval.high)
    return format_interval(low, high, digits=1)


def _mean(values: Iterable[float | None]) -> float | None:
    numbers = [value for value in values if value is not None]
    return mean(numbers) if numbers else None
