"""What is said when a run starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from rs_adapt.api.progress import print_start
from rs_adapt.runs.records import CellNames, RunOptions, RunStart


def started(capsys: pytest.CaptureFixture[str], *overrides: str) -> list[str]:
    names = {"bench": "loveda_r2u", "setting": "da", "method": "rein", "backbone": "dinov2_l", "head": "linear"}
    cell = CellNames(**names, strategy="source_only", seed=3)
    start = RunStart(cell=cell, options=RunOptions(overrides=overrides), tiles={"labelled": 7})
    print_start(True, start, title="loveda", folder=Path("run"))
    return capsys.readouterr().err.splitlines()


def test_one_line_says_on_what_a_run_trains(capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = started(capsys, "optim.lr=1e-3", "bench.tile_px=64")
    assert line.startswith("loveda: ")
    assert line.endswith(", seed 3; tiles: labelled 7; folder run")


def test_choices_that_make_a_run_unusable_later_are_named_at_its_start(capsys: pytest.CaptureFixture[str]) -> None:
    _, note = started(capsys, "strategy.type=my.Strategy", "bench.tile_px=64", "model.backbone.weights=/x/y.pth")
    assert note.startswith("note: --set strategy.type, model.backbone.weights: code and folders are never read from")
