"""BitFit: the ViT's biases train, as differences to their frozen values.

A difference starts at zero and trains like the vector itself would, while the base and its hash do not change.
Shapes: D embed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from rs_adapt.adapters.contract.adapter import Settings
from rs_adapt.adapters.contract.wrapping import LayerChange, WrappingAdapter, linear_dims
from rs_adapt.registry import MODELS


class BiasChange(LayerChange):
    """`y = layer(x) + bias`, along the last axis, or over the channels of a convolution."""

    reads_layer = False

    def __init__(self, out_dim: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(out_dim))

    def forward(self, base: nn.Module, x: Tensor) -> Tensor:
        """Run the layer and add the difference."""
        y: Tensor = base(x)
        return y + (self.bias if y.ndim < 4 else self.bias[:, None, None])


@MODELS.register_module()
class BitFit(WrappingAdapter):
    """BitFit (Ben Zaken et al., ACL 2022, https://arxiv.org/abs/2106.10199): the biases train.

    Trained: the biases of the patch embedding, q, v, out, both norms and the MLP. Mergeable.

    Departs from the paper: the bias of the keys stays frozen, because it adds the same amount to all scores of a query
    and so cancels in the softmax.
    """

    identity_at_init: bool = True
    no_decay: tuple[str, ...] = ("bias",)

    def __init__(self, *, embed_dim: int, depth: int, mlp_dim: int, gated_mlp: bool = False) -> None:
        """Build the differences.

        Args:
            embed_dim: Width of the ViT.
            depth: Number of blocks of the ViT.
            mlp_dim: Hidden width of the ViT's feed-forward part.
            gated_mlp: The feed-forward part has a gate next to `fc1`.
        """
        super().__init__()
        self.patch_embed = BiasChange(embed_dim)
        dims = _bias_dims(embed_dim, mlp_dim, gated_mlp)
        self.blocks = nn.ModuleList(
            nn.ModuleDict({handle: BiasChange(dim) for handle, dim in dims.items()}) for _ in range(depth)
        )

    def changes(self) -> Iterator[tuple[int | None, str, LayerChange]]:
        """Yield the differences: patch embedding first, then block by block."""
        yield None, "patch_embed", self.patch_embed
        yield from super().changes()

    def fold(self, base: nn.Module, change: LayerChange) -> None:
        """Add the trained difference `change` to the bias of its layer `base`."""
        layer: Any = base
        difference: Any = change
        layer.bias.add_(difference.bias)

    @staticmethod
    def num_params(*, embed_dim: int, depth: int, mlp_dim: int, gated_mlp: bool = False) -> int:
        """Return the number of trainable parameters in closed form."""
        return embed_dim + depth * sum(_bias_dims(embed_dim, mlp_dim, gated_mlp).values())

    @staticmethod
    def examples() -> tuple[Settings, ...]:
        """Return small settings for the contract test."""
        return ({},)


def _bias_dims(embed_dim: int, mlp_dim: int, gated_mlp: bool) -> dict[str, int]:
    handles = ["attn_q", "attn_v", "attn_out", "fc1", "fc2"]
    dims = {handle: linear_dims(handle, embed_dim=embed_dim, mlp_dim=mlp_dim)[1] for handle in handles}
    if gated_mlp:
        dims["fc1_gate"] = mlp_dim
    return dims | {"norm1": embed_dim, "norm2": embed_dim}
