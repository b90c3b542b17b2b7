"""Frozen linear layers whose weights are cast to autocast's precision once, beside the originals or in their place.

Autocast remembers its casts of tensors that train, and of no others: a frozen ViT in bf16 reads all of its weights in
float32 and writes them in bfloat16 in every pass of student and teacher, and the backward pass keeps each of these
copies alive. Here one copy serves all passes. Its values are those of autocast's own cast, so outputs and gradients are
equal bit for bit. Where nothing else reads the weights, the cast ones can take their place (`store_frozen_weights`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

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
        # An exchange of `data`, as a move to another device is, leaves the version as it is. The storage is named by
        # itself, because one without values has no address.
        key = (dtype, *((tensor.untyped_storage()._cdata, tensor.device, tensor._version) for tensor in tensors))
        if self._casts is None or self._casts[0] != key:
            # A tensor made in inference mode could never enter a training step, and the copies outlive the mode.
            with torch.inference_mode(False), torch.no_grad():
                weight, *bias = (tensor.detach().to(dtype) for tensor in tensors)
            self._casts = (key, weight, bias[0] if bias else None)
        return self._casts[1:]


def cast_frozen_weights_once(module: nn.Module) -> int:
    """Turn the frozen linear layers within a module into `CastOnce`, in place, and return how many there are.

    Subclasses of `nn.Linear` stay what they are, and so do layers that are not stored in float32.
    """
    layers = [layer for layer in _frozen_linears(module) if layer.weight.dtype is torch.float32]
    for layer in layers:
        layer.__class__ = CastOnce
    return len(layers)


def store_frozen_weights(module: nn.Module, dtype: torch.dtype, *, but: Collection[nn.Module] = ()) -> int:
    """Store the frozen linear layers within a module in autocast's precision alone, and return how many there are.

    The parameters stay the same objects, so whoever holds one holds the new values. Under autocast to this precision,
    outputs and gradients are those of before, bit for bit; without autocast the layers do not compute.

    Args:
        module: The module, changed in place.
        dtype: Autocast's precision.
        but: Layers that stay as they are.
    """
    left_out = {id(layer) for layer in but}
    layers = [layer for layer in _frozen_linears(module) if id(layer) not in left_out]
    for layer in layers:
        for parameter in layer.parameters():
            # Leaves the version as it is, by which `Backbone.base_sha256` knows that the weights are the file's.
            parameter.data = parameter.data.to(dtype)
    return len(layers)


def _frozen_linears(module: nn.Module) -> Iterator[nn.Linear]:
    for each in module.modules():
        if type(each) is nn.Linear and not each.weight.requires_grad:
            yield each
