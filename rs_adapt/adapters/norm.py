"""Norm tuning: gains and offsets of the norms train, as differences to their frozen values.

A difference starts at zero and trains like the vector itself would, while the base and its hash do not change.
Shapes: D embed.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from rs_adapt.adapters.contract.adapter import Settings
from rs_adapt.adapters.contract.wrapping import LayerChange, WrappingAdapter, require_plain
from rs_adapt.registry import MODELS


class NormChange(LayerChange):
    """`layer_norm(x; weight + dw, bias + db)`."""

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.zeros(embed_dim)), nn.Parameter(torch.zeros(embed_dim))

    def bind(self, base: nn.Module) -> None:
        """Check that no other method has wrapped the norm.

        Raises:
            ConfigError: See `require_plain`.
        """
        require_plain("norm", base)

    def forward(self, base: nn.Module, x: Tensor) -> Tensor:
        """Apply the layer norm with the trained changes added to its weight and bias."""
        norm: Any = base
        return functional.layer_norm(
            x, norm.normalized_shape, norm.weight + self.weight, norm.bias + self.bias, norm.eps
        )


@MODELS.register_module()
class NormTuning(WrappingAdapter):
    """The gains and offsets of all norms in the blocks train (Zhao et al., ICLR 2024, https://arxiv.org/abs/2312.11420).

    Trained: `4 D` per block. Mergeable. The ViT's final norm stays frozen, because the heads read features before it.
    """

    identity_at_init: bool = True
    no_decay: tuple[str, ...] = ("weight", "bias")

    def __init__(self, *, embed_dim: int, depth: int) -> None:
        """Build the differences.

        Args:
            embed_dim: Width of the ViT.
            depth: Number of blocks of the ViT.
        """
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.ModuleDict({handle: NormChange(embed_dim) for handle in ("norm1", "norm2")}) for _ in range(depth)
        )

    def fold(self, base: nn.Module, change: LayerChange) -> None:
        """Add the differences to their norm's vectors."""
        norm: Any = base
        difference: Any = change
        norm.weight.add_(difference.weight)
        norm.bias.add_(difference.bias)

    @staticmethod
    def num_params(*, embed_dim: int, depth: int) -> int:
        """Return the number of trainable parameters in closed form."""
        return 4 * embed_dim * depth

    @staticmethod
    def examples() -> tuple[Settings, ...]:
        """Return small settings for the contract test."""
        return ({},)
