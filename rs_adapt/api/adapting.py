"""The options of a model that adapts to the scenes that it maps. Loads no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rs_adapt.errors import ConfigError
from rs_adapt.inference.drift import AdaptationSettings
from rs_adapt.ranges import COUNT, POSITIVE
from rs_adapt.runs.onnx_files import is_onnx

if TYPE_CHECKING:
    from rs_adapt.inference.ensemble import Member

DEFAULT_STEPS = 20
# Share of the training's learning rate.
_RATE_SHARE = 0.5


def check_adaptation(
    adapt: bool, checkpoints: Sequence[Path], *, steps: int | None = None, lr: float | None = None
) -> None:
    """Refuse options of adaptation that cannot be followed, before a model is loaded.

    Args:
        adapt: Whether the model adapts.
        checkpoints: Run folders, folders with packs, or ONNX models.
        steps: Steps of the optimizer; None for `DEFAULT_STEPS`.
        lr: Learning rate; None for half of the training's.

    Raises:
        ConfigError: Several models or an ONNX model would have to adapt, or a number is out of its range or has no
            effect.
    """
    given = {"--adapt-steps": steps, "--adapt-lr": lr}
    if not adapt:
        for option, value in given.items():
            if value is not None:
                raise ConfigError(f"{option} is {value}, which has no effect without --adapt. Add --adapt.")
        return
    if len(checkpoints) > 1:
        raise ConfigError(
            f"--adapt changes the weights of one model, and there are {len(checkpoints)} checkpoints to average. Name "
            "one, or leave --adapt out."
        )
    if is_onnx(checkpoints[0]):
        raise ConfigError(
            f"--adapt trains a few steps, which {checkpoints[0]} cannot: it is an ONNX model. Name the run that it was "
            "exported from, or leave --adapt out."
        )
    for (option, value), allowed in zip(given.items(), (COUNT, POSITIVE), strict=True):
        if value is not None and value not in allowed:
            raise ConfigError(f"{option} is {value}; it must be {allowed.allowed(value)}.")


def adaptation_settings(
    adapt: bool, members: Sequence[Member], *, steps: int | None = None, lr: float | None = None
) -> AdaptationSettings | None:
    """Return how a model adapts to each scene; None for not at all.

    Args:
        adapt: Whether it adapts.
        members: The checkpoints, of which `check_adaptation` allows one.
        steps: See `check_adaptation`.
        lr: See `check_adaptation`.
    """
    if not adapt:
        return None
    source = members[0].source
    assert hasattr(source, "optim")
    rate = float(source.optim.lr) * _RATE_SHARE if lr is None else lr
    return AdaptationSettings(steps=DEFAULT_STEPS if steps is None else steps, lr=rate)
