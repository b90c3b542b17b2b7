"""The section of published scores next to ours: each with selection, protocol and source, never in our means."""

from __future__ import annotations

from collections.abc import Sequence

from rs_adapt.audit.verify.published import PublishedRow
from rs_adapt.errors import ConfigError
from rs_adapt.render.document import Section, Table, TableCell, hyphenate, score_cell, text_cell
from rs_adapt.reports.score_tables import Labels, format_seeds, group_notes
from rs_adapt.scores.groups import Group

AGAINST = ("paper",)


def published_section(groups: Sequence[Group], labels: Labels, rows: Sequence[PublishedRow]) -> Section:
    """Return our means and the published scores of the same benches and settings.

    Args:
        groups: The groups of the report.
        labels: Names of the groups.
        rows: Published scores.
    """
    benches = {(group.column.bench, group.column.setting) for group in groups if group.values}
    table_rows: list[list[TableCell]] = []
    for bench, setting in sorted(benches):
        ours = [group for group in groups if (group.column.bench, group.column.setting) == (bench, setting)]
        theirs = [row for row in rows if (row.bench, row.setting) == (bench, setting)]
        if not theirs:
            continue
        table_rows += [_our_row(group, labels) for group in ours if group.values]
        table_rows += [_published_row(row) for row in theirs]
    if not table_rows:
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
        tables=[table],
    )


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


def _published_row(row: PublishedRow) -> list[TableCell]:
    variant = f" ({row.variant})" if row.variant else ""
    backbone = f", {hyphenate(row.backbone)}" if row.backbone else ""
    seeds = "" if not row.num_seeds else "1 seed" if row.num_seeds == 1 else f"{row.num_seeds} seeds"
    return [
        text_cell(f"{hyphenate(row.bench)}-{row.setting}"),
        text_cell(f"{hyphenate(row.method)}{variant}{backbone}"),
        text_cell("published"),
        score_cell(row.miou_pct, note=seeds),
        text_cell(_checkpoint(row.selection)),
        text_cell(row.protocol),
        TableCell(text=row.source, note=" ".join(text for text in (row.issue, row.note) if text)),
    ]


def _checkpoint(selection: str) -> str:
    return hyphenate(selection) + ("*" if selection == "oracle" else "")


def check_against(against: str | None) -> None:
    """Check the name of a source of published numbers.

    Raises:
        ConfigError: The name is neither None nor "paper".
    """
    if against is not None and against not in AGAINST:
        raise ConfigError(f"There are no published numbers named {against!r}. Use --against paper.")
