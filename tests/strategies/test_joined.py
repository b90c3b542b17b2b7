"""`benchmarks/gpu_speed/joined.py`: one pass of the backbone for source and mixture, beside the shipped two."""

from __future__ import annotations

import copy
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from mmseg.models import EncoderDecoder

from rs_adapt.strategies import SelfTraining

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def test_losses_and_gradients_are_those_of_two_passes_up_to_rounding(
    tiny: Callable[..., EncoderDecoder], batch: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    joined = import_module("gpu_speed.joined").JoinedSelfTraining
    # A head without draws of its own: they come in a different order.
    two = SelfTraining(segmentor=tiny(), warmup_iters=0, mix_weight=0.5)
    one = copy.deepcopy(two)
    one.__class__ = joined
    results = []
    for model in (two, one):
        torch.manual_seed(3)
        losses = model(**model.data_preprocessor(batch(), True), mode="loss")
        sum(value for name, value in losses.items() if "loss" in name).backward()
        results.append((losses, [p.grad for p in model.parameters() if p.grad is not None]))
    (losses, gradients), (other_losses, other_gradients) = results
    assert list(other_losses) == list(losses)
    assert {name.split(".")[0] for name in losses} == {"source", "mix"}
    torch.testing.assert_close(other_losses, losses, rtol=1e-5, atol=0)
    assert len(gradients) > 10
    torch.testing.assert_close(other_gradients, gradients, rtol=1e-4, atol=1e-6)
    assert one.iteration == two.iteration == 1
