"""Tables of super-resolution: the measures of a run, and the differences of two."""

from __future__ import annotations

import math
from collections.abc import Mapping

from rich import box
from rich.table import Table

from rs_adapt.runs.records import Result
from rs_adapt.turbulence.image_scores import MEASURES, Estimate

_DIGITS = {"psnr_db": 2, "ssim": 4}


def measures_table(result: Result) -> Table:
    """Return each measure of a result with its 95 % interval over snapshots."""
    table = _table("mean")
    for name, value in result.measures.items():
        if name in MEASURES:
            _add(table, name, value.get("mean"), value.get("low"), value.get("high"), sign="")
    return table


def differences_table(differences: Mapping[str, Estimate]) -> Table:
    """Return the differences of two runs, B minus A, with paired 95 % intervals over snapshots."""
    table = _table("B - A")
    for name, found in differences.items():
        _add(table, name, found.mean, found.low, found.high, sign="+")
    return table


def protocol_of_images(result: Result) -> str:
    """Return the line under the measures: protocol, split and number of snapshots."""
    snapshots = next((value.get("snapshots") for value in result.measures.values()), None)
    protocol = result.protocol
    return (
        f"Protocol {protocol.name}-{protocol.version}: scored on {protocol.report_split}, {protocol.selection} weights;"
        f" means over {snapshots} snapshots with 95 % intervals."
    )


def _table(column: str) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("measure")
    for title in (column, "95 % interval"):
        table.add_column(title, justify="right")
    table.add_column("better")
    return table


def _add(table: Table, name: str, mean: float | None, low: float | None, high: float | None, *, sign: str) -> None:
    if mean is None or math.isnan(mean):
        # Colours have no divergence.
        return
    title, unit, is_larger_better = MEASURES[name]
    digits = _DIGITS.get(name, 3)

    def text(value: float) -> str:
        return f"{value:{sign}.{digits}f}"

    interval = "-" if low is None or high is None else f"{text(low)} to {text(high)}"
    table.add_row(
        f"{title}, {unit}" if unit else title, text(mean), interval, "larger" if is_larger_better else "smaller"
    )
