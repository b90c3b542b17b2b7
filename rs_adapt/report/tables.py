"""The table of a result: IoU and accuracy per class, their means, and how the number came about."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.table import Table


def result_table(result: dict[str, Any]) -> Table:
    """Per-class IoU and accuracy in percent, with mIoU, mAcc and aAcc below.

    Args:
        result: Content of a `result.json`.
    """
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("class")
    table.add_column("IoU %", justify="right")
    table.add_column("Acc %", justify="right")
    for name, iou in result["iou_pct"].items():
        table.add_row(name, number(iou), number(result["acc_pct"][name]))
    table.add_section()
    table.add_row("mIoU / mAcc", number(result["miou_pct"]), number(result["macc_pct"]), style="bold")
    table.add_row("aAcc (all pixels)", "", number(result["aacc_pct"]))
    return table


def protocol_line(result: dict[str, Any]) -> str:
    """One sentence: which split, which weights, and the oracle beside it."""
    protocol = result["protocol"]
    if protocol["report_split"] is None:
        return "Not scored: the target has no labels. `rs-adapt eval ... --split source-val` scores the source."
    line = f"Scored on {protocol['report_split']} with the {protocol['selection']} weights, all classes."
    if oracle := result.get("oracle"):
        line += (
            f" oracle*: {number(oracle['miou_pct'])} mIoU on {oracle['split']} at iteration {oracle['iter']}"
            " (*chosen with target labels, so not a result of adaptation)."
        )
    return line


def number(value: float | None) -> str:
    """Two decimals, or a dash where there is no value."""
    return "-" if value is None else f"{value:.2f}"
