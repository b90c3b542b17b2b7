"""A cost comparison as JSON, CSV, Markdown and a table on the screen."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Literal

from rich import box
from rich.table import Table

from rs_adapt.cost.measure import Comparison, MethodCost
from rs_adapt.render.csv_text import csv_text
from rs_adapt.render.pareto import pareto_front
from rs_adapt.runs.records import (
    CostRecord,
    MethodCostRecord,
    RelativeCost,
    Times,
    TrainableParameters,
    UnmeasuredMethod,
)

_Compared = Literal["parameters", "pack_bytes", "memory_bytes", "train_ms", "infer_ms"]
# Columns that are compared with the reference, with their titles in the table.
_COMPARED: dict[_Compared, str] = {
    "parameters": "total",
    "pack_bytes": "pack, bytes",
    "memory_bytes": "memory, MiB",
    "train_ms": "ms / iteration",
    "infer_ms": "ms / inference",
}
_MIB = 2**20


def cost_record(comparison: Comparison) -> CostRecord:
    """Return the content of `cost.json`: the setup, a row for each method, and the methods not measured with reasons.

    Times are in milliseconds: median, quartiles and each round. `relative` divides by the first row, the frozen
    backbone. `non_dominated` marks the methods that no other method beats in both trainable backbone parameters and
    time per iteration. The frozen backbone is left out of that comparison: it adapts nothing, and nothing is cheaper.

    Args:
        comparison: The measurements, the reference first.
    """
    reference, *others = comparison.costs
    best = pareto_front({cost.method: (cost.backbone_parameters, _median_ms(cost.train_s)) for cost in others})
    rows = [_row(cost, reference, non_dominated=cost.method in best) for cost in comparison.costs]
    return CostRecord(
        **dict(comparison.setup),
        methods=rows,
        not_measured=[UnmeasuredMethod(method=name, reason=reason) for name, reason in comparison.refused.items()],
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def cost_title(record: CostRecord) -> str:
    """Return the title of a comparison: bench, backbone and head."""
    names = [f"{record.bench}_{record.setting}", record.backbone, record.head]
    return "cost of methods: " + " / ".join(_hyphenate(name) for name in names)


def cost_notes(record: CostRecord) -> list[str]:
    """Return the notes below the table: work, device, spread, meaning of memory, methods that were not measured."""
    rows = record.methods
    spread_pct, widest = max((_spread_pct(row), row.method) for row in rows)
    notes = [
        f"Work: {record.batch_size} random crops of {record.crop_px} px in {record.precision} on "
        f"{record.environment.device}; medians of {record.rounds} rounds after {record.warmup} of "
        "warm-up, methods in turns. In brackets: multiples of the frozen backbone's value.",
        f"The middle half of the rounds lies within {spread_pct:.0f} % of a method's median ms / iteration "
        f"(widest: {_hyphenate(widest)}).",
        f"Memory: {record.memory}.",
    ]
    if best := [_hyphenate(row.method) for row in rows if row.non_dominated]:
        notes.append(f"* no other method has both fewer backbone parameters and faster iterations: {', '.join(best)}.")
    notes += [f"Not measured: {_hyphenate(missing.method)}: {missing.reason}" for missing in record.not_measured]
    return notes


def cost_table(record: CostRecord) -> Table:
    """Return the table for the screen; numbers in brackets are multiples of the frozen backbone's."""
    table = Table(box=box.SIMPLE, pad_edge=False)
    header, *rows = _table_cells(record)
    for number, name in enumerate(header):
        table.add_column(name, justify="right" if number else "left", no_wrap=number > 0)
    for row in rows:
        table.add_row(*row)
    return table


def cost_markdown(record: CostRecord) -> str:
    """Return table and notes as a Markdown document."""
    header, *rows = _table_cells(record)
    lines = [
        f"# {cost_title(record).capitalize()}",
        "",
        _format_row(header),
        _format_row(["---", *["---:"] * (len(header) - 1)]),
        *(_format_row(row) for row in rows),
        "",
        *(f"- {note}" for note in cost_notes(record)),
    ]
    # An unescaped star would start italics.
    return "\n".join(line.replace("*", "\\*") for line in lines) + "\n"


