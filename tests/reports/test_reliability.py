"""The report's section of calibration errors that runs measured at their end."""

from __future__ import annotations

from pathlib import Path

from rs_adapt.reports.calibration import reliability_section
from rs_adapt.runs.records import CellNames, ConfidenceBin, MeasuredReliability, Result
from rs_adapt.runs.run import Run


def run(seed: int, **splits: list[ConfidenceBin]) -> Run:
    cell = CellNames(
        bench="synthetic",
        setting="da",
        method="lora",
        backbone="dinov2_nano",
        head="linear",
        strategy="dacs",
        seed=seed,
    )
    reliability = {
        name: MeasuredReliability(split=f"north {name}", tiles=3, ece_pct=5.0, bins=bins)
        for name, bins in splits.items()
    }
    return Run(folder=Path(f"seed{seed}"), status="finished", result=Result(cell=cell, reliability=reliability))


def test_a_row_for_each_split_and_a_diagram_for_all_seeds() -> None:
    bins = [ConfidenceBin(pixels=0, right=0, confidence=0.0), ConfidenceBin(pixels=4, right=3, confidence=3.2)]
    section = reliability_section([run(0, val=bins, test=bins), run(1, val=bins), run(2)])
    assert section is not None
    (table,) = section.tables
    texts = [[cell.text for cell in row] for row in table.rows]
    assert [row[1:] for row in texts] == [
        ["north val", "5.00", "80.00", "75.00", "3"],
        ["north test", "5.00", "80.00", "75.00", "3"],
        ["north val", "5.00", "80.00", "75.00", "3"],
    ]
    (figure,) = section.figures
    assert [entry.label for entry in figure.legend] == ["perfect", "north val", "north test"]


def test_runs_without_errors_have_no_section() -> None:
    assert reliability_section([run(0)]) is None
    # Of a damaged file: no pixel, so no share.
    assert reliability_section([run(0, val=[ConfidenceBin(pixels=0, right=1, confidence=1.0)])]) is None
