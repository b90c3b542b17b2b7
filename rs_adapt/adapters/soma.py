"""SoMA: the smallest singular components of the weights train, in all but the first blocks.

Shapes: D embed, R rank, O outputs and I inputs of a layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from rs_adapt.adapters.contract.adapter import Settings
from rs_adapt.adapters.contract.moved_part import MovedPart
from rs_adapt.adapters.contract.wrapping import LINEARS, LayerChange, WrappingAdapter, check_targets, linear_dims
from rs_adapt.errors import ConfigError
from rs_adapt.ranges import COUNT, COUNT_OR_0, check_ranges
from rs_adapt.registry import MODELS


class MinorComponents(MovedPart):
    """`B_0 = U_R S_R^(1/2)`, `A_0 = S_R^(1/2) V_R^T` of the R smallest singular values of `W = U S V^T`."""

    def __init__(self, in_dim: int, out_dim: int, *, rank: int, train_bias: bool) -> None:
        super().__init__(in_dim, out_dim, ranks={"minor": rank}, train_bias=train_bias)
        self.rank = rank

    def take(self, weight_OI: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """Return the part of the smallest singular values; torch orders them from the largest."""
        u_OK, s_K, v_KI = torch.linalg.svd(weight_OI, full_matrices=False)
        root = s_K[-self.rank :].sqrt()
        return {"minor": (root[:, None] * v_KI[-self.rank :], u_OK[:, -self.rank :] * root)}


@MODELS.register_module()
class Soma(WrappingAdapter):
    """SoMA, singular value decomposed minor components adaptation (Yun et al., CVPR 2025, arXiv 2412.04077).

    Paper: https://arxiv.org/abs/2412.04077. `W' = W + B A - B_0 A_0`, with `B_0 A_0` the R smallest singular components
    of W: the principal components of the weight stay frozen, and the minor ones train. The first third of the blocks (8
    of 24) does not change. The biases of the changed layers train too, as differences from the frozen ones. The
    features start exactly as the frozen ones, to the bit. Trained: `R (in + out)` per layer, plus `out` for its bias.
    Mergeable.

    Over the training, the weight decay falls along a cosine to `method.weight_decay_end` (None: it is constant).

    Departs from the paper: W stays unchanged and `B_0 A_0` is subtracted from the output, where the paper keeps the
    residual `W - B_0 A_0`; the bias of the keys stays frozen, as it cancels in the softmax; the mask token stays
    frozen, as segmentation masks no image; weights are not averaged over the last iterations.
    """

    identity_at_init: bool = True
    no_decay: tuple[str, ...] = ("bias",)

    def __init__(
        self,
        *,
        embed_dim: int,
        depth: int,
        mlp_dim: int,
        rank: int = 16,
        first_block: int | None = None,
        targets: Sequence[str] = LINEARS,
        train_bias: bool = True,
    ) -> None:
        """Build the parts; they are taken from the weights when the adapter meets its ViT.

        Args:
            embed_dim: Width of the ViT.
            depth: Number of blocks of the ViT.
            mlp_dim: Hidden width of the ViT's feed-forward part.
            rank: R, at least 1 and at most the smallest side of a weight.
            first_block: The first block that changes, from 0; None for a third of the depth.
            targets: Handles of the layers: attn_q, attn_k, attn_v, attn_out, fc1, fc2.
            train_bias: Train the biases of the layers, except that of the keys.

        Raises:
            ConfigError: An argument is out of its range.
        """
        super().__init__()
        check_ranges("Soma", rank=(rank, COUNT))
        targets = check_targets("Soma", tuple(targets), LINEARS)
        self.first_block = _first_block(first_block, depth)
        if rank > (largest := min(embed_dim, mlp_dim)):
            raise ConfigError(f"Soma: rank is {rank}; a weight has {largest} singular values. Give {largest} or less.")
        self.blocks = nn.ModuleList(
            nn.ModuleDict(
                {
                    target: MinorComponents(
                        *linear_dims(target, embed_dim=embed_dim, mlp_dim=mlp_dim),
                        rank=rank,
                        train_bias=train_bias and target != "attn_k",
                    )
                    for target in targets
                }
            )
            for _ in range(self.first_block, depth)
        )

    def block_of(self, name: str) -> int | None:
        """Return the block of a tensor; the first one of the list is that of `first_block`."""
        place = super().block_of(name)
        return None if place is None else place + self.first_block

    @torch.no_grad()
    def fold(self, base: nn.Module, change: LayerChange) -> None:
        """Write a part into its layer's weight, and the difference of its bias into the bias."""
        super().fold(base, change)
        layer: Any = base
        difference: Any = change
        if difference.bias is not None:
            layer.bias.add_(difference.bias)

    @staticmethod
    def num_params(
        *,
        embed_dim: int,
        depth: int,
        mlp_dim: int,
        rank: int = 16,
        first_block: int | None = None,
        targets: Sequence[str] = LINEARS,
        train_bias: bool = True,
    ) -> int:
        """Return the number of trainable parameters in closed form."""
        dims = {target: linear_dims(target, embed_dim=embed_dim, mlp_dim=mlp_dim) for target in targets}
        biases = sum(out for target, (_, out) in dims.items() if target != "attn_k") if train_bias else 0
        return (depth - _first_block(first_block, depth)) * (rank * sum(map(sum, dims.values())) + biases)

    @staticmethod
    def examples() -> tuple[Settings, ...]:
        """Return small settings for the contract test."""
        return ({"rank": 4}, {"rank": 2, "first_block": 0, "targets": ("attn_k", "fc2"), "train_bias": False})


def _first_block(given: int | None, depth: int) -> int:
    first = depth // 3 if given is None else given
    check_ranges("Soma", first_block=(first, COUNT_OR_0))
    if first >= depth:
        raise ConfigError(f"Soma: first_block is {given}; the ViT has the blocks 0 to {depth - 1}.")
    return first
