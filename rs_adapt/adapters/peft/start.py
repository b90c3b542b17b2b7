"""Starts of peft that take a part out of the frozen weight and train it: PiSSA and OLoRA.

Peft subtracts `s B_0 A_0` from the weight. Here the weight stays, bit for bit, and the same is subtracted from the
output: `y = W x + s B A x - s B_0 A_0 x`. The start is stored with the adapter, because a decomposition has other signs
and roundings on another machine.

Shapes: R rank.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from rs_adapt.errors import ConfigError


class LowRankStart(nn.Module):
    """The part `up down`, fixed: `down` (R, in), and `up` (out, R) with the scale in it."""

    down: Tensor
    up: Tensor

    def __init__(self, down: Tensor, up: Tensor) -> None:
        super().__init__()
        self.register_buffer("down", down)
        self.register_buffer("up", up)

    def forward(self, x: Tensor) -> Tensor:
        """Return the part's output for the layer's input."""
        return functional.linear(functional.linear(x, self.down), self.up)

    def weight(self) -> Tensor:
        """Return the part as a weight (out, in)."""
        return self.up.float() @ self.down.float()


@torch.no_grad()
def low_rank_start(kind: str, layer: Any, removed: Tensor | None) -> LowRankStart | None:
    """Return what peft took out of a layer's weight for its start, from its own tensors.

    Args:
        kind: Kind of method, for messages.
        layer: Peft's layer.
        removed: The weight as it was minus the weight as peft left it; None on the meta device, where the values of
            both are unknown and the configured start decides.

    Raises:
        ConfigError: It is not what the layer's tensors hold.
    """
    if removed is None or bool(removed.any()):
        if hasattr(layer, "lora_A") and not layer.lora_variant:
            given, found = layer.r["default"], len(layer.lora_A["default"].weight)
            if found != given:
                raise ConfigError(
                    f"peft:{kind}: the rank r is {given}, but a weight has only {found} components to start from. Set "
                    f"it to {found} or less."
                )
            scale: float = layer.scaling["default"]
            start = LowRankStart(layer.lora_A["default"].weight.clone(), scale * layer.lora_B["default"].weight)
            if removed is None or bool(
                torch.isclose(start.weight(), removed, atol=1e-3 * float(removed.abs().max())).all()
            ):
                return start
        raise ConfigError(
            f"peft:{kind}: this start changes the frozen weights of the backbone by more than the adapter's own "
            "tensors hold (quantized or truncated weights, or PiSSA together with DoRA). The backbone stays as it is, "
            "so that adapters can be saved without it: use a different start, such as init_lora_weights=True."
        )
    return None
