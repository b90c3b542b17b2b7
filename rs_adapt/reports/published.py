"""The section of published scores next to ours: each with selection, protocol and source, never in our means."""

from __future__ import annotations

from collections.abc import Sequence

from rs_adapt.audit.verify.published import PublishedRow
from rs_adapt.config.class_means import OPEN
from rs_adapt.errors import ConfigError
from rs_adapt.render.document import Section, Table, TableCell, hyphenate, score_cell, text_cell
from rs_adapt.reports.score_tables import Labels, format_seeds, group_notes
from rs_adapt.scores.groups import Group

AGAINST = ("paper",)
_OPEN_NOTE = (
    "Of the setting ov, our score is hIoU, the harmonic mean of seen and unseen classes, and a published one the mIoU "
    "over all names of the target. `rs-adapt score RUN --classes all` gives that mean of our predictions."
)


def published_section(groups: Sequence[Group], labels: Labels, rows: Sequence[PublishedRow]) -> Section:
    """Return our means and the published scores of the same benches and settings.

    Further tables have the published means over several benches of which the report has one, and how the methods and
    strategies of the report did on data that rs-adapt has no bench for.

    Args:
        groups: The groups of the report.
        labels: Names of the groups.
        rows: Published scores.
    """
    benches = {(group.column.bench, group.column.setting) for group in groups if group.values}
    finished = [group for group in groups if group.values]
    table_rows: list[list[TableCell]] = []
    for bench, setting in sorted(benches):
        ours = [group for group in groups if (group.column.bench, group.column.setting) == (bench, setting)]
        theirs = [row for row in rows if (row.bench, row.setting) == (bench, setting) and not row.domain]
        if not theirs:
            continue
        table_rows += [_our_row(group, labels) for group in ours if group.values]
        table_rows += [_published_row(row) for row in theirs]
    means = [row for row in rows if any((bench, row.setting) in benches for bench in row.mean_of)]
    # A frozen or a fully tuned backbone is what a method is compared with, and tells nothing away from that table.
    used = {name for group in finished for name in (group.row.method, group.row.strategy)} - {"frozen", "full"}
    elsewhere = [row for row in rows if row.domain and row.method in used]
    further = [*_further("Means over several benches", means), *_further("The same methods on other data", elsewhere)]
    if not table_rows and not further:
        names = ", ".join(f"{hyphenate(bench)}-{setting}" for bench, setting in sorted(benches)) or "these runs"
        return Section(anchor="published", title="Published numbers", text=[f"Nothing is published for {names}."])
    table = Table(
        title="",
        head=["bench", "method", "origin", "mIoU %", "checkpoint", "protocol", "source"],
        rows=table_rows,
        name_columns=3,
        notes=[
            "oracle*: the checkpoint was selected by the reported score on the target's labels. Compare "
            "such a number only with our column oracle*, under the same protocol. Our means include no published "
            "score.",
            *([_OPEN_NOTE] if any(setting == OPEN for _, setting in benches) else []),
            *group_notes(groups),
        ],
        for_paper=True,
    )
    return Section(
        anchor="published",
        title="Published numbers",
        text=[
            "Scores as published, next to ours. Compare only rows of equal protocol, backbone and checkpoint selection."
        ],
        tables=[*([table] if table_rows else []), *further],
    )


def _further(title: str, rows: Sequence[PublishedRow]) -> list[Table]:
    """Return the table of published scores that stand beside no score of ours; none without rows."""
    if not rows:
        return []
    return [
        Table(
            title=title,
            head=["data", "method", "mIoU %", "checkpoint", "protocol", "source"],
            rows=[_published_row(row, ours=False) for row in rows],
            name_columns=2,
        )
    ]


def _our_row(group: Group, labels: Labels) -> list[TableCell]:
    return [
        text_cell(f"{hyphenate(group.column.bench)}-{group.column.setting}"),
        text_cell(labels.group_name(group.row)),
        text_cell("this report"),
        score_cell(group.mean, note=format_seeds(group, with_range=True)),
        text_cell(_checkpoint(group.scores[0].selection)),
        text_cell(f"{group.column.facts[0].removeprefix('protocol ')}; {group.column.split}; {group.column.facts[-1]}"),
        text_cell("-"),
    ]


def _published_row(row: PublishedRow, *, ours: bool = True) -> list[TableCell]:
    variant = f" ({row.variant})" if row.variant else ""
    backbone = f", {hyphenate(row.backbone)}" if row.backbone else ""
    seeds = "" if not row.num_seeds else "1 seed" if row.num_seeds == 1 else f"{row.num_seeds} seeds"
    bench = f"{hyphenate(row.bench)}-{row.setting}" if row.bench else f"mean of {_mean_of(row)}"
    return [
        text_cell(f"{bench} ({row.domain})" if row.domain else bench),
        text_cell(f"{hyphenate(row.method)}{variant}{backbone}"),
        *([text_cell("published")] if ours else []),
        score_cell(row.miou_pct, note=seeds),
        text_cell(_checkpoint(row.selection)),
        text_cell(row.protocol),
        TableCell(text=row.source, note=" ".join(text for text in (row.issue, row.note) if text)),
    ]


def _mean_of(row: PublishedRow) -> str:
    return ", ".join(f"{hyphenate(bench)}-{row.setting}" for bench in row.mean_of)


def _checkpoint(selection: str) -> str:
    return hyphenate(selection) + ("*" if selection == "oracle" else "")


def check_against(against: str | None) -> None:
    """Check the name of a source of published numbers.

    Raises:
        ConfigError: The name is neither None nor "paper".
    """
    if against is not None and against not in AGAINST:
        raise ConfigError(f"There are no published numbers named {against!r}. Use --against paper.")
