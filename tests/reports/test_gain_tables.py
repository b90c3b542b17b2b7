"""The table of gains: on the page, in Markdown, LaTeX and CSV, and as JSON, with numbers known by hand."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rs_adapt.render.document import Table
from rs_adapt.reports.make import Report, make_report, write_report
from rs_adapt.scores.t_interval import t_quantile

if TYPE_CHECKING:
    from collections.abc import Callable

    Write = Callable[..., Path]


def iou(right: float) -> float:
    return 100 * right / (200 - right)


@pytest.fixture
def report(tmp_path: Path, write_cell: Write) -> Report:
    """Source only, two strategies and target supervised with LoRA, and the frozen backbone; two seeds."""
    rows = {
        "floor": ((50, 60), {"setting": "dg"}),
        "dacs": ((70, 66), {"setting": "da", "strategy": "dacs"}),
        "mic": ((45, 70), {"setting": "da", "strategy": "mic"}),
        "bound": ((90, 80), {"setting": "ss"}),
    }
    for name, (rights, cell) in rows.items():
        for seed, right in enumerate(rights):
            write_cell(f"{name}{seed}", right=(right,) * 4, cell={"method": "lora", "seed": seed} | cell)
    for seed in (0, 1):
        write_cell(f"frozen{seed}", right=(40,) * 4, cell={"seed": seed}, parameters={"trainable": 5, "head": 5})
    return make_report([tmp_path / "work"])


def table_of(report: Report) -> Table:
    (section,) = (one for one in report.sections if one.anchor == "gains")
    (table,) = section.tables
    return table


def test_table_has_a_row_a_training_from_floor_to_bound(report: Report) -> None:
    table = table_of(report)
    assert table.title.startswith("synthetic: south test · protocol strict-1")
    assert list(table.head) == [
        *("setting", "training", "mIoU %", "over source only", "gap closed", "over frozen"),
        *("source val mIoU %", "adapter parameters", "minutes a run"),
    ]
    texts = [[cell.text for cell in row] for row in table.rows]
    assert [row[:2] for row in texts] == [
        *(["dg", "frozen"], ["dg", "lora"], ["da", "lora · dacs"], ["da", "lora · mic"], ["ss", "lora"])
    ]
    # 33.33 and 42.86; 53.85 and 49.25; 81.82 and 66.67.
    assert texts[1][2:] == ["38.1", "-", "-", "+13.1", "71.0", "10", "1.0"]
    assert texts[2][2:] == ["51.5", "+13.5", "37 %", "-", "71.0", "10", "1.0"]
    assert texts[4][3:6] == ["+36.1", "100 %", "-"]
    assert texts[0][7] == "0"


def test_small_print_has_interval_and_seeds(report: Report) -> None:
    row = table_of(report).rows[2]
    # Two seeds say little: with one degree of freedom, t is 12.7.
    assert row[3].note == "[-76.3, +103.2]; +20.5, +6.4"
    assert row[4].note == "[-63, 138]; 42, 27"
    assert row[4].value == pytest.approx(
        100 * (iou(70) + iou(66) - iou(50) - iou(60)) / (iou(90) + iou(80) - iou(50) - iou(60)), abs=0.01
    )


def test_the_same_numbers_in_all_files(report: Report, tmp_path: Path) -> None:
    write_report(report, tmp_path / "out")
    for name, shown in (
        ("index.html", 'data-v="37.2'),
        ("report.md", "37 % "),
        ("report.tex", r"37 \% {\scriptsize [-63, 138]; 42, 27}"),
    ):
        assert shown in (tmp_path / "out" / name).read_text(encoding="utf-8"), name
    rows = {row["folder"]: row for row in csv.DictReader(io.StringIO((tmp_path / "out/results.csv").read_text()))}
    assert float(rows["dacs0"]["over_source_only"]) == pytest.approx(iou(70) - iou(50), abs=2e-3)
    assert float(rows["dacs1"]["gap_closed_pct"]) == pytest.approx(
        100 * (iou(66) - iou(60)) / (iou(80) - iou(60)), abs=1e-2
    )
    assert float(rows["floor1"]["over_frozen"]) == pytest.approx(iou(60) - iou(40), abs=2e-3)
    assert rows["floor0"]["over_source_only"] == rows["frozen0"]["over_frozen"] == ""


def test_json_has_the_gains_of_each_group(report: Report) -> None:
    groups: list[dict[str, Any]] = report.content["groups"]
    (dacs,) = (one for one in groups if one["strategy"] == "dacs")
    assert dacs["over_frozen"] is None
    closed = dacs["gap_closed_pct"]
    assert (closed["seeds"], set(closed)) == ([0, 1], {"value", "low", "high", "seeds", "by_seed"})
    half = t_quantile(0.95, 1) * np.std([*closed["by_seed"], closed["value"], closed["value"]]) * 2**0.5
    assert closed["low"] == pytest.approx(closed["value"] - half, rel=0.03)
    assert closed["high"] == pytest.approx(closed["value"] + half, rel=0.03)
    (floor,) = (one for one in groups if (one["setting"], one["method"]) == ("dg", "lora"))
    assert floor["gap_closed_pct"] is None


def test_no_section_without_references(tmp_path: Path, write_cell: Write) -> None:
    write_cell("a", cell={"setting": "da", "strategy": "dacs", "method": "lora"})
    report = make_report([tmp_path / "work"])
    assert "gains" not in [section.anchor for section in report.sections]
