"""A source-free run: it starts from a trained model, reads no tile of the source, and resumes exactly."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from rs_adapt.engine.recorder import Interrupted
from rs_adapt.engine.train import check_training, train
from rs_adapt.errors import ConfigError, IncompatibleCell
from rs_adapt.runs.records import Manifest, read_record
from tests.engine.test_train import SignalAt


@pytest.fixture
def source_run(tiny_cell, trained_once) -> Path:
    """A model trained on the source alone."""
    cfg = tiny_cell("dg", method="lora", run="source", iters=2)
    return trained_once("source", lambda: train(cfg, device="cpu"))


def test_a_run_reads_no_tile_of_the_source(tiny_cell, source_run: Path, loveda_root: Path, tmp_path: Path) -> None:
    shutil.rmtree(loveda_root / "loveda" / "rural")
    cfg = tiny_cell(method="lora", strategy="source-free", iters=3)
    result = train(cfg, device="cpu", start_from=source_run)
    assert result is not None
    assert set(result.data) == {"unlabelled", "val", "label_free", "test"}
    assert result.initialised_from is not None
    assert result.initialised_from.cell.strategy == "source_only"
    assert result.selections["best_source_val"] is None
    manifest = read_record(tmp_path / "run" / "manifest.json", Manifest)
    assert manifest is not None
    assert manifest.initialised_from == result.initialised_from
    started, ended = (load_file(folder / "adapter.safetensors") for folder in (source_run, tmp_path / "run"))
    assert any(not torch.equal(started[name], ended[name]) for name in started)


@pytest.mark.slow
def test_an_interrupted_run_continues_exactly(tiny_cell, source_run: Path, tmp_path: Path) -> None:
    cfg = tiny_cell(run="straight", method="lora", strategy="source-free", iters=4)
    result = train(cfg, device="cpu", start_from=source_run)
    assert result is not None
    # The source's validation tiles are a monitor where they are there.
    assert set(result.data) == {"unlabelled", "val", "source_val", "label_free", "test"}
    assert result.selections["best_source_val"] is not None
    cfg = tiny_cell(run="parts", method="lora", strategy="source-free", iters=4)
    with pytest.raises(Interrupted):
        train(cfg, device="cpu", start_from=source_run, hooks=[SignalAt(2, signal.SIGTERM)])
    shutil.rmtree(source_run)
    train(cfg, device="cpu", resume=True)
    first, second = (load_file(tmp_path / run / "adapter.safetensors") for run in ("straight", "parts"))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.slow
def test_a_head_that_predicts_masks_adapts_too(tiny_cell, tmp_path: Path) -> None:
    train(tiny_cell("dg", method="lora", head="mask2former_small", run="source", iters=1), device="cpu")
    cfg = tiny_cell(method="lora", head="mask2former_small", strategy="source-free", iters=2)
    result = train(cfg, device="cpu", start_from=tmp_path / "source")
    assert result is not None
    assert result.status == "finished"


def test_new_weights_are_refused(tiny_cell, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="source_free reads no source, so it starts from .* --from"):
        check_training(tiny_cell(strategy="source-free"), device="cpu")
    assert not (tmp_path / "run").exists()


def test_changes_of_labelled_images_are_refused(tiny_cell) -> None:
    with pytest.raises(IncompatibleCell, match=r"fourier_mix is 0\.5, which changes labelled images"):
        tiny_cell(strategy="source-free", overrides=("bench.pipeline.fourier_mix=0.5",))
