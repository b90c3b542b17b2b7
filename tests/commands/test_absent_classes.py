"""Texts of runs whose truth lacks a class, and of runs with a single scene, whose scores have no interval."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rs_adapt.config import resolve_cell
from rs_adapt.reports.result_tables import protocol_line
from rs_adapt.runs.records import Result, SweepCellRecord, read_record
from rs_adapt.sweeps.folder import CellState
from rs_adapt.sweeps.table import cell_facts, cells_table

if TYPE_CHECKING:
    from collections.abc import Callable

    Verb = Callable[..., tuple[Any, str, str]]
    Write = Callable[..., Path]

CLASSES = ("a", "b", "water")
RULE = {"absent_classes": "left_out", "classes_scored": list(CLASSES)}
LINE = "2 of 3 classes (no true pixels: water)"


@pytest.fixture
def runs(write_cell: Write) -> list[Path]:
    """Return two runs of 12 scenes without water, of which both predict a pixel."""
    return [
        write_cell(name, classes=CLASSES, right=(right,) * 12, protocol=RULE, cell={"method": name})
        for name, right in (("frozen", 50), ("lora", 80))
    ]


def cell_state(folder: Path) -> tuple[Any, CellState]:
    """Return a cell of a sweep whose run is in a folder, and its state."""
    cell = type(
        "Cell", (), {"name": folder.name, "folder": folder, "digest": "d", "cell": resolve_cell("synthetic-dg")}
    )()
    return cell, CellState(status="done", record=SweepCellRecord(), result=read_record(folder / "result.json", Result))


def shown(table: Any) -> str:
    from rich.console import Console

    console = Console(width=200)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_every_text_states_the_number_of_classes_in_the_mean(run_verb: Verb, runs: list[Path], tmp_path: Path) -> None:
    code, out, err = run_verb("score", runs[1])
    assert (code, err) == (0, "")
    assert f"mean over {LINE}" in out
    (row,) = (line.split() for line in out.splitlines() if line.strip().startswith("water"))
    assert row == ["water", "-", "-"]
    scored = json.loads(run_verb("score", runs[1], "--json")[1])
    assert (scored["scored"]["classes_in_mean"], scored["scored"]["classes"]) == (["a", "b"], LINE)
    assert (scored["classes"]["water"]["iou_pct"], scored["notes"]) == (None, [])
    compared = run_verb("compare", *runs)[1]
    assert compared.count(f"mean over {LINE}") == 2
    code, out, err = run_verb("report", tmp_path / "work", "--json")
    assert code == 0, err
    content = json.loads(out)
    assert {group["protocol"].rpartition("student, ")[2] for group in content["groups"]} == {LINE}
    folder = tmp_path / "work" / "report"
    for name in ("index.html", "report.md", "report.tex"):
        text = (folder / name).read_text(encoding="utf-8").replace("\\", "")
        assert LINE in text, name
        assert "all 3 classes" not in text, name
    rows = list(csv.DictReader(io.StringIO((folder / "results.csv").read_text())))
    assert [(row["classes_in_mean"], row["classes_scored"], row["iou_pct.water"]) for row in rows] == [
        ("2", "3", "")
    ] * 2
    assert "all 3 classes" not in run_verb("report", tmp_path / "work")[1]
    facts = cell_facts(*cell_state(runs[1]))
    assert (facts["classes"], round(facts["miou_pct"] or 0, 1)) == (LINE, scored["miou_pct"].__round__(1))


def test_groups_state_how_many_classes_each_has(run_verb: Verb, runs: list[Path]) -> None:
    out = run_verb("score", runs[0], "--group-by", "scene")[1]
    (row,) = (line.split() for line in out.splitlines() if line.strip().startswith("t3 "))
    assert row == ["t3", "33.33", "2", "1", "8.33"]


def test_one_scene_has_no_interval_anywhere(run_verb: Verb, write_cell: Write, tmp_path: Path) -> None:
    interval = {"low": None, "high": None, "level": 0.95, "unit": "scene", "units": 1, "resamples": 2000, "seed": 0}
    folders = [
        write_cell(
            f"{method}{seed}", right=(right,), interval=interval, protocol=RULE, cell={"method": method, "seed": seed}
        )
        for method, right in (("frozen", 60), ("lora", 80))
        for seed in (0, 1)
    ]
    for arguments in (("score", folders[0]), ("compare", folders[0], folders[2]), ("report", tmp_path / "work")):
        code, out, err = run_verb(*arguments)
        assert (code, err) == (0, ""), arguments
        assert "[-" not in out, arguments
        assert "None" not in out, arguments
    assert "1 scene: no interval" in run_verb("score", folders[0])[1]
    assert "too few for an interval" in run_verb("compare", folders[0], folders[2])[1]
    for name in ("index.html", "report.md", "report.tex", "results.csv"):
        text = (tmp_path / "work" / "report" / name).read_text(encoding="utf-8")
        assert "[-" not in text, name
        assert "None" not in text, name
    for verb in (("score", folders[0]), ("compare", folders[0], folders[2]), ("report", tmp_path / "work")):
        json.loads(run_verb(*verb, "--json")[1])
    cell, state = cell_state(folders[0])
    table = shown(cells_table([cell], {cell.name: state}))
    assert table.splitlines()[1].split()[-5:] == ["42.9", "-", "last", "strict-1", "1.0"]
    assert json.loads(json.dumps(cell_facts(cell, state)))["interval"]["low"] is None
    assert state.result is not None
    assert protocol_line(state.result).endswith("mIoU 42.86, without an interval (over 1 scene).")
