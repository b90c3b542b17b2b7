"""Loaders of a training: the end of the processes that read tiles ahead, and copies of batches to a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

from mmengine.model import BaseDataPreprocessor
from torch import nn

_of_training: WeakSet[Any] = WeakSet()


def ends_with_training(loader: Any) -> Any:
    """Return a `DataLoader` whose processes `training_loaders` ends."""
    _of_training.add(loader)
    return loader


@contextmanager
def training_loaders() -> Iterator[None]:
    """End the processes of the loaders of a training when the context ends."""
    try:
        yield
    finally:
        for loader in list(_of_training):
            end_processes(loader)
        _of_training.clear()


def end_processes(loader: Any) -> None:
    """End the processes that a loader keeps for its next pass, if it has any; it can be iterated again.

    A runner is part of circular references. Left to Python's collector, the queues of its loaders are closed before the
    processes have been asked to end, and PyTorch then waits 5 s for each of them.
    """
    iterator = getattr(loader, "_iterator", None)
    if iterator is not None:
        loader._iterator = None
        iterator._shutdown_workers()


def copy_without_waiting(model: nn.Module) -> None:
    """Let a model's preprocessors start the copies of a batch to the GPU and not wait for them.

    Images reach them in pinned memory, from which a GPU copies by itself while the host continues.
    """
    for module in model.modules():
        if isinstance(module, BaseDataPreprocessor):
            # mmsegmentation's preprocessors do not pass on mmengine's argument of this name.
            module._non_blocking = True
