"""The section of transfer pairs: the gain of each way of training over all benches, and the worst of them."""

from __future__ import annotations

from collections.abc import Sequence

from rs_adapt.render.document import Section, Table, TableCell, format_interval, text_cell
from rs_adapt.reports.content import TransferContent
from rs_adapt.reports.score_tables import Labels
from rs_adapt.scores.t_interval import LEVEL
from rs_adapt.scores.transfer import TransferGains


def transfer_section(summaries: Sequence[TransferGains], labels: Labels) -> Section | None:
    """Return one table for each way of scoring, one row for each way of training; None without any.

    Args:
        summaries: From `summarize_transfer`.
        labels: Names of the groups.
    """
    by_scoring: dict[tuple[str, ...], list[TransferGains]] = {}
    for summary in summaries:
        by_scoring.setdefault(summary.scoring, []).append(summary)
    if not by_scoring:
        return None
    return Section(
        anchor="pairs",
        title="Gains over transfer pairs",
        text=[
            "Gains over source-only training in points of mIoU, by pair of source and target: the gain on each pair is "
            "that of the section of gains, and each pair counts the same. In brackets: the "
            f"{100 * LEVEL:.0f} % t interval of the mean, in which the pairs are the units. The gap closed is the mean "
            "gain as a share of the mean gap to training on the target's labels.",
        ],
        tables=[_table(scoring, rows, labels) for scoring, rows in by_scoring.items()],
    )


def transfer_content(summaries: Sequence[TransferGains]) -> list[TransferContent]:
    """Return the summaries as JSON."""
    return [
        {
            "setting": summary.setting,
            "method": summary.row.method,
            "strategy": summary.row.strategy,
            "backbone": summary.row.backbone,
            "head": summary.row.head,
            "overrides": list(summary.row.overrides),
            "differs": summary.row.variant,
            "scoring": ", ".join(summary.scoring),
            "mean_gain": round(summary.mean, 3),
            "low": round(summary.interval.low, 3),
            "high": round(summary.interval.high, 3),
            "gap_closed_pct": None if summary.gap_closed_pct is None else round(summary.gap_closed_pct, 3),
            "gains": {bench: round(gain.value, 3) for bench, gain in zip(summary.benches, summary.gains, strict=True)},
            "harmed": list(summary.harmed),
        }
        for summary in summaries
    ]


def _table(scoring: Sequence[str], rows: Sequence[TransferGains], labels: Labels) -> Table:
    return Table(
        title=", ".join(scoring),
        head=["setting", "training", "mean gain", "worst gain", "pairs with a gain", "pairs harmed", "gap closed"],
        rows=[_row(summary, labels) for summary in rows],
        name_columns=2,
        notes=[
            "Harmed: the whole interval of the pair's gain lies below 0; without an interval, a pair is not counted.",
            *_missing_pairs(rows, labels),
        ],
        for_paper=True,
    )


def _missing_pairs(rows: Sequence[TransferGains], labels: Labels) -> list[str]:
    """Return a sentence for each row that was measured on fewer pairs than the rows together."""
    every = dict.fromkeys(bench for row in rows for bench in row.benches)
    sentences = []
    for row in rows:
        if missing := [_name(bench) for bench in every if bench not in row.benches]:
            name = labels.group_name(row.row)
            sentences.append(
                f"{row.setting}, {name}: not measured on {', '.join(missing)}, so its mean is over others."
            )
    return sentences


def _row(summary: TransferGains, labels: Labels) -> list[TableCell]:
    bench, worst = summary.worst
    interval = format_interval(summary.interval.low, summary.interval.high, digits=1, sign="+")
    closed = summary.gap_closed_pct
    return [
        text_cell(summary.setting),
        text_cell(labels.group_name(summary.row)),
        TableCell(text=f"{summary.mean:+.1f}", value=summary.mean, note=interval),
        TableCell(text=f"{worst:+.1f}", value=worst, note=_name(bench)),
        TableCell(text=f"{summary.num_helped} of {len(summary.gains)}", value=summary.num_helped / len(summary.gains)),
        TableCell(text=str(len(summary.harmed)), value=len(summary.harmed), note=", ".join(map(_name, summary.harmed))),
        text_cell("") if closed is None else TableCell(text=f"{closed:.0f} %", value=closed),
    ]


def _name(bench: str) -> str:
    return bench.replace("_", "-")
