"""`--json` of every verb: valid JSON is all that standard output holds, whatever is printed besides."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from rs_adapt.sweeps.probe import Measured

if TYPE_CHECKING:
    from collections.abc import Callable

    Verb = Callable[..., tuple[Any, str, str]]

STORED = Path(__file__).parents[1] / "runs" / "stored_0_1_0" / "finished"


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def check(shown: tuple[Any, str, str], *, code: int = 0) -> Any:
    """Check that an output is JSON as `print_json` writes it, and nothing else; return its content."""
    assert shown[0] == code, shown[2]
    content = json.loads(shown[1], parse_constant=refuse)
    assert content
    assert shown[1] == json.dumps(content, indent=2) + "\n"
    return content


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy the stored run to `work/run` below the current folder, with an image of noise beside it."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(STORED, tmp_path / "work" / "run")
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "tile.png")
    return tmp_path / "work"


@pytest.mark.parametrize(
    "arguments",
    [
        *(["list", axis] for axis in ("benches", "methods", "backbones", "heads", "strategies", "protocols")),
        ["data", "list"],
        ["weights", "list"],
        ["weights", "verify", "dinov2-nano"],
        ["show", "--bench", "loveda-da"],
        ["show", "--bench", "synthetic-da", "--cost"],
        ["lint", "--bench", "loveda-da", "--no-data"],
        ["lint", "--rules"],
        ["sweep", "synthetic_all", "--dry-run"],
    ],
    ids=" ".join,
)
def test_verbs_that_read_no_run(
    arguments: list[str], run_verb: Verb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    check(run_verb(*arguments, "--json"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["score", "work/run", "--worst", "1"],
        ["compare", "work/run", "work/run"],
        ["lint", "work/run", "--no-data"],
        ["verify", "work/run", "--against", "work/run"],
        ["report", "work"],
        ["export", "work/run", "--out", "pack"],
        ["inspect", "work/run", "--image", "tile.png", "--device", "cpu"],
        pytest.param(["eval", "work/run", "--device", "cpu"], marks=pytest.mark.slow),
    ],
    ids=lambda arguments: arguments[0],
)
def test_verbs_that_read_a_run(arguments: list[str], run_verb: Verb, work: Path, shared_home: Path) -> None:
    check(run_verb(*arguments, "--json"))


def test_verbs_that_read_tiles(run_verb: Verb, loveda_root: Path, tmp_path: Path) -> None:
    places = ("--data-root", loveda_root, "--json")
    # There are fewer tiles than published.
    assert check(run_verb("data", "verify", "loveda", *places), code=1)["ok"] is False
    content = check(run_verb("data", "show", "loveda", "--samples", "1", "--out", tmp_path / "page", *places))
    assert [tiles["read"] for tiles in content["sets"]] == [4, 2, 4, 2]


def test_doctor_prints_valid_json(run_verb: Verb, tmp_path: Path) -> None:
    check(run_verb("doctor", "--no-training", "--data-root", tmp_path, "--json"))


def test_plan_prints_valid_json(run_verb: Verb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = {"iter_s": 0.5, "tile_s": 0.1, "start_s": 2.0, "memory_mib": 3, "memory_of": "process"}
    measured = Measured(**facts, pack_bytes=1, state_bytes=5, tiles={"val": 1, "test": 1, "source_val": 1})
    monkeypatch.setattr("rs_adapt.sweeps.probe.probe", lambda cell, **options: measured)
    check(run_verb("plan", "--bench", "synthetic-dg", "--gpus", "", "--json"))


@pytest.mark.slow
def test_training_and_a_submission(train: Verb, run_verb: Verb, tmp_path: Path) -> None:
    check(train("--protocol", "loveda-server", "--dry-run", "--json"))
    content = check(train("--protocol", "loveda-server", "--logger", "none", "--json"))
    assert content["folder"] == str(tmp_path / "run")
    (tmp_path / "Test").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "Test" / "5167.png")
    places = ("--images", tmp_path / "Test", "--out", tmp_path / "s.zip", "--device", "cpu")
    assert check(run_verb("submit", tmp_path / "run", *places, "--partial", "--json"))["images"] == 1
