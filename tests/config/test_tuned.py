"""Values tuned for one bench and setting: which there are, what they replace, and on what they were chosen."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rs_adapt.api.configuration import with_values_of_start
from rs_adapt.config import axes, compose, resolve_cell
from rs_adapt.config.tuned import describe_choice, values_of_0_1_0, without_overridden
from rs_adapt.runs.run import Run

OF_0_1_0 = {"rank": 64, "scale_init": 1.0}


def test_no_value_is_tuned_on_a_bench_whose_scores_are_in_our_tables() -> None:
    benches: set[str] = set()
    for method in axes.values_of_task("method", "segmentation"):
        content = axes.peek("method", method)
        tuned = content.get("tuned") or {}
        benches |= {bench for by_bench in tuned.values() for bench in by_bench}
        # A file that tunes says on what.
        assert not tuned or content["tuned_on"]
    assert benches == {"isprs_p2v", "isprs_v2p", "loveda_r2u", "loveda_u2r"}


@pytest.mark.parametrize("bench", ["synthetic-da", "synthetic-dg", "synthetic-ss", "dubai-da"])
def test_small_benches_take_the_methods_own_settings(bench: str) -> None:
    tuned, untuned = (compose(resolve_cell(bench, tuned=tuned)) for tuned in (True, False))
    assert tuned.method.tuned.to_dict() == {}
    assert tuned.model == untuned.model


def test_values_of_a_stored_run_replace_those_of_the_file() -> None:
    cell = resolve_cell("synthetic-dg")
    cfg = compose(cell, tuned_values=OF_0_1_0)
    assert cfg.method.tuned.to_dict() == OF_0_1_0
    assert (cfg.model.backbone.adapter.rank, cfg.model.backbone.adapter.scale_init) == (64, 1.0)
    assert compose(resolve_cell("loveda-dg"), tuned_values={}).model.backbone.adapter.rank == 32


def test_overridden_values_are_not_tuned_ones() -> None:
    texts = ["optim.lr=1e-3", "model.backbone.adapter.rank=8"]
    assert without_overridden(OF_0_1_0, texts) == {"scale_init": 1.0}


def test_choice_is_in_the_words_of_the_file() -> None:
    assert describe_choice("earth_adapter", "da", "loveda_r2u").startswith("by the method's authors")
    assert "test score" in describe_choice("earth_adapter", "da", "synthetic")
    assert describe_choice("of_a_friend", "da", "synthetic") == "on what the method's file does not state"
    assert values_of_0_1_0("earth_adapter", "ss", "dubai_urban2coast") == OF_0_1_0
    assert values_of_0_1_0("lora", "ss", "dubai_urban2coast") == {}
    assert values_of_0_1_0("earth_adapter", "da", "loveda_r2u")["rank"] == 16


def test_resumed_run_keeps_the_tuned_values_that_it_was_started_with(tmp_path: Path) -> None:
    now = compose(resolve_cell("synthetic-da"), overrides=["optim.lr=1e-3"], iters=8, work_dir=tmp_path)
    assert with_values_of_start(now) is now
    then = compose(
        resolve_cell("synthetic-da"), overrides=["optim.lr=1e-3"], iters=8, work_dir=tmp_path, tuned_values=OF_0_1_0
    )
    (tmp_path / "config.py").write_text(then.pretty_text)
    assert with_values_of_start(now).pretty_text == then.pretty_text
    # A run of a different cell is not the one to resume.
    other = compose(resolve_cell("synthetic-da", tuned=False), work_dir=tmp_path)
    assert with_values_of_start(other) is other


def test_a_run_without_a_record_has_its_tuned_values_in_its_configuration(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(Path(__file__).parents[1] / "runs/stored_0_1_0/finished", folder)
    tuned = Run.read(folder).tuned
    assert tuned is not None
    assert (dict(tuned.values), tuned.chosen) == ({}, None)
    text = (folder / "config.py").read_text()
    (folder / "config.py").write_text(text.replace("tuned=dict(),", "tuned=dict(rank=64, scale_init=1.0),"))
    tuned = Run.read(folder).tuned
    assert tuned is not None
    assert (dict(tuned.values), tuned.chosen) == (OF_0_1_0, "on what the method's file does not state")
    (folder / "config.py").unlink()
    assert Run.read(folder).tuned is None
