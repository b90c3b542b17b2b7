"""A low-rank part of a frozen weight that trains, while the weight itself stays bit for bit what its hash says.

Shapes: R rank.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from rs_adapt.adapters.contract.wrapping import LayerChange, require_plain
from rs_adapt.errors import ConfigError


class MovedPart(LayerChange):
    """`y = W x + b + sum_i (B_i A_i x - B_i0 A_i0 x)`: parts `B_i0 A_i0` of W train, each of a rank of its own.

    A subclass takes the parts from the weight (`take`). What it took is stored with the adapter, because a
    decomposition has other signs and roundings on another machine. At the start both terms of a part are the same
    products of the same numbers, so their difference is zero, and the features are the frozen ones to the bit.

    Args:
        in_dim: Inputs of the layer.
        out_dim: Outputs of the layer.
        ranks: Rank of each part by name.
        train_bias: Whether the bias trains too, as a difference to the frozen one.
    """

    reads_layer = False

    def __init__(self, in_dim: int, out_dim: int, *, ranks: dict[str, int], train_bias: bool = False) -> None:
        super().__init__()
        self.parts = tuple(ranks)
        for part, rank in ranks.items():
            for name, shape in (("down", (rank, in_dim)), ("up", (out_dim, rank))):
                self.register_parameter(f"{part}_{name}", nn.Parameter(torch.zeros(shape)))
                self.register_buffer(f"{part}_{name}_start", torch.zeros(shape))
        self.bias = nn.Parameter(torch.zeros(out_dim)) if train_bias else None

    def take(self, weight_OI: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """Return A (R, in) and B (out, R) of each part of a weight (out, in), fp32, with `B A` a part of the weight."""
        raise NotImplementedError

    @torch.no_grad()
    def bind(self, base: nn.Module) -> None:
        """Take the parts from the layer's weight.

        Raises:
            ConfigError: A different method has wrapped the layer, or the layer has no bias to train.
        """
        require_plain(type(self).__name__, base)
        layer: Any = base
        if self.bias is not None and layer.bias is None:
            raise ConfigError(
                f"{type(self).__name__} trains the bias of its layers, and a layer of this backbone has none. Set "
                "model.backbone.adapter.train_bias=False."
            )
        if layer.weight.is_meta:
            return
        for part, (down, up) in self.take(layer.weight.detach().float()).items():
            for name, value in (("down", down), ("up", up)):
                getattr(self, f"{part}_{name}").copy_(value)
                getattr(self, f"{part}_{name}_start").copy_(value)

    def forward(self, base: nn.Module, x: Tensor) -> Tensor:
        """Run the layer with what its parts have become."""
        y: Tensor = base(x)
        for part in self.parts:
            y = y + (self._run(part, "", x) - self._run(part, "_start", x))
        return y if self.bias is None else y + self.bias

    def _run(self, part: str, when: str, x: Tensor) -> Tensor:
        down, up = getattr(self, f"{part}_down{when}"), getattr(self, f"{part}_up{when}")
        return functional.linear(functional.linear(x, down), up)

    def merged_weight(self, weight: Tensor) -> Tensor:
        """Return `W + sum_i (B_i A_i - B_i0 A_i0)`."""
        merged = weight.float()
        for part in self.parts:
            for when, sign in (("", 1.0), ("_start", -1.0)):
                down, up = getattr(self, f"{part}_down{when}"), getattr(self, f"{part}_up{when}")
                merged = merged + sign * (up.float() @ down.float())
        return merged.to(weight.dtype)
