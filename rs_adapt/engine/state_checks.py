"""Compares the parts of a training state with the runner that shall take them, before any of them is loaded."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from rs_adapt.errors import CheckpointMismatch

if TYPE_CHECKING:
    from mmengine.runner import Runner

_PARTS = ("iteration", "model", "optimizer", "schedulers", "metrics")
# What Adam stores for each parameter.
_ADAM = ("step", "exp_avg", "exp_avg_sq")
_REMEDY = "Copy the run again, or start again with --overwrite."


def check_parts(state: object, *, runner: Runner, model: Mapping[str, Tensor], source: str) -> None:
    """Refuse a training state whose parts are missing, or have other types, shapes or names than the runner's.

    Args:
        state: What `save_state` wrote: `iteration`, `model`, `optimizer`, `schedulers`, `metrics`.
        runner: The runner, built and not yet trained.
        model: The tensors of the runner's model that the state holds, by name.
        source: File of the state, for messages.

    Raises:
        CheckpointMismatch: The state does not fit; names the first part that does not.
    """
    try:
        parts = _table(state, "the file")
        if missing := [name for name in _PARTS if name not in parts]:
            raise _Misfit(f"{missing[0]} is missing")
        _check_count(parts["iteration"], "iteration")
        _check_model(_table(parts["model"], "model"), model)
        _check_optimizer(_table(parts["optimizer"], "optimizer"), runner)
        now = [scheduler.state_dict() for scheduler in runner.param_schedulers]
        _check_like(parts["schedulers"], now, "schedulers")
        metrics = _table(parts["metrics"], "metrics")
        _check_count(metrics.get("count"), "metrics.count")
        for name, value in _table(metrics.get("sums"), "metrics.sums").items():
            _check_like(value, 0.0, f"metrics.sums.{name}")
    except _Misfit as error:
        raise CheckpointMismatch(f"{source} is damaged, or no training state of this run: {error}. {_REMEDY}") from None


class _Misfit(Exception):
    """A part of the state that does not fit, as a phrase."""


def _table(value: object, place: str) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise _Misfit(f"{place} is {_short(value)} and not a table")
    return value


def _check_count(value: object, place: str) -> None:
    if type(value) is not int or not 0 <= value < 2**53:
        raise _Misfit(f"{place} is {_short(value)} and not a whole number from 0")


def _check_model(tensors: dict[Any, Any], own: Mapping[str, Tensor]) -> None:
    for name, value in tensors.items():
        # Missing and unknown names are reported with their number as they are loaded.
        if not isinstance(value, Tensor):
            raise _Misfit(f"model.{name} is {_short(value)} and not a tensor")
        if name in own:
            _check_tensor(value, own[name], f"model.{name}")


def _check_tensor(value: Tensor, own: Tensor, place: str) -> None:
    if value.layout != torch.strided or value.dtype != own.dtype or value.shape != own.shape:
        raise _Misfit(
            f"{place} is a tensor of {value.dtype} with shape {tuple(value.shape)}, and {own.dtype} with shape "
            f"{tuple(own.shape)} is needed"
        )


def _check_optimizer(values: dict[Any, Any], runner: Runner) -> None:
    wrapper = runner.optim_wrapper
    now = wrapper.state_dict()
    _check_like({**values, "state": {}}, {**now, "state": {}}, "optimizer")
    groups = wrapper.param_groups
    parameters: list[nn.Parameter] = [parameter for group in groups for parameter in group["params"]]
    needed = _ADAM if all("amsgrad" in group for group in groups) else ()
    for number, entries in _table(values.get("state"), "optimizer.state").items():
        place = f"optimizer.state.{number}"
        if type(number) is not int or not 0 <= number < len(parameters):
            raise _Misfit(f"{place} belongs to no parameter: the model has {len(parameters)}")
        for name in needed:
            if name not in _table(entries, place):
                raise _Misfit(f"{place}.{name} is missing")
        for name, value in _table(entries, place).items():
            _check_moment(value, parameters[number], f"{place}.{name}")


def _check_moment(value: object, parameter: nn.Parameter, place: str) -> None:
    """Check a value that an optimizer stores for a parameter: a number, or a tensor of no or of the same shape."""
    if not isinstance(value, Tensor):
        if value is not None:
            _check_like(value, 0.0, place)
        return
    own = torch.empty(parameter.shape if value.dim() or not parameter.dim() else (), device="meta")
    if not value.dtype.is_floating_point:
        raise _Misfit(f"{place} is a tensor of {value.dtype}, and fractions are needed")
    _check_tensor(value.detach() if value.layout != torch.strided else value.detach().float(), own, place)


def _check_like(value: object, own: object, place: str) -> None:
    """Compare the types, keys and lengths of a value with those of the runner's own; numbers must be finite."""
    if isinstance(own, dict):
        table = _table(value, place)
        for key in own.keys() ^ table.keys():
            raise _Misfit(f"{place}.{key} is {'missing' if key in own else 'unknown'}")
        for key, inner in own.items():
            _check_like(table[key], inner, f"{place}.{key}")
    elif isinstance(own, list | tuple):
        if not isinstance(value, list | tuple) or len(value) != len(own):
            raise _Misfit(f"{place} is {_short(value)}, and a list of {len(own)} values is needed")
        for number, (one, inner) in enumerate(zip(value, own, strict=True)):
            _check_like(one, inner, f"{place}.{number}")
    elif isinstance(own, Tensor):
        if not isinstance(value, Tensor):
            raise _Misfit(f"{place} is {_short(value)} and not a tensor")
        _check_tensor(value, own, place)
    elif isinstance(own, bool) or own is None or isinstance(own, str):
        if type(value) is not type(own):
            raise _Misfit(f"{place} is {_short(value)}, and it is {own!r:.40} in this run")
    elif isinstance(own, int | float) and (
        isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value)
    ):
        raise _Misfit(f"{place} is {_short(value)} and not a finite number")


def _short(value: object) -> str:
    return f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"{value!r:.60}"
