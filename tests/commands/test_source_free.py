"""`--strategy source-free` on a bench of your own: the source is gone, and the target has no labels."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from own_benches import draw, write_bench, write_scene

from rs_adapt.config import resolve_cell
from rs_adapt.runs.metrics import metrics_line
from rs_adapt.runs.records import EvaluationLine, TrainingLine

if TYPE_CHECKING:
    from collections.abc import Callable

    Verb = Callable[..., tuple[Any, str, str]]

TRAIN = '\n[train]\nbackbone = "dinov2_nano"\nhead = "linear"\nmethod = "lora"\niters = 2\nbatch_size = 2\n'


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """Write a bench with a labelled source and an unlabelled target, and return its file."""
    data = tmp_path / "data"
    for number in range(3):
        write_scene(data / "src" / f"s{number}.tif", data / "labels" / f"s{number}.png", draw(64, 64, seed=number))
    file = write_bench(data, 'images = "src"', 'path = "labels"')
    file.write_text(file.read_text().replace("tile_px = 32\n", "tile_px = 32\ncrop_px = 32\n") + TRAIN)
    return file


def test_new_weights_are_refused_in_one_sentence(run_verb: Verb, bench: Path, tmp_path: Path) -> None:
    options = ("--bench", bench, "--setting", "da", "--strategy", "source-free", "--work-dir", tmp_path / "run")
    code, out, err = run_verb("train", *options)
    assert (code, out) == (2, "")
    assert err.startswith("error: Strategy source_free reads no source, so it starts from a model")
    assert not (tmp_path / "run").exists()


def test_a_bench_is_read_without_the_folders_of_its_source(bench: Path) -> None:
    assert resolve_cell(str(bench), setting="da", strategy="source-free").bench == str(bench)
    shutil.rmtree(bench.parent / "src")
    assert resolve_cell(str(bench), setting="da", strategy="source-free").bench_name == "mine"


def test_an_evaluation_without_scores_is_no_line_of_training() -> None:
    assert isinstance(metrics_line({"iter": 2, "label_free": {"entropy": 0.5}}), EvaluationLine)
    assert isinstance(metrics_line({"iter": 2, "loss": 0.5}), TrainingLine)


@pytest.mark.slow
def test_a_pack_adapts_where_the_source_is_gone(
    run_verb: Verb, bench: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RS_ADAPT_HOME", str(tmp_path / "home"))
    train = ("train", "--bench", bench, "--num-workers", "0", "--device", "cpu")
    assert run_verb(*train, "--setting", "dg", "--work-dir", tmp_path / "source")[0] == 0
    for folder in (bench.parent / "src", bench.parent / "labels", tmp_path / "home" / "prepared"):
        shutil.rmtree(folder)
    own = ("--setting", "da", "--strategy", "source-free", "--work-dir", tmp_path / "run")
    code, _, err = run_verb(*train, *own, "--from", tmp_path / "source")
    assert code == 0, err
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert set(result["data"]) == {"unlabelled", "label_free"}
    assert result["miou_pct"] is None
    assert result["initialised_from"]["cell"]["strategy"] == "source_only"
    assert run_verb("lint", tmp_path / "run")[0] == 0
    assert run_verb("verify", tmp_path / "run")[0] == 0
