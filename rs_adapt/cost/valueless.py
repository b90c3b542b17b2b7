"""Models without values: their operations have shapes and types, take no memory, and answer questions by assumptions.

Weights are torch's fake tensors, so all that is computed from them is fake too. Images and labels are real: what is
computed from labels alone (the classes of an image, the number of its labelled pixels) has its true value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from rs_adapt.strategies.pseudo_labels import PseudoLabeler, PseudoLabels

_aten: Any = torch.ops.aten


def drop_values(model: nn.Module) -> None:
    """Turn the tensors of a model on the meta device into fake tensors of a CPU, each keeping its identity.

    A fake tensor of a CPU knows autocast and the fused attention, which the meta device does not.

    Args:
        model: Return value of `rs_adapt.engine.parameters.build_on_meta`; changed in place.
    """
    # Labels and images are real, and meet fake tensors.
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    distinct = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    for tensor in distinct.values():
        if not tensor.is_meta:
            # Constants that a class makes on the CPU whatever the device, which are small.
            continue
        fake: Any = FakeTensor(mode, torch.empty_like(tensor, requires_grad=False), torch.device("cpu"))
        fake.requires_grad_(tensor.requires_grad)
        if isinstance(tensor, nn.Parameter):
            # What nn.Parameter itself sets; its constructor leaves a weak reference, and then nothing can be swapped.
            fake._is_param = True
        torch.utils.swap_tensors(tensor, fake)  # type: ignore[no-untyped-call]


@contextmanager
def assume_values(model: nn.Module, *, num_classes: int) -> Iterator[None]:
    """Let code that asks for values run on a model without values, while the context lasts.

    A number is 1 (a switch is on), an array is 0 everywhere, a mask selects everything: the most that there can be in
    memory. The pseudo-labels of a teacher are drawn evenly from all classes, and all of them count.

    Args:
        model: A model after `drop_values`.
        num_classes: Number of classes.
    """

    def draw_labels(_module: nn.Module, _inputs: object, labels: PseudoLabels) -> PseudoLabels:
        shape = tuple(labels.labels_BHW.shape)
        return PseudoLabels(torch.randint(0, num_classes, shape), torch.ones(shape), torch.ones(shape))

    handles = [
        module.register_forward_hook(draw_labels) for module in model.modules() if isinstance(module, PseudoLabeler)
    ]
    try:
        with _AssumedArrays(), _AssumedNumbers():  # type: ignore[no-untyped-call]
            yield
    finally:
        for handle in handles:
            handle.remove()


class _AssumedNumbers(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Answers operations whose result, or its size, depends on values."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None) -> Any:
        if func is _aten._local_scalar_dense.default and isinstance(args[0], FakeTensor):
            return torch.ones((), dtype=args[0].dtype).item()
        if func is _aten.nonzero.default and isinstance(args[0], FakeTensor):
            return _everywhere(args[0])
        if func is _aten.index.Tensor:
            args = (args[0], [index for given in args[1] for index in _as_positions(given)], *args[2:])
        return func(*args, **(kwargs or {}))


class _AssumedArrays(TorchFunctionMode):
    """Answers the methods by which values leave torch."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in (Tensor.numpy, Tensor.tolist) and isinstance(args[0], FakeTensor):
            zeros = torch.zeros(args[0].shape, dtype=args[0].dtype).numpy()
            return zeros if func is Tensor.numpy else np.asarray(zeros).tolist()
        return func(*args, **(kwargs or {}))


def _everywhere(mask: Tensor) -> Tensor:
    return torch.ones(tuple(mask.shape), dtype=torch.bool).nonzero()


def _as_positions(index: Tensor | None) -> list[Tensor | None]:
    """Return an index, a mask as the positions that it selects: their number is a size, which a fake mask lacks."""
    if index is None or index.dtype not in (torch.bool, torch.uint8):
        return [index]
    positions = _everywhere(index) if isinstance(index, FakeTensor) else index.nonzero()
    return list(positions.unbind(dim=1))
