"""Parameters, and rows of parameters, that an optimizer step leaves as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


@contextmanager
def held_still(optimizer: Optimizer, held: Sequence[tuple[nn.Parameter, Tensor | None]]) -> Iterator[None]:
    """Keep parameters and what an optimizer stores for them bit for bit during its step.

    A whole parameter loses its gradient: torch's optimizers then pass it by, with its weight decay and its count of
    steps, and it has no part in the norm by which gradients are clipped. Of a parameter of which some rows rest, the
    gradient of those is set to zero, and values and moments are written back after the step; its count of steps grows.

    Args:
        optimizer: The optimizer.
        held: Parameters with a mask of the resting rows (first axis, bool), or None for the whole parameter.
    """
    partly: list[tuple[nn.Parameter, Tensor]] = []
    for parameter, rows in held:
        if rows is None:
            parameter.grad = None
        elif parameter.grad is not None:
            parameter.grad[rows] = 0
            partly.append((parameter, rows))
    before = [[value[rows].clone() for value in _tensors(optimizer, parameter)] for parameter, rows in partly]
    yield
    with torch.no_grad():
        for (parameter, rows), values in zip(partly, before, strict=True):
            now = _tensors(optimizer, parameter)
            # In its first step the optimizer makes its tensors, which start at zero.
            made = [torch.zeros_like(value[rows]) for value in now[len(values) :]]
            for value, old in zip(now, [*values, *made], strict=True):
                value[rows] = old


def _tensors(optimizer: Optimizer, parameter: nn.Parameter) -> list[Tensor]:
    """Return a parameter's values and the tensors of its shape that the optimizer stores for it."""
    stored = optimizer.state.get(parameter, {}).values()
    return [
        parameter.detach(),
        *(value for value in stored if torch.is_tensor(value) and value.shape == parameter.shape),
    ]
