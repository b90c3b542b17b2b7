"""Training states of version 0.1.0: what it did not store is completed, and damage is left to the check of parts."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from rs_adapt.engine.older_state import complete_older_state
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
