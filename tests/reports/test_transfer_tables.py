"""The table of transfer pairs on the page and as JSON, with numbers known by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rs_adapt.reports.make import Report, make_report, write_report

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Write = Callable[..., Path]


@pytest.fixture
def report(tmp_path: Path, write_cell: Write) -> Report:
    """Dacs on two pairs and mic on one; 50 and 60 of 100 pixels right are an IoU of 33.3 and 42.9."""
    for bench, floor, dacs in (("north_south", 50, 60), ("south_north", 60, 50)):
        write_cell(f"{bench}-dg", right=(floor,) * 4, cell={"bench": bench, "setting": "dg"})
        write_cell(f"{bench}-da", right=(dacs,) * 4, cell={"bench": bench, "setting": "da", "strategy": "dacs"})
        write_cell(f"{bench}-ss", right=(70,) * 4, cell={"bench": bench, "setting": "ss"})
    return make_report([tmp_path / "work"])


def test_the_table_names_the_worst_pair_and_those_that_are_harmed(report: Report) -> None:
    (section,) = (one for one in report.sections if one.anchor == "pairs")
    (table,) = section.tables
    texts = [[cell.text for cell in row] for row in table.rows]
    assert texts[0] == ["da", "frozen · dacs", "+0.0", "-9.5", "1 of 2", "1", "0 %"]
    assert [row[:2] for row in texts] == [["da", "frozen · dacs"], ["ss", "frozen"]]
    assert [cell.note for cell in table.rows[0][3:6]] == ["south-north", "", "south-north"]


def test_the_same_numbers_in_the_files(report: Report, tmp_path: Path) -> None:
    write_report(report, tmp_path / "out")
    for name in ("index.html", "report.md", "report.tex"):
        assert "1 of 2" in (tmp_path / "out" / name).read_text(encoding="utf-8"), name
    dacs = next(one for one in report.content["transfer"] if one["strategy"] == "dacs")
    expected = {"north_south": pytest.approx(9.52, abs=0.01), "south_north": pytest.approx(-9.52, abs=0.01)}
    assert dacs["gains"] == expected
    assert dacs["harmed"] == ["south_north"]
    assert dacs["mean_gain"] == pytest.approx(0, abs=0.001)


def test_one_pair_has_no_such_section(tmp_path: Path, write_cell: Write) -> None:
    for setting in ("dg", "ss"):
        write_cell(setting, right=(50,) * 4, cell={"setting": setting})
    report = make_report([tmp_path / "work"])
    assert "gains" in {section.anchor for section in report.sections}
    assert "pairs" not in {section.anchor for section in report.sections}
