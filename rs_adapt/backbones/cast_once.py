"""Frozen linear layers whose weights are cast to autocast's precision once, and not in every forward pass.

Autocast remembers its casts of tensors that train, and of no others: a frozen ViT in bf16 reads all of its weights in
float32 and writes them in bfloat16 in every pass of student and teacher, and the backward pass keeps each of these
copies alive. Here one copy serves all passes. Its values are those of autocast's own cast, so outputs and gradients are
equal bit for bit.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class CastOnce(nn.Linear):
    """A linear layer that stores its weight and bias in autocast's precision beside themselves.

    The copies are no buffers: a state dict, a count of parameters and the hash of the weights do not see them. They are
    made again after the weight was written to, moved or exchanged. Without autocast, for weights that train, and under
    a compiler it is the plain layer.
    """

    _casts: tuple[tuple[object, ...], Tensor, Tensor | None] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Return `x @ W.T + b` in autocast's precision, float (..., in) to (..., out)."""
        device = x.device.type
        if self.weight.requires_grad or torch.compiler.is_compiling() or not torch.is_autocast_enabled(device):
            return super().forward(x)
        return functional.linear(x, *self._cast(torch.get_autocast_dtype(device)))

    def _cast(self, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
        tensors = [self.weight] if self.bias is None else [self.weight, self.bias]
        # An exchange of `data`, as a move to another device is, leaves the version as it is.
        key = (dtype, *((tensor.data_ptr(), tensor.device, tensor._version) for tensor in tensors))
        if self._casts is None or self._casts[0] != key:
            # A tensor made in inference mode could never enter a training step, and the copies outlive the mode.
            with torch.inference_mode(False), torch.no_grad():
                weight, *bias = (tensor.detach().to(dtype) for tensor in tensors)
            self._casts = (key, weight, bias[0] if bias else None)
        return self._casts[1:]


def cast_frozen_weights_once(module: nn.Module) -> int:
    """Turn the frozen linear layers within a module into `CastOnce`, in place, and return how many there are.

    Subclasses of `nn.Linear` stay what they are.
    """
    layers = [each for each in module.modules() if type(each) is nn.Linear and not each.weight.requires_grad]
    for layer in layers:
        layer.__class__ = CastOnce
    return len(layers)
