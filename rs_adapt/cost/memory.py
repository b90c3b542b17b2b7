"""Memory of a training iteration of one model, also where several models are in one process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from rs_adapt.engine.parts import segmentor_of
from rs_adapt.heads.recomputed import RecomputedLayer


def describe_memory(device_type: str) -> str:
    """Return in one line what `iteration_bytes` counts on a type of device ("cuda", "cpu", ...)."""
    if device_type == "cuda":
        return (
            "peak of a training iteration: weights, optimizer state, and all that the iteration allocates on top "
            "(torch.cuda.max_memory_allocated)"
        )
    return (
        "weights, gradients, optimizer state and the tensors saved for the backward pass; temporary tensors within an "
        "operation are not counted"
    )


def iteration_bytes(run: Callable[[], object], model: nn.Module, optimizer: Optimizer) -> int:
    """Return the bytes that a training iteration needs, as if the model were alone in the process.

    Storage that several tensors share counts once. PyTorch counts allocations on GPUs only; on a CPU the result is not
    the peak but the sum of all gradients and all saved tensors, although the latter are freed while the former are
    computed. `describe_memory` states what is counted.

    Args:
        run: One forward pass, backward pass and step. Called once; it must have run before, as AdamW creates its
            state in its first step.
        model: The model that `run` trains.
        optimizer: The optimizer that steps in `run` and leaves no gradients behind.
    """
    device = next(model.parameters()).device
    persistent = find_storages(tensor for tensor in _persistent_tensors(model, optimizer) if tensor.device == device)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        run()
        torch.cuda.synchronize(device)
        return sum(persistent.values()) + torch.cuda.max_memory_allocated(device) - before
    with _inputs_of_recomputed_blocks(model) as inputs:
        saved = collect_saved_tensors(run) | inputs
    gradients = sum(p.numel() * p.element_size() for p in model.parameters() if p.requires_grad)
    return gradients + sum((persistent | saved).values())


def collect_saved_tensors(run: Callable[[], object]) -> dict[int, int]:
    """Return bytes by address of the storages that autograd saves for the backward passes within `run`."""
    saved: dict[int, int] = {}

    def record(tensor: Tensor) -> Tensor:
        saved.update(find_storages([tensor]))
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(record, lambda tensor: tensor):
        run()
    return saved


@contextmanager
def _inputs_of_recomputed_blocks(model: nn.Module) -> Iterator[dict[int, int]]:
    """Return bytes by address of what recomputation holds, which autograd does not know: the inputs of the layers."""
    inputs: dict[int, int] = {}
    backbone: Any = getattr(segmentor_of(model), "backbone", None)
    layers = list(backbone.layers) if getattr(backbone, "recomputes", False) else []
    layers += [layer for layer in model.modules() if isinstance(layer, RecomputedLayer) and layer.recomputes]

    def record(_layer: nn.Module, args: tuple[Any, ...]) -> None:
        # The first one; the others are those of all layers.
        inputs.update(find_storages(args[:1]))

    handles = [layer.register_forward_pre_hook(record) for layer in layers]
    try:
        yield inputs
    finally:
        for handle in handles:
            handle.remove()


def find_storages(tensors: Iterable[Tensor]) -> dict[int, int]:
    """Return bytes by address of the storages of some tensors."""
    distinct = (tensor.untyped_storage() for tensor in tensors)
    return {storage.data_ptr(): storage.nbytes() for storage in distinct}


def _persistent_tensors(model: nn.Module, optimizer: Optimizer) -> Iterator[Tensor]:
    yield from model.parameters()
    yield from model.buffers()
    for state in optimizer.state.values():
        yield from (value for value in state.values() if isinstance(value, Tensor))
