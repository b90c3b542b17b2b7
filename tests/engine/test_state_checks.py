"""A training state is compared with the runner before any of it is loaded: every part, its type, shape and numbers."""

from __future__ import annotations

import copy
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from rs_adapt.engine.state import trained_tensors
from rs_adapt.engine.state_checks import check_parts
from rs_adapt.errors import CheckpointMismatch

Change = Callable[[dict[str, Any]], Any]


class Scheduler:
    def __init__(self) -> None:
        self.last_step, self.base_values, self.by_epoch, self.param_name = 3, [0.1], False, "lr"

    def state_dict(self) -> dict[str, Any]:
        return dict(self.__dict__)


@pytest.fixture
def runner() -> Any:
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    model(torch.ones(4, 3)).sum().backward()
    optimizer.step()
    return SimpleNamespace(model=model, optim_wrapper=optimizer, param_schedulers=[Scheduler()])


@pytest.fixture
def state(runner: Any) -> dict[str, Any]:
    return {
        "iteration": 3,
        "model": copy.deepcopy(trained_tensors(runner.model)),
        "optimizer": copy.deepcopy(runner.optim_wrapper.state_dict()),
        "schedulers": [runner.param_schedulers[0].state_dict()],
        "metrics": {"sums": {"loss": 1.5}, "count": 2},
    }


def check(runner: Any, state: object) -> None:
    check_parts(state, runner=runner, model=trained_tensors(runner.model), source="state.pth")


def test_the_state_of_the_runner_fits(runner: Any, state: dict[str, Any]) -> None:
    check(runner, state)
    # A learning rate of a schedule, a whole number for a fraction, moments of parameters that had no gradient yet.
    state["optimizer"]["param_groups"][0]["lr"] = 1
    del state["optimizer"]["state"][2]
    check(runner, state)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda s: s.pop("optimizer"), "optimizer is missing"),
        (lambda s: s.update(model=None), "model is None and not a table"),
        (lambda s: s.update(iteration="x"), "iteration is 'x' and not a whole number from 0"),
        (lambda s: s.update(iteration=-1), "iteration is -1 and not a whole number from 0"),
        (lambda s: s.update(iteration=True), "iteration is True and not a whole number from 0"),
        (lambda s: s["model"].update({"0.weight": "x"}), r"model\.0\.weight is 'x' and not a tensor"),
        (
            lambda s: s["model"].update({"0.weight": torch.ones(6)}),
            r"model\.0\.weight is a tensor of torch\.float32 with shape \(6,\), and .* shape \(2, 3\) is needed",
        ),
        (lambda s: s["model"].update({"0.weight": torch.ones(2, 3).half()}), "tensor of torch.float16"),
        (lambda s: s["model"].update({"0.weight": torch.ones(2, 3).to_sparse()}), "is a tensor of torch.float32"),
        (lambda s: s.update(optimizer=[]), r"optimizer is \[\] and not a table"),
        (lambda s: s["optimizer"].update(param_groups=[]), "optimizer.param_groups is .*a list of 1 values is needed"),
        (lambda s: s["optimizer"]["param_groups"][0].pop("betas"), r"param_groups\.0\.betas is missing"),
        (lambda s: s["optimizer"]["param_groups"][0].update(lr="x"), "lr is 'x' and not a finite number"),
        (lambda s: s["optimizer"]["param_groups"][0].update(lr=float("inf")), "lr is inf and not a finite number"),
        (lambda s: s["optimizer"]["param_groups"][0].update(amsgrad=1), "amsgrad is 1, and it is False in this run"),
        (lambda s: s["optimizer"].update(state=7), "optimizer.state is 7 and not a table"),
        (lambda s: s["optimizer"]["state"].update({9: {}}), r"state\.9 belongs to no parameter: the model has 4"),
        (lambda s: s["optimizer"]["state"][0].pop("exp_avg"), r"state\.0\.exp_avg is missing"),
        (lambda s: s["optimizer"]["state"][0].update(exp_avg={}), r"exp_avg is \{\} and not a finite number"),
        (lambda s: s["optimizer"]["state"][0].update(exp_avg=torch.ones(2)), r"exp_avg is a tensor of .*\(2,\)"),
        (lambda s: s["optimizer"]["state"][0].update(step=torch.ones((), dtype=torch.int64)), "fractions are needed"),
        (lambda s: s.update(schedulers=[]), r"schedulers is \[\], and a list of 1 values is needed"),
        (lambda s: s["schedulers"].append({}), "a list of 1 values is needed"),
        (lambda s: s["schedulers"][0].update(last_step=None), "last_step is None and not a finite number"),
        (lambda s: s["schedulers"][0].update(more=1), r"schedulers\.0\.more is unknown"),
        (lambda s: s["schedulers"][0].update(param_name=3), "param_name is 3, and it is 'lr' in this run"),
        (lambda s: s["metrics"].pop("sums"), "metrics.sums is None and not a table"),
        (lambda s: s["metrics"].update(count=1.5), "metrics.count is 1.5 and not a whole number"),
        (lambda s: s["metrics"]["sums"].update(loss=[]), r"metrics\.sums\.loss is \[\] and not a finite number"),
    ],
)
def test_a_part_that_does_not_fit_is_named(runner: Any, state: dict[str, Any], change: Change, reason: str) -> None:
    change(state)
    with pytest.raises(CheckpointMismatch, match=rf"^state\.pth is damaged.*{reason}.* --overwrite\.$"):
        check(runner, state)


@pytest.mark.parametrize("content", [None, 7, [], torch.ones(2, 3), "x"], ids=lambda value: type(value).__name__)
def test_a_state_that_is_no_table_is_refused(runner: Any, content: object) -> None:
    with pytest.raises(CheckpointMismatch, match="the file is .* and not a table"):
        check(runner, content)
