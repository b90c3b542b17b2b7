"""Source training with random convolutions or mixed statistics: it trains, reads no target, and resumes exactly."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from rs_adapt.engine.recorder import Interrupted
from rs_adapt.engine.train import train
from rs_adapt.registry import DATASETS, load_libraries
from tests.engine.test_train import SignalAt


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["source-randconv", "source-mixstyle"])
def test_an_interrupted_run_continues_exactly(tiny_cell, tmp_path: Path, strategy: str) -> None:
    certain = ("strategy.mixstyle_prob=1.0",) if strategy == "source-mixstyle" else ()
    names = {"method": "lora", "iters": 3, "overrides": certain}
    result = train(tiny_cell("dg", run="straight", strategy=strategy, **names), device="cpu")
    assert result is not None
    assert "unlabelled" not in result.data
    cfg = tiny_cell("dg", run="parts", strategy=strategy, **names)
    with pytest.raises(Interrupted):
        train(cfg, device="cpu", hooks=[SignalAt(1, signal.SIGTERM)])
    train(cfg, device="cpu", resume=True)
    first, second = (load_file(tmp_path / run / "adapter.safetensors") for run in ("straight", "parts"))
    assert all(torch.equal(first[name], second[name]) for name in first)
    train(tiny_cell("dg", run="plain", method="lora", iters=3), device="cpu")
    plain = load_file(tmp_path / "plain" / "adapter.safetensors")
    assert first.keys() == plain.keys()
    assert any(not torch.equal(first[name], plain[name]) for name in first)


def test_a_convolved_sample_depends_on_its_position_alone(tiny_cell) -> None:
    load_libraries()
    cfg = tiny_cell("dg", strategy="source-randconv", overrides=("strategy.style.random_convolution=1.0",))
    first, second = (DATASETS.build(cfg.train_dataloader.dataset.to_dict()) for _ in range(2))
    plain = DATASETS.build(tiny_cell("dg").train_dataloader.dataset.to_dict())
    for draw in (3, 0):
        sample, again, unchanged = (stream[draw] for stream in (first, second, plain))
        assert sample["inputs"].dtype == torch.float32
        assert torch.equal(sample["inputs"], again["inputs"])
        assert not torch.equal(sample["inputs"], unchanged["inputs"].float())
        labels = [each["data_samples"].gt_sem_seg.data for each in (sample, unchanged)]
        assert torch.equal(labels[0], labels[1])
