"""Memory of a training iteration of one model, also where several models live in one process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


def meaning(device_type: str) -> str:
    """Describe what `iteration_bytes` counts on a kind of device ("cuda", "cpu", ...), as one line for a table."""
    if device_type == "cuda":
        return (
            "peak of a training iteration: weights, optimizer state, and all that the iteration allocates on top "
            "(torch.cuda.max_memory_allocated)"
        )
    return (
        "weights, gradients, optimizer state and the tensors kept for the backward pass; what lives only within an "
        "operation is not in it"
    )


def iteration_bytes(run: Callable[[], object], model: nn.Module, optimizer: Optimizer) -> int:
    """Bytes that a training iteration needs, as if the model were alone in the process; see `meaning`.

    Storage that several tensors share counts once. PyTorch counts allocations on GPUs only; on a CPU a sum stands for
    the peak, with all gradients and all kept tensors in it, although the latter go while the former come.

    Args:
        run: One forward, backward and step; run once, and not for the first time (AdamW makes its state in its first
            step).
        model: What `run` trains.
        optimizer: Steps in `run`, and leaves no gradients behind.
    """
    device = next(model.parameters()).device
    own = storages(tensor for tensor in _standing(model, optimizer) if tensor.device == device)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        run()
        torch.cuda.synchronize(device)
        return sum(own.values()) + torch.cuda.max_memory_allocated(device) - before
    kept = kept_for_backward(run)
    gradients = sum(p.numel() * p.element_size() for p in model.parameters() if p.requires_grad)
    return gradients + sum((own | kept).values())


def kept_for_backward(run: Callable[[], object]) -> dict[int, int]:
    """Bytes by address of the storages that autograd keeps for the backward passes within `run`."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept.update(storages([tensor]))
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        run()
    return kept


def storages(tensors: Iterable[Tensor]) -> dict[int, int]:
    """Bytes by address of the storages that tensors lie in."""
    found = (tensor.untyped_storage() for tensor in tensors)
    return {storage.data_ptr(): storage.nbytes() for storage in found}


def _standing(model: nn.Module, optimizer: Optimizer) -> Iterator[Tensor]:
    yield from model.parameters()
    yield from model.buffers()
    for state in optimizer.state.values():
        yield from (value for value in state.values() if isinstance(value, Tensor))
