"""A headline that was edited is named by every verb that reads it, and no table shows it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import rs_adapt as rsa
from rs_adapt.errors import CheckpointMismatch
from rs_adapt.exchange.export import export_pack

if TYPE_CHECKING:
    from collections.abc import Callable

    Verb = Callable[..., tuple[Any, str, str]]

STORED = Path(__file__).parents[1] / "runs" / "stored_0_1_0" / "finished"
NAMED = "states 74.000 as miou_pct, but its matrices in confusions/iter6.npz give 37.724"


@pytest.fixture
def honest(tmp_path: Path) -> Path:
    return Path(shutil.copytree(STORED, tmp_path / "runs" / "honest"))


@pytest.fixture
def forged(tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(STORED, tmp_path / "runs" / "forged"))
    result = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(json.dumps(result | {"miou_pct": 74.0}))
    return folder


def test_score_and_compare(honest: Path, forged: Path, run_verb: Verb) -> None:
    code, out, _ = run_verb("score", forged)
    assert code == 0
    assert f"Contradiction: result.json {NAMED}" in out
    assert "37.72" in out
    assert "Contradiction" not in run_verb("score", honest)[1]
    scores = json.loads(run_verb("score", forged, "--json")[1])
    assert scores["miou_pct"] == 37.724
    assert NAMED in scores["contradictions"][0]
    _, out, _ = run_verb("compare", honest, forged)
    assert f"Contradiction in B: result.json {NAMED}" in out
    assert "Contradiction in A" not in out


def test_lint_verify_and_collect(honest: Path, forged: Path, run_verb: Verb) -> None:
    code, out, _ = run_verb("lint", forged, "--no-data")
    assert code == 1
    assert "result-contradicts-matrices" in out
    assert NAMED in " ".join(out.split())
    assert "result-contradicts-matrices" not in run_verb("lint", honest, "--no-data")[1]
    code, out, _ = run_verb("verify", forged)
    assert code == 1
    assert out.startswith("contradicts itself: scores")
    for reference in (honest, forged):
        code, out, _ = run_verb("verify", forged, "--against", reference)
        assert code == 1
        assert out.startswith(f"differs: forged: result.json {NAMED}")
    (damage,) = rsa.collect(forged.parent).damaged
    assert damage.place == forged
    assert NAMED in damage.why


def test_report(honest: Path, forged: Path, run_verb: Verb, tmp_path: Path) -> None:
    code, out, _ = run_verb("report", forged.parent, "--out", tmp_path / "page", "--json")
    assert code == 0
    (damage,) = [damage for damage in json.loads(out)["damaged"] if "forged" in damage["place"]]
    assert NAMED in damage["why"]
    page = (tmp_path / "page" / "report.md").read_text()
    # Once, in the sentence that names it.
    assert page.count("74.0") == 1
    assert "74.0" not in (tmp_path / "page" / "results.csv").read_text()


def test_export_does_not_repeat_it(honest: Path, forged: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointMismatch, match="states 74.000 as miou_pct"):
        export_pack(forged, tmp_path / "pack")
    assert not (tmp_path / "pack").exists()
    export_pack(honest, tmp_path / "pack")
    manifest = json.loads((honest / "manifest.json").read_text())
    manifest["metrics"]["miou_pct"] = 74.0
    (honest / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CheckpointMismatch, match="manifest.json states 74.0 as metrics.miou_pct"):
        export_pack(honest, tmp_path / "other")


def test_sweep_table_withholds_it(forged: Path) -> None:
    from rs_adapt.runs.records import Result, SweepCellRecord, read_record
    from rs_adapt.sweeps.folder import CellState
    from rs_adapt.sweeps.table import cell_facts, trouble_lines

    class Cell:
        name, folder, digest = "cell", forged, "0"

        def __str__(self) -> str:
            return "the cell"

    result = read_record(forged / "result.json", Result)
    state = CellState(status="done", record=SweepCellRecord(), result=result)
    facts = cell_facts(Cell(), state)  # type: ignore[arg-type]
    assert (facts["miou_pct"], facts["interval"]) == (None, None)
    assert NAMED in facts["note"]
    (line,) = trouble_lines([Cell()], {"cell": state})  # type: ignore[list-item]
    assert line.startswith("contradiction: the cell: result.json states 74.000")
