"""The teacher on the student's frozen backbone is exactly a second segmentor: in fp32, in bf16 and over processes."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from mmseg.structures import SegDataSample
from torch import Tensor

from rs_adapt.engine.optim import OptimWrapper
from rs_adapt.strategies import PseudoLabels, SelfTraining
from rs_adapt.strategies.pseudo_labels import valid_pixels

Tiny = Callable[..., Any]
Batch = Callable[..., dict[str, Any]]
WORKER = Path(__file__).with_name("two_processes.py")
# Everything that looks at the teacher.
ALL_TERMS: dict[str, Any] = {
    **{"warmup_iters": 1, "ema_decay": 0.6, "align": 0.5, "border_px": 2, "confidence": 0.6, "per_class": True},
    **{"jitter_prob": 0.5, "blur_prob": 0.5, "feature_weight": 0.1, "feature_min_share": 0.5, "mask_weight": 1.0},
}


class CopiedTeacher(SelfTraining):
    """The usual form: a deep copy of the whole segmentor, into which the averages are written in each step."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        # Past nn.Module, so that the copy is no part of the student.
        self.__dict__["teacher"] = copy.deepcopy(self.segmentor).eval()

    @torch.no_grad()
    def label_target(self, inputs: Tensor, data_samples: list[SegDataSample]) -> PseudoLabels:
        teacher: Any = self.__dict__["teacher"]
        parameters = dict(teacher.named_parameters())
        for name, average in self.ema.weights().items():
            parameters[name].copy_(average)
        scores = teacher.encode_decode(inputs, [{"img_shape": inputs.shape[-2:]}] * len(inputs))
        valid = valid_pixels(data_samples, inputs.shape[-2], inputs.shape[-1], inputs.device)
        pseudo: PseudoLabels = self.labeler(scores, valid)
        return pseudo


def trained(model: SelfTraining) -> dict[str, Tensor]:
    """Copies of the student's weights that train."""
    parameters = model.segmentor.named_parameters()
    return {name: value.detach().clone() for name, value in parameters if value.requires_grad}


def optimizer(model: SelfTraining, precision: Any = "fp32") -> OptimWrapper:
    weights = [value for value in model.parameters() if value.requires_grad]
    return OptimWrapper(torch.optim.AdamW(weights, lr=0.01), precision=precision)


def closed_form(history: Sequence[dict[str, Tensor]], decay: float) -> dict[str, Tensor]:
    """Average of the weights that the student had at the start of each step, float64.

    With `a_t = min(1 - 1 / (t + 1), decay)`, step t's weights count `(1 - a_t) * a_{t+1} * ... * a_last`.
    """
    alphas = [min(1 - 1 / (step + 1), decay) for step in range(len(history))]
    shares = [(1 - alpha) * float(torch.tensor(alphas[step + 1 :]).prod()) for step, alpha in enumerate(alphas)]
    return {
        name: sum(share * weights[name].double() for share, weights in zip(shares, history, strict=True))
        for name in history[0]
    }


@pytest.mark.parametrize("weighting", ["share", "pixel"])
def test_losses_and_weights_equal_those_of_a_deep_copied_teacher(tiny: Tiny, batch: Batch, weighting: str) -> None:
    runs = []
    for form in (SelfTraining, CopiedTeacher):
        model = form(segmentor=tiny(), weighting=weighting, **ALL_TERMS)
        wrapper = optimizer(model)
        steps = []
        for seed in range(4):
            torch.manual_seed(seed)
            steps.append(model.train_step(batch(seed), wrapper))
        runs.append((steps, trained(model)))
    (ours, our_weights), (copied, copied_weights) = runs
    assert [{name: value.item() for name, value in step.items()} for step in ours] == [
        {name: value.item() for name, value in step.items()} for step in copied
    ]
    assert {"mix.decode.loss_ce", "masked.decode.loss_ce", "source.loss_feature_distance"} < set(ours[-1])
    assert all(torch.equal(value, copied_weights[name]) for name, value in our_weights.items())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_averages_are_the_closed_form_in_float32(tiny: Tiny, batch: Batch, precision: str) -> None:
    model = SelfTraining(segmentor=tiny(), weighting="share", **ALL_TERMS)
    wrapper, history = optimizer(model, precision), []
    for seed in range(5):
        history.append(trained(model))
        model.train_step(batch(seed), wrapper)
    found = model.ema.weights()
    assert found.keys() == history[0].keys()
    expected = closed_form(history, decay=0.6)
    for name, value in found.items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value.double(), expected[name], atol=1e-6, rtol=1e-6)
        assert not torch.equal(history[0][name], history[-1][name])
    # The frozen backbone has no second copy.
    frozen = {name for name, value in model.segmentor.named_parameters() if not value.requires_grad}
    assert frozen
    assert not frozen & found.keys()


def test_bf16_labels_come_from_the_averages_and_not_from_autocasts_cache(tiny: Tiny, batch: Batch) -> None:
    model = SelfTraining(segmentor=tiny(), warmup_iters=0)
    target = model.data_preprocessor(batch(), True)["target"]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        # The student's weights are in autocast's store now; they are what the teacher must not see.
        model.segmentor.encode_decode(target["inputs"], [{"img_shape": (32, 32)}] * 2)
        before = model.label_target(**target)
        with torch.no_grad():
            for average in model.ema.weights().values():
                average.neg_()
        after = model.label_target(**target)
    assert not torch.equal(before.labels_BHW, after.labels_BHW)


@pytest.mark.slow
def test_two_processes_have_equal_students_and_equal_teachers(tmp_path: Path) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    processes = [
        subprocess.Popen(
            [sys.executable, str(WORKER), str(rank), str(tmp_path)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in (0, 1)
    ]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(text[-2000:] for text in outputs)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert len(first["history"]) == 4
    for mine, other in zip(first["history"], second["history"], strict=True):
        assert all(torch.equal(value, other[name]) for name, value in mine.items())
    assert first["ema"].keys() == second["ema"].keys() == first["history"][0].keys()
    assert all(torch.equal(value, second["ema"][name]) for name, value in first["ema"].items())
    # Each process has its own images.
    assert all(first["losses"][step] != second["losses"][step] for step in range(3))
    expected = closed_form(first["history"][:3], decay=0.6)
    for name, value in first["ema"].items():
        torch.testing.assert_close(value.double(), expected[name], atol=1e-6, rtol=1e-6)