def cost_csv(record: CostRecord) -> str:
    """Return a CSV line for each measured method: exact counts, times in milliseconds."""
    head = (
        ["method", "backbone_parameters", "head_parameters", "pack_bytes", "memory_bytes"]
        + [f"{name}{suffix}" for name in ("train_ms", "infer_ms") for suffix in ("", "_q1", "_q3")]
        + [f"{name}_relative" for name in _COMPARED]
        + ["non_dominated"]
    )
    rows: list[list[object]] = [[*head]]
    for row in record.methods:
        rows.append(
            [row.method, row.parameters.backbone, row.parameters.head]
            + [row.pack_bytes, row.memory_bytes]
            + [value for times in (row.train_ms, row.infer_ms) for value in (times.median, times.q1, times.q3)]
            + [getattr(row.relative, name) for name in _COMPARED]
            + [int(row.non_dominated)]
        )
    return csv_text(rows)


def _row(cost: MethodCost, reference: MethodCost, *, non_dominated: bool) -> MethodCostRecord:
    def relative(measure: Callable[[MethodCost], float]) -> float:
        return round(measure(cost) / measure(reference), 4)

    return MethodCostRecord(
        method=cost.method,
        parameters=TrainableParameters(backbone=cost.backbone_parameters, head=cost.head_parameters),
        pack_bytes=cost.pack_bytes,
        memory_bytes=cost.memory_bytes,
        train_ms=_times(cost.train_s),
        infer_ms=_times(cost.infer_s),
        relative=RelativeCost(
            parameters=relative(lambda c: c.backbone_parameters + c.head_parameters),
            pack_bytes=relative(lambda c: c.pack_bytes),
            memory_bytes=relative(lambda c: c.memory_bytes),
            train_ms=relative(lambda c: _median_ms(c.train_s)),
            infer_ms=relative(lambda c: _median_ms(c.infer_s)),
        ),
        non_dominated=non_dominated,
    )


def _median_ms(seconds: Sequence[float]) -> float:
    return 1e3 * statistics.median(seconds)


def _times(seconds: Sequence[float]) -> Times:
    rounds_ms = [round(1e3 * value, 4) for value in seconds]
    # Quartiles need at least two values.
    q1, _, q3 = statistics.quantiles(rounds_ms, n=4, method="inclusive") if len(rounds_ms) > 1 else 3 * rounds_ms
    return Times(
        median=round(_median_ms(seconds), 4),
        q1=round(q1, 4),
        q3=round(q3, 4),
        rounds=rounds_ms,
    )


def _spread_pct(row: MethodCostRecord) -> float:
    times = row.train_ms
    return 100 * float(max(times.median - times.q1, times.q3 - times.median) / times.median)


def _table_cells(record: CostRecord) -> list[list[str]]:
    texts: dict[_Compared, Callable[[MethodCostRecord], str]] = {
        "parameters": lambda row: _group_digits(row.parameters.backbone + row.parameters.head),
        "pack_bytes": lambda row: _group_digits(row.pack_bytes),
        "memory_bytes": lambda row: f"{row.memory_bytes / _MIB:.1f}",
        "train_ms": lambda row: f"{row.train_ms.median:.2f}",
        "infer_ms": lambda row: f"{row.infer_ms.median:.2f}",
    }
    rows = [["method", "trainable in backbone", "in head", *_COMPARED.values()]]
    for row in record.methods:
        rows.append(
            [
                _hyphenate(row.method) + (" *" if row.non_dominated else ""),
                _group_digits(row.parameters.backbone),
                _group_digits(row.parameters.head),
                *(f"{texts[name](row)} ({getattr(row.relative, name):.2f})" for name in _COMPARED),
            ]
        )
    return rows


def _format_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _group_digits(count: int) -> str:
    return f"{count:,}".replace(",", " ")


def _hyphenate(name: str) -> str:
    return name.replace("_", "-")
