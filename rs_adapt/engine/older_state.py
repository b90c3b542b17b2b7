"""Training states of older versions: buffers that they did not store get the values that continue the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn


@runtime_checkable
class CompletesOlderState(Protocol):
    """A module with buffers that older versions did not store."""

    def complete_older_state(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return values for buffers that an older state lacks; `tensors` has this module's, names without prefix."""


def complete_older_state(model: nn.Module, tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Return a state's tensors, completed with the buffers that its version did not store.

    Args:
        model: A model of the same configuration.
        tensors: Tensors of the state by name, unchecked.
    """
    completed = dict(tensors)
    for prefix, module in model.named_modules():
        if not isinstance(module, CompletesOlderState):
            continue
        assert isinstance(module, nn.Module)
        start = f"{prefix}." if prefix else ""
        names = [name for name, _ in module.named_buffers()]
        stored = {name: tensors[start + name] for name in names if start + name in tensors}
        if len(stored) == len(names):
            continue
        try:
            values = module.complete_older_state(stored)
        except (AttributeError, KeyError, RuntimeError, TypeError):
            # A damaged state: the check of its parts, which follows, says of which one.
            continue
        completed |= {start + name: value for name, value in values.items() if name not in stored}
    return completed
