"""Contradictions among the published numbers, recomputed from the tables; what the files say in `issue` is not read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from rs_adapt.audit.verify.published import PublishedRow, published_rows, published_tables
from rs_adapt.audit.verify.published_files import PrintedRow, PrintedTable

# Half a unit of the last printed digit, of a score and of a mean of scores, and a little for binary fractions.
_ROUNDING = 0.05 + 0.05 + 1e-9
# Rein on DINOv2-L differs by 2 to 5 points between two papers that share authors: so much may be the protocol.
BETWEEN_PAPERS_POINTS = 4.0


def contradictions() -> dict[str, str]:
    """Return the contradictions among the published numbers, by table and method.

    A contradiction is one of four: a printed mean that differs from the mean of its row; two scores of one cell,
    selection and protocol that differ by more than their rounding; two publications whose scores of one cell differ by
    more than `BETWEEN_PAPERS_POINTS`; and a method that is so much below another publication's frozen backbone.
    """
    printed = {f"{table.id}/{row.method}{row.variant}" for table in published_tables() for row in table.rows}
    found = [*_wrong_means(), *_within_a_protocol(), *_between_publications()]
    # A log is not wrong because a table differs from it, and a gain's reference is not printed itself.
    return {name: text for name, text in found if name in printed}


def _wrong_means() -> Iterator[tuple[str, str]]:
    for table in published_tables():
        for row in table.rows:
            mean = sum(row.miou_pct) / len(row.miou_pct)
            if row.mean_pct is not None and abs(mean - row.mean_pct) > _ROUNDING:
                yield (
                    f"{table.id}/{row.method}{row.variant}",
                    (f"the printed mean is {row.mean_pct}, the mean of the row {mean:.2f}"),
                )


def _within_a_protocol() -> Iterator[tuple[str, str]]:
    def identity(row: PublishedRow) -> tuple[str, ...]:
        return row.bench, *row.mean_of, row.setting, row.method, row.backbone, row.selection, row.protocol

    # A protocol of a method's own is one for each publication.
    plain = [row for row in published_rows() if not row.variant and row.protocol != "own"]
    for _, same in groupby(sorted(plain, key=identity), key=identity):
        rows = list(same)
        for row in rows:
            others = [other for other in rows if abs(other.miou_pct - row.miou_pct) > _ROUNDING]
            if others:
                text = ", ".join(f"{other.miou_pct} in {other.table}" for other in others)
                yield f"{row.table}/{row.method}", f"{_where(row)}: {row.miou_pct} here, {text}"


def _between_publications() -> Iterator[tuple[str, str]]:
    def cell(row: PublishedRow) -> tuple[str, ...]:
        return row.bench, *row.mean_of, row.setting, row.backbone

    plain = [row for row in published_rows() if not row.variant and not row.domain and row.backbone]
    plain += [mean for table in published_tables() for row in table.rows for mean in _printed_mean(table, row)]
    for _, same in groupby(sorted(plain, key=cell), key=cell):
        rows = list(same)
        for row in rows:
            others = [other for other in rows if other.source != row.source and _disagree(row, other)]
            if others:
                text = ", ".join(f"{other.miou_pct} for {other.method} in {other.table}" for other in others)
                yield f"{row.table}/{row.method}", f"{_where(row)}: {row.miou_pct} here, {text}"


def _disagree(row: PublishedRow, other: PublishedRow) -> bool:
    difference = row.miou_pct - other.miou_pct
    if row.method == other.method:
        # A log's own last evaluation is one of several; only its best is what a table prints.
        return abs(difference) > BETWEEN_PAPERS_POINTS and "last" not in (row.selection, other.selection)
    if row.method == "frozen":
        return difference > BETWEEN_PAPERS_POINTS
    return other.method == "frozen" and -difference > BETWEEN_PAPERS_POINTS


def _printed_mean(table: PrintedTable, row: PrintedRow) -> Sequence[PublishedRow]:
    """Return the printed mean of a row as a score of its own, to compare with tables that print nothing else."""
    benches = [bench for bench in table.benches if isinstance(bench, str)]
    if row.mean_pct is None or len(benches) < 2 or row.variant or table.domain:
        return []
    (first,) = [
        one
        for one in published_rows()
        if (one.table, one.method, one.bench, one.variant) == (table.id, row.method, benches[0], "")
    ]
    return [replace(first, bench="", mean_of=tuple(benches), miou_pct=row.mean_pct)]


def _where(row: PublishedRow) -> str:
    return row.bench or f"mean of {len(row.mean_of)} benches"
