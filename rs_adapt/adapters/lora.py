"""LoRA: a low-rank branch parallel to selected linear layers.

Shapes: B batch, N tokens, D embed, R rank.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from rs_adapt.adapters.contract.adapter import Settings
from rs_adapt.adapters.contract.mid import Mid, MidHost
from rs_adapt.adapters.contract.wrapping import (
    LINEARS,
    LayerChange,
    WrappingAdapter,
    check_targets,
    linear_dims,
)
from rs_adapt.ranges import COUNT, POSITIVE, SHARE_BELOW_1, check_ranges
from rs_adapt.registry import MODELS


class LoraChange(LayerChange, MidHost):
    """`y = layer(x) + s B mid(A drop(x))` with `down` A (R, in) and `up` B (out, R); `mid`: none by default."""

    reads_layer = False

    def __init__(self, in_dim: int, out_dim: int, *, rank: int, scale: float, dropout: float) -> None:
        super().__init__()
        self.rank, self.scale = rank, scale
        self.down = nn.Parameter(torch.empty(rank, in_dim))
        self.up = nn.Parameter(torch.zeros(out_dim, rank))
        self.dropout = nn.Dropout(dropout)
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, base: nn.Module, x: Tensor) -> Tensor:
        """Run the layer and its branch."""
        z = self.apply_mid(functional.linear(self.dropout(x), self.down))
        y: Tensor = base(x)
        return y + self.scale * functional.linear(z, self.up)

    def merged_weight(self, weight: Tensor) -> Tensor:
        """Return `W + s B M^T A`, with the matrix M of `mid` (row vectors times M)."""
        up, down = self.up.float(), self.down.float()
        mid: Mid | None = self.mid
        if mid is not None:
            down = mid.matrix().float().T @ down
        return (weight.float() + self.scale * (up @ down)).to(weight.dtype)


@MODELS.register_module()
class Lora(WrappingAdapter):
    """LoRA (Hu et al., ICLR 2022, https://arxiv.org/abs/2106.09685).

    `y = W x + b + (alpha / R) B A drop(x)` in the targets of every block. A starts kaiming-uniform (a = sqrt(5)) and B
    at zero, so the features start as the frozen ones. Trained: `R (in + out)` per target. Mergeable.

    Departs from the reference (microsoft/LoRA @ c4593f0): weights are merged only by `merge`, not on `eval()`.
    """

    identity_at_init: bool = True
    zero_grad_at_init: tuple[str, ...] = (".down",)

    def __init__(
        self,
        *,
        embed_dim: int,
        depth: int,
        mlp_dim: int,
        rank: int = 16,
        alpha: float = 16.0,
        targets: Sequence[str] = ("attn_q", "attn_v"),
        dropout: float = 0.0,
    ) -> None:
        """Build the branches.

        Args:
            embed_dim: Width of the ViT.
            depth: Number of blocks of the ViT.
            mlp_dim: Hidden width of the ViT's feed-forward part.
            rank: R, at least 1.
            alpha: The branch is multiplied by alpha / rank; above 0.
            targets: Handles of the layers: attn_q, attn_k, attn_v, attn_out, fc1, fc2.
            dropout: Share of the branch's inputs that is dropped in training, from 0 to below 1.

        Raises:
            ConfigError: An argument is out of its range.
        """
        super().__init__()
        check_ranges("Lora", rank=(rank, COUNT), alpha=(alpha, POSITIVE), dropout=(dropout, SHARE_BELOW_1))
        self.targets = check_targets("Lora", tuple(targets), LINEARS)
        self.blocks = nn.ModuleList(
            nn.ModuleDict(
                {
                    target: LoraChange(
                        *linear_dims(target, embed_dim=embed_dim, mlp_dim=mlp_dim),
                        rank=rank,
                        scale=alpha / rank,
                        dropout=dropout,
                    )
                    for target in self.targets
                }
            )
            for _ in range(depth)
        )

    def mid_hosts(self) -> list[MidHost]:
        """Return the branches in slot order: targets within blocks."""
        return [change for _, _, change in self.changes()]  # type: ignore[misc]

    @staticmethod
    def num_params(
        *,
        embed_dim: int,
        depth: int,
        mlp_dim: int,
        rank: int = 16,
        targets: Sequence[str] = ("attn_q", "attn_v"),
    ) -> int:
        """Return the number of trainable parameters in closed form."""
        return depth * rank * sum(sum(linear_dims(t, embed_dim=embed_dim, mlp_dim=mlp_dim)) for t in targets)

    @staticmethod
    def examples() -> tuple[Settings, ...]:
        """Return small settings for the contract test."""
        return ({"rank": 4}, {"rank": 2, "alpha": 1.0, "targets": LINEARS})
