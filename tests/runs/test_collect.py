"""Which runs are found below a folder, and what is said of those that have no result."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rs_adapt.errors import ConfigError
from rs_adapt.reports.make import make_report
from rs_adapt.runs.collect import collect

if TYPE_CHECKING:
    from collections.abc import Callable

    Write = Callable[..., Path]


def test_damaged_folders_are_named_and_stop_nothing(tmp_path: Path, write_cell: Write) -> None:
    write_cell("good")
    for name, file, content in (
        ("cut", "result.json", '{"status": "fini'),
        ("list", "result.json", "[]"),
        ("words", "result.json", json.dumps({"cell": "frozen"})),
        ("nan", "result.json", (tmp_path / "work/good/result.json").read_text().replace("60.0", "NaN")),
        (
            "file",
            "result.json",
            (tmp_path / "work/good/result.json").read_text().replace('"confusions/iter40.npz"', "[]"),
        ),
        ("matrices", "confusions/iter40.npz", "no archive"),
        ("lines", "metrics.jsonl", '{"iter": 1, "loss": 1}\n{"it\n{"iter": 3, "loss": 1}\n'),
    ):
        (write_cell(name, cell={"method": name}) / file).write_text(content)
    report = make_report([tmp_path / "work"])
    named = {Path(one["place"]).relative_to(tmp_path / "work").parts[0] for one in report.content["damaged"]}
    assert named == {"file", "cut", "list", "words", "nan", "matrices", "lines"}
    assert report.sections[0].alarm
    assert {one["method"] for one in report.content["groups"]} == {"frozen", "matrices", "lines"}


def test_unfinished_and_failed_runs(tmp_path: Path, write_cell: Write) -> None:
    write_cell("good")
    (write_cell("half", cell={"method": "lora"}) / "result.json").unlink()
    # The line of an evaluation that is being written.
    with (tmp_path / "work/half/metrics.jsonl").open("a") as file:
        file.write('{"iter": 50, "lo')
    failed = tmp_path / "work" / "failed"
    failed.mkdir()
    error = {"status": "failed", "error": "NonFiniteLoss: loss is nan", "log": "sweep.log", "attempts": 3}
    error |= {"title": "the cell"}
    (failed / "sweep_cell.json").write_text(json.dumps(error))
    report = make_report([tmp_path / "work"])
    rows = [[cell.text for cell in cells] for cells in report.sections[0].tables[0].rows]
    assert rows[0] == ["the cell", "failed", "NonFiniteLoss: loss is nan", "failed/sweep.log", "3"]
    assert rows[1][:2] == ["synthetic-dg / lora / dinov2-nano + linear / source-only / seed 0", "unfinished"]
    assert "40 iterations" in rows[1][2]
    assert report.content["damaged"] == []


def test_planned_cells_of_a_sweep(tmp_path: Path, write_cell: Write) -> None:
    for name, digest in (("same", "1"), ("other", "2")):
        folder = write_cell(name, cell={"method": name})
        (folder / "sweep_cell.json").write_text(json.dumps({"status": "done", "digest": digest, "attempts": 1}))
    cells = [{"folder": name, "digest": "1", "title": f"the {name}"} for name in ("same", "other", "absent")]
    (tmp_path / "work" / "sweep.json").write_text(json.dumps({"cells": cells}))
    collection = collect([tmp_path / "work"])
    assert [(run.name, run.status) for run in collection.others] == [("the absent", "missing")]
    first, summary = make_report([tmp_path / "work"]).sections[:2]
    assert first.text[-1] == "1 of the planned cells has not started: the absent."
    assert any(line.startswith("Stale: ") for line in summary.text)
    (stale,) = collection.remarks
    assert "other" in stale
    (tmp_path / "work" / "sweep.json").write_text(json.dumps({"cells": ["same"]}))
    assert len(collect([tmp_path / "work"]).damaged) == 1


def test_a_folder_without_runs_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no folder"):
        collect([tmp_path / "none"])
    with pytest.raises(ConfigError, match="no run below"):
        collect([tmp_path])


def test_a_run_below_two_folders_counts_once(tmp_path: Path, write_cell: Write) -> None:
    folder = write_cell("a")
    assert len(collect([tmp_path, folder, tmp_path / "work"]).runs) == 1
