"""The teacher of self-training: an exponential moving average of the tensors that train, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from rs_adapt.ranges import SHARE_BELOW_1, check_ranges


class EmaWeights(nn.Module):
    """Moving average of a module's trainable parameters, held in buffers (Tarvainen and Valpola, arXiv 1703.01780).

    The frozen backbone has no second copy: `torch.func.functional_call(module, ema.weights(), ...)` runs the teacher
    on the student's module. Being buffers, the averages are in the state dict, so a resumed run keeps its teacher.

    Args:
        module: The module whose trainable parameters are averaged, in their current dtype and device.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self._names: dict[str, str] = {}
        for name, parameter in module.named_parameters():
            if parameter.requires_grad:
                # Buffer names may not hold dots.
                self._names[name] = name.replace(".", "/")
                self.register_buffer(self._names[name], parameter.detach().clone())

    def weights(self) -> dict[str, Tensor]:
        """Return the averages under the names of the averaged parameters, as `functional_call` takes them."""
        return {name: self.get_buffer(buffer) for name, buffer in self._names.items()}

    @torch.no_grad()
    def update(self, module: nn.Module, iteration: int, decay: float) -> None:
        """Set `ema <- a * ema + (1 - a) * weights` with `a = min(1 - 1 / (iteration + 1), decay)`.

        The ramp is that of the mean teacher: at iteration 0 the teacher equals the student, early averages are short.

        Args:
            module: The student.
            iteration: Training iterations done so far, from 0.
            decay: Largest share of the old average, in [0, 1).

        Raises:
            ConfigError: `decay` is out of its range.
        """
        check_ranges("EmaWeights", decay=(decay, SHARE_BELOW_1))
        self.blend(module, min(1.0 - 1.0 / (iteration + 1), decay))

    @torch.no_grad()
    def blend(self, module: nn.Module, decay: float) -> None:
        """Set `ema <- decay * ema + (1 - decay) * weights`, without a ramp: the start keeps its share.

        Args:
            module: The student.
            decay: Share of the old average, in [0, 1).

        Raises:
            ConfigError: `decay` is out of its range.
        """
        check_ranges("EmaWeights", decay=(decay, SHARE_BELOW_1))
        current = dict(module.named_parameters())
        averages = list(self.weights().values())
        torch._foreach_lerp_(averages, [current[name].detach() for name in self._names], 1.0 - decay)

    @contextmanager
    def swap(self, module: nn.Module) -> Iterator[None]:
        """Exchange the averages and the module's weights for the duration of the context; nothing is copied."""
        self._exchange(module)
        try:
            yield
        finally:
            self._exchange(module)

    @torch.no_grad()
    def _exchange(self, module: nn.Module) -> None:
        current = dict(module.named_parameters())
        for name, average in self.weights().items():
            current[name].data, average.data = average.data, current[name].data
