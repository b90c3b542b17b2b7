"""`rs-adapt report` as its users meet it: files, what is printed, and what is refused."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rs_adapt.audit.verify.published import PublishedRow

if TYPE_CHECKING:
    from collections.abc import Callable

    Verb = Callable[..., tuple[Any, str, str]]
    Write = Callable[..., Path]

FILES = ["index.html", "report.md", "report.tex", "results.csv"]


@pytest.fixture
def work(tmp_path: Path, write_cell: Write) -> Path:
    """Two methods, the second one clearly ahead, and a cell that failed."""
    write_cell("a", right=(50,) * 12)
    write_cell("b", right=(80,) * 12, cell={"method": "lora"})
    failed = tmp_path / "work" / "c"
    failed.mkdir()
    said = {"title": "synthetic-dg / rein / seed 0", "status": "failed", "attempts": 2, "log": "sweep.log"}
    (failed / "sweep_cell.json").write_text(json.dumps(said | {"error": "RunFailed: out of memory"}))
    return tmp_path / "work"


def test_files_table_and_failed_cell(run_verb: Verb, work: Path) -> None:
    code, out, err = run_verb("report", work)
    assert (code, err) == (0, "")
    assert sorted(os.listdir(work / "report")) == FILES
    for shown in ("33.3 1 seed", "66.7 1 seed", "RunFailed: out of memory", "c/sweep.log", "2 finished, 1 failed"):
        assert shown in out
    page = (work / "report" / "index.html").read_text()
    failed, matrix = page.index("RunFailed: out of memory"), page.index('id="transfer"')
    assert failed < matrix
    assert page.index("c/sweep.log") < matrix


def test_a_report_is_replaced_and_counts_no_runs_of_its_own(run_verb: Verb, work: Path) -> None:
    first = json.loads(run_verb("report", work, "--json")[1])
    second = json.loads(run_verb("report", work, "--json", "--title", "again")[1])
    assert first["runs"] == second["runs"]
    assert "<h1>again</h1>" in (work / "report" / "index.html").read_text()


def test_json_has_the_whole_report(run_verb: Verb, work: Path, tmp_path: Path) -> None:
    code, out, err = run_verb("report", work, "--out", tmp_path / "out", "--json")
    assert (code, err) == (0, "")
    content = json.loads(out)
    assert [Path(file).name for file in content["files"]] == FILES
    told = {group["method"]: (group["miou_pct"]["mean"], group["best"]) for group in content["groups"]}
    assert told == {"frozen": (33.333, False), "lora": (66.667, True)}


def test_other_files_are_not_deleted(run_verb: Verb, work: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.tex").write_text("mine")
    code, _, err = run_verb("report", work, "--out", out)
    assert code == 2
    assert "Choose a different folder with --out, or add --overwrite" in err
    assert os.listdir(out) == ["thesis.tex"]
    (tmp_path / "file").write_text("")
    code, _, err = run_verb("report", work, "--out", tmp_path / "file")
    assert code == 2
    assert "is a file" in err


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (("--selection", "first"), "There is no selection 'first'"),
        (("--classes", "roof"), "There is no class 'roof'"),
        (("--against", "myself"), "Use --against paper"),
    ],
)
def test_wrong_options_are_refused(run_verb: Verb, work: Path, options: tuple[str, ...], error: str) -> None:
    code, _, err = run_verb("report", work, *options)
    assert code == 2
    assert error in err
    assert not (work / "report").exists()


def test_a_folder_without_runs_is_refused(run_verb: Verb, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, _, err = run_verb("report", tmp_path / "empty")
    assert code == 2
    assert "no folder holds a cell.json" in err


def test_published_numbers_are_listed_and_not_averaged(
    run_verb: Verb, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = PublishedRow(
        bench="synthetic",
        setting="dg",
        method="frozen",
        backbone="dinov2_l",
        head="",
        miou_pct=99.0,
        selection="oracle",
        protocol="paper",
        table="1",
        source="a table",
    )
    other = replace(row, bench="loveda_r2u", source="another table")
    monkeypatch.setattr("rs_adapt.reports.make.published_rows", lambda: [row, other])
    plain = json.loads(run_verb("report", work, "--json")[1])
    content = json.loads(run_verb("report", work, "--against", "paper", "--json")[1])
    assert content["groups"] == plain["groups"]
    text = (work / "report" / "report.md").read_text()
    assert "| synthetic-dg | frozen, dinov2-l | published | 99.0 | oracle\\* | paper | a table |" in text
    assert "another table" not in text


def test_published_means_and_other_data_have_tables_of_their_own(
    run_verb: Verb, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = PublishedRow(
        bench="",
        setting="dg",
        method="lora",
        backbone="",
        head="",
        miou_pct=57.0,
        selection="unknown",
        protocol="own",
        table="1",
        source="a table",
        issue="Another table has 15.7.",
        mean_of=("synthetic", "loveda_r2u"),
    )
    streets = replace(row, bench="a_to_b", mean_of=(), domain="street scenes", source="streets", issue="")
    rows = [row, streets, replace(streets, method="nobody", source="nowhere")]
    monkeypatch.setattr("rs_adapt.reports.make.published_rows", lambda: rows)
    assert run_verb("report", work, "--against", "paper", "--json")[0] == 0
    text = (work / "report" / "report.md").read_text()
    assert "mean of synthetic-dg, loveda-r2u-dg | lora | 57.0 | unknown | own | a table" in text
    assert "Another table has 15.7." in text
    assert "streets" in text
    assert "nowhere" not in text


@pytest.mark.slow
def test_panels_are_drawn_with_the_stored_packs(train: Verb, run_verb: Verb, tmp_path: Path) -> None:
    assert train()[0] == 0
    code, out, err = run_verb("report", tmp_path / "run", "--panels", "2", "--device", "cpu", "--json")
    assert code == 0, err
    page = (tmp_path / "run" / "report" / "index.html").read_text()
    assert page.count('src="data:image/jpeg;base64,') == 2
    # What cannot be drawn is said, and stops nothing.
    (tmp_path / "run" / "adapter.safetensors").unlink()
    assert run_verb("report", tmp_path / "run", "--panels", "2", "--device", "cpu")[0] == 0
    page = (tmp_path / "run" / "report" / "index.html").read_text()
    assert "adapter.safetensors" in page
    assert "data:image/jpeg" not in page


def test_notes_of_results_are_in_the_report_with_their_runs(run_verb: Verb, work: Path) -> None:
    note = "Partial data: trained on 3 of 5464 tiles of loveda/rural/train."
    file = work / "a" / "result.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"notes": [note]}))
    code, out, err = run_verb("report", work)
    assert (code, err) == (0, "")
    assert f"{note} This holds for 1 run: " in " ".join(out.split())
    assert note in (work / "report" / "report.md").read_text()


def test_runs_on_different_states_of_the_data_are_told_apart(run_verb: Verb, work: Path) -> None:
    def record(name: str, **states: str) -> None:
        file = work / name / "result.json"
        data = {role: {"tiles": 4, "sha256": state} for role, state in states.items()}
        file.write_text(json.dumps(json.loads(file.read_text()) | {"data": data}))

    def lines() -> list[str]:
        remarks = json.loads(run_verb("report", work, "--json")[1])["remarks"]
        return [line for line in remarks if line.startswith("The data differ between runs")]

    record("a", labelled="1", test="2")
    # Of the other run nothing is recorded.
    assert lines() == []
    record("b", labelled="1", test="2")
    assert lines() == []
    record("b", labelled="1", test="3")
    (line,) = lines()
    assert "they were scored on different tiles of " in line
    record("b", labelled="3", test="3")
    assert len(lines()) == 2
