"""Training states of version 0.1.0: what it did not store is completed, and damage is left to the check of parts."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rs_adapt.engine import state
from rs_adapt.engine.metrics_writer import MetricsWriter
from rs_adapt.engine.older_state import complete_older_state
from rs_adapt.engine.state import load_state, save_state
from rs_adapt.strategies import PseudoLabeler, PseudoLabelHealth

ADDED = {
    "labeler.class_batches_K": torch.zeros(2),
    "labeler.source_batches": torch.zeros(()),
    "labeler.teacher_batches": torch.zeros(()),
    "health.weight_sum": torch.zeros((), dtype=torch.float64),
    "health.weighted_pixels": torch.zeros((), dtype=torch.int64),
}


class Model(nn.Module):
    """The parts of self-training with buffers that were added."""

    def __init__(self) -> None:
        super().__init__()
        self.labeler = PseudoLabeler(num_classes=2, kind="scores", align=0.5)
        self.health = PseudoLabelHealth(num_classes=2, ignore_index=255)


def older() -> dict[str, Tensor]:
    return {name: value for name, value in Model().state_dict().items() if name not in ADDED}


def test_buffers_that_were_added_are_completed_with_the_types_of_the_model() -> None:
    completed = complete_older_state(Model(), older())
    own = Model().state_dict()
    assert completed.keys() == own.keys()
    assert {name: completed[name].tolist() for name in ADDED} == {name: value.tolist() for name, value in ADDED.items()}
    for name, value in completed.items():
        assert (value.dtype, value.shape) == (own[name].dtype, own[name].shape), name


def test_a_state_of_this_version_is_left_as_it_is() -> None:
    state = Model().state_dict()
    state["labeler.source_batches"] += 7
    completed = complete_older_state(Model(), state)
    assert completed.keys() == state.keys()
    assert all(completed[name] is value for name, value in state.items())


def test_damaged_states_pass_unchanged() -> None:
    for name, value in (("labeler.teacher_share_K", None), ("labeler.teacher_share_K", "no tensor")):
        state: dict[str, Any] = older()
        del state[name]
        if value is not None:
            state[name] = value
        assert "labeler.source_batches" not in complete_older_state(Model(), state)


def test_a_state_file_of_0_1_0_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, now = (nn.Sequential(nn.Linear(2, 2), Model()) for _ in range(2))
    model[1].labeler.teacher_share_K.copy_(torch.tensor([0.7, 0.3]))
    model[1].labeler.source_share_K.copy_(torch.tensor([0.6, 0.4]))
    added = {f"1.{name}" for name in ADDED}
    monkeypatch.setattr(
        state,
        "trained_tensors",
        lambda of: {name: value for name, value in of.state_dict().items() if name not in added},
    )
    path, metrics = tmp_path / "state.pth", MetricsWriter()
    runners = [
        SimpleNamespace(model=each, optim_wrapper=torch.optim.SGD(each.parameters(), lr=0.1), param_schedulers=[])
        for each in (model, now)
    ]
    save_state(path, runner=runners[0], metrics=metrics, iteration=3)
    monkeypatch.undo()
    assert load_state(path, runner=runners[1], metrics=metrics) == 3
    assert torch.equal(now[1].labeler.teacher_share_K, model[1].labeler.teacher_share_K)
    # Its means continue with their step of 0.01.
    now[1].labeler.observe_source(torch.tensor([[[0, 0]]]))
    torch.testing.assert_close(now[1].labeler.source_share_K, torch.tensor([0.604, 0.396]))
