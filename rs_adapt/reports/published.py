"""Published numbers beside ours: each with its selection, protocol and source, and never in our means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rs_adapt.audit.verify import published
from rs_adapt.errors import ConfigError
from rs_adapt.render.document import Section, Table, TableCell, hyphenate, score_cell, text_cell
from rs_adapt.reports.score_tables import Labels, format_seeds
from rs_adapt.scores.groups import Group

AGAINST = ("paper",)


def published_rows() -> list[dict[str, Any]]:
    """All published scores that come with rs-adapt: bench, setting, method, miou_pct, selection, protocol, source.

    Raises:
        ConfigError: A file of them is damaged.
    """
    keys = ("bench", "setting", "method", "miou_pct", "selection", "protocol", "source")
    more = ("backbone", "variant", "num_seeds", "issue", "note", "table")
    return [
        {key: getattr(row, key) for key in keys} | {key: getattr(row, key) for key in more}
        for row in published.published_rows()
    ]


def published_section(groups: Sequence[Group], labels: Labels, rows: Sequence[Mapping[str, Any]]) -> Section:
    """Our means and what is published for the same benches and settings.

    Args:
        groups: Ours.
        labels: Their names.
        rows: Of `published_rows`.
    """
    places = {(group.column.bench, group.column.setting) for group in groups if group.values}
    rows_shown: list[list[TableCell]] = []
    for bench, setting in sorted(places):
        ours = [group for group in groups if (group.column.bench, group.column.setting) == (bench, setting)]
        theirs = [row for row in rows if (row["bench"], row["setting"]) == (bench, setting)]
        if not theirs:
            continue
        rows_shown += [_our_row(group, labels) for group in ours if group.values]
        rows_shown += [_their_row(row) for row in theirs]
    if not rows_shown:
        none = ", ".join(f"{hyphenate(bench)}-{setting}" for bench, setting in sorted(places)) or "these runs"
        return Section(anchor="published", title="Published numbers", text=[f"Nothing is published for {none}."])
    table = Table(
        title="",
        head=["bench", "method", "whose", "mIoU %", "checkpoint", "protocol", "source"],
        rows=rows_shown,
        name_columns=3,
        notes=[
            "oracle*: the checkpoint was chosen by its score on the target's labels that are reported. Such a number "
            "is compared with our column oracle* at most, under the same protocol. Nothing published is in our means."
        ],
        for_paper=True,
    )
    return Section(
        anchor="published",
        title="Published numbers",
        text=["As printed, beside ours. Other protocols, backbones and selections: read the columns before comparing."],
        tables=[table],
    )


def _our_row(group: Group, labels: Labels) -> list[TableCell]:
    return [
        text_cell(f"{hyphenate(group.column.bench)}-{group.column.setting}"),
        text_cell(labels.of(group.row)),
        text_cell("this report"),
        score_cell(group.mean, note=format_seeds(group, with_range=True)),
        text_cell(_checkpoint(group.scores[0].selection)),
        text_cell(f"{group.column.facts[0].removeprefix('protocol ')}; {group.column.split}; {group.column.facts[-1]}"),
        text_cell("-"),
    ]


def _their_row(row: Mapping[str, Any]) -> list[TableCell]:
    variant = f" ({row['variant']})" if row.get("variant") else ""
    backbone = f", {hyphenate(str(row['backbone']))}" if row.get("backbone") else ""
    number = row.get("num_seeds")
    told = "" if not number else "1 seed" if number == 1 else f"{number} seeds"
    remarks = " ".join(str(row[key]) for key in ("issue", "note") if row.get(key))
    return [
        text_cell(f"{hyphenate(str(row['bench']))}-{row['setting']}"),
        text_cell(f"{hyphenate(str(row['method']))}{variant}{backbone}"),
        text_cell("published"),
        score_cell(float(row["miou_pct"]), note=told),
        text_cell(_checkpoint(str(row["selection"]))),
        text_cell(row["protocol"]),
        TableCell(text=str(row["source"]), note=remarks),
    ]


def _checkpoint(selection: str) -> str:
    return hyphenate(selection) + ("*" if selection == "oracle" else "")


def check_against(against: str | None) -> None:
    """Refuse what is no source of published numbers.

    Raises:
        ConfigError: It is not "paper".
    """
    if against is not None and against not in AGAINST:
        raise ConfigError(f"There are no published numbers {against!r} to set beside ours. Say --against paper.")
