"""Thresholds by share and a chosen temperature in runs: the note before the run, and an exact resume."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.hooks import Hook
from safetensors.torch import load_file

from rs_adapt.engine.build import check_data
from rs_adapt.engine.recorder import Interrupted
from rs_adapt.engine.train import train
from rs_adapt.registry import load_libraries

OVERRIDES = (
    "strategy.confidence=60%",
    "strategy.weighting=pixel",
    "strategy.per_class=true",
    "strategy.class_sampling.temperature=auto",
    "strategy.class_sampling.min_share=0.01",
)
NOTE = re.compile(
    r"drawn by their classes at the temperature [\d.]+ \(auto\): the rarest class in training, \w+, has [\d.]+%"
)


class StopAfterThree(Hook):  # type: ignore[misc]
    """Interrupts the training as Ctrl-C does."""

    def after_train_iter(self, runner: Any, *_: Any, **__: Any) -> None:
        if runner.iter + 1 == 3:
            os.kill(os.getpid(), signal.SIGINT)


def test_the_temperature_is_stated_before_the_run(tiny_cell) -> None:
    load_libraries()
    (note,) = (note for note in check_data(tiny_cell(overrides=OVERRIDES)).notes if "temperature" in note)
    assert NOTE.search(note)
    fixed = tiny_cell(overrides=(*OVERRIDES, "strategy.class_sampling.temperature=0.1"))
    assert not [note for note in check_data(fixed).notes if "temperature" in note]


@pytest.mark.slow
def test_a_resumed_run_has_the_thresholds_of_a_straight_one(tiny_cell, tmp_path: Path) -> None:
    straight = train(tiny_cell(run="straight", overrides=OVERRIDES), device="cpu")
    cfg = tiny_cell(run="parts", overrides=OVERRIDES)
    with pytest.raises(Interrupted):
        train(cfg, device="cpu", hooks=[StopAfterThree()])
    state = torch.load(tmp_path / "parts" / "state.pth", weights_only=True)
    assert state["model"]["labeler.quantile.counts_KC"].sum() > 0
    resumed = train(cfg, device="cpu", resume=True)
    first, second = (load_file(tmp_path / run / "adapter.safetensors") for run in ("straight", "parts"))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert resumed.iou_pct == straight.iou_pct
    assert [note for note in straight.notes if NOTE.search(note)] == [
        note for note in resumed.notes if NOTE.search(note)
    ]
    assert any(NOTE.search(note) for note in straight.notes)
