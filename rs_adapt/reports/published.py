"""Published numbers beside ours: each with its selection, protocol and source, and never in our means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rs_adapt.audit.verify import published
from rs_adapt.errors import ConfigError
from rs_adapt.render.document import Cell, Grid, Part, score, spelled, text
from rs_adapt.reports.score_tables import Labels, seeds
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


def published_part(groups: Sequence[Group], labels: Labels, rows: Sequence[Mapping[str, Any]]) -> Part:
    """Our means and what is published for the same benches and settings.

    Args:
        groups: Ours.
        labels: Their names.
        rows: Of `published_rows`.
    """
    places = {(group.column.bench, group.column.setting) for group in groups if group.values}
    table: list[list[Cell]] = []
    for bench, setting in sorted(places):
        ours = [group for group in groups if (group.column.bench, group.column.setting) == (bench, setting)]
        theirs = [row for row in rows if (row["bench"], row["setting"]) == (bench, setting)]
        if not theirs:
            continue
        table += [_our_row(group, labels) for group in ours if group.values]
        table += [_their_row(row) for row in theirs]
    if not table:
        none = ", ".join(f"{spelled(bench)}-{setting}" for bench, setting in sorted(places)) or "these runs"
        return Part(anchor="published", title="Published numbers", text=[f"Nothing is published for {none}."])
    grid = Grid(
        title="",
        head=["bench", "method", "whose", "mIoU %", "checkpoint", "protocol", "source"],
        rows=table,
        names=3,
        notes=[
            "oracle*: the checkpoint was chosen by its score on the target's labels that are reported. Such a number "
            "is compared with our column oracle* at most, under the same protocol. Nothing published is in our means."
        ],
        paper=True,
    )
    return Part(
        anchor="published",
        title="Published numbers",
        text=["As printed, beside ours. Other protocols, backbones and selections: read the columns before comparing."],
        grids=[grid],
    )


def _our_row(group: Group, labels: Labels) -> list[Cell]:
    return [
        text(f"{spelled(group.column.bench)}-{group.column.setting}"),
        text(labels.of(group.row)),
        text("this report"),
        score(group.mean, under=seeds(group, ranged=True)),
        text(_checkpoint(group.scores[0].selection)),
        text(f"{group.column.facts[0].removeprefix('protocol ')}; {group.column.split}; {group.column.facts[-1]}"),
        text("-"),
    ]


def _their_row(row: Mapping[str, Any]) -> list[Cell]:
    variant = f" ({row['variant']})" if row.get("variant") else ""
    backbone = f", {spelled(str(row['backbone']))}" if row.get("backbone") else ""
    number = row.get("num_seeds")
    told = "" if not number else "1 seed" if number == 1 else f"{number} seeds"
    remarks = " ".join(str(row[key]) for key in ("issue", "note") if row.get(key))
    return [
        text(f"{spelled(str(row['bench']))}-{row['setting']}"),
        text(f"{spelled(str(row['method']))}{variant}{backbone}"),
        text("published"),
        score(float(row["miou_pct"]), under=told),
        text(_checkpoint(str(row["selection"]))),
        text(row["protocol"]),
        Cell(text=str(row["source"]), under=remarks),
    ]


def _checkpoint(selection: str) -> str:
    return spelled(selection) + ("*" if selection == "oracle" else "")


def check_against(against: str | None) -> None:
    """Refuse what is no source of published numbers.

    Raises:
        ConfigError: It is not "paper".
    """
    if against is not None and against not in AGAINST:
        raise ConfigError(f"There are no published numbers {against!r} to set beside ours. Say --against paper.")
