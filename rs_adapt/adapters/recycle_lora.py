"""RecycleLoRA: columns of the weights train, the least independent ones and a few of the most independent ones.

Shapes: D embed, R rank, O outputs and I inputs of a layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from scipy.linalg import qr
from torch import Tensor, nn
from torch.nn import functional

from rs_adapt.adapters.contract.adapter import Settings
from rs_adapt.adapters.contract.moved_part import MovedPart
from rs_adapt.adapters.contract.wrapping import LINEARS, WrappingAdapter, check_targets, linear_dims
from rs_adapt.errors import ConfigError
from rs_adapt.ranges import COUNT, POSITIVE, check_ranges
from rs_adapt.registry import MODELS


class RecycledColumns(MovedPart):
    """`main`: the last columns that a pivoted QR of the weight chooses; `sub`: the first. A_0 is one-hot, B_0 W's."""

    def __init__(self, in_dim: int, out_dim: int, *, main_rank: int, sub_rank: int) -> None:
        super().__init__(in_dim, out_dim, ranks={"main": main_rank, "sub": sub_rank})
        self.main_rank, self.sub_rank = main_rank, sub_rank

    def take(self, weight_OI: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """Return the columns of the weight, with the selections that put them in their place."""
        order = rank_revealing_order(weight_OI)
        return {
            part: (functional.one_hot(columns, weight_OI.shape[1]).to(weight_OI), weight_OI[:, columns])
            for part, columns in (("main", order[-self.main_rank :]), ("sub", order[: self.sub_rank]))
        }


def rank_revealing_order(weight_OI: Tensor) -> Tensor:
    """Return the columns of a weight (out, in) in the order of a QR decomposition with pivoting, `W P = Q R`.

    Each column is the one with the largest part outside the span of those before it: the first are the major
    directions, the last add the least. LAPACK's geqp3, on the CPU, which torch does not offer.
    """
    _, order = qr(weight_OI.cpu().double().numpy(), mode="r", pivoting=True)
    return torch.from_numpy(order).to(weight_OI.device, torch.int64)


@MODELS.register_module()
class RecycleLora(WrappingAdapter):
    """RecycleLoRA (Cho et al., CVPR 2026 findings, https://arxiv.org/abs/2603.28142).

    `W' = W + sum_i (B_i A_i - B_i0 A_i0)` of two adapters. A QR decomposition with pivoting, `W P = Q R`, orders the
    columns of W: the main adapter (rank 32) starts as the last columns, the minor directions, and the sub adapter (rank
    4) as the first columns, the major directions. `A_i0` selects the columns (one-hot rows) and `B_i0` holds them. The
    sub adapter has half the learning rate (5e-5 where the main one has 1e-4). The features start exactly as the frozen
    ones, to the bit. Trained: `(R_main + R_sub) (in + out)` per layer. Mergeable.

    Departs from the paper: W stays unchanged and `B_i0 A_i0` is subtracted from the output. We do not know which layers
    the paper changes, so all linear layers of all blocks change here. Nor do we know its `B_i0`; the one here leaves
    the function unchanged.
    """

    identity_at_init: bool = True

    def __init__(
        self,
        *,
        embed_dim: int,
        depth: int,
        mlp_dim: int,
        main_rank: int = 32,
        sub_rank: int = 4,
        sub_lr_mult: float = 0.5,
        targets: Sequence[str] = LINEARS,
    ) -> None:
        """Build the adapters; they are taken from the weights when the adapter meets its ViT.

        Args:
            embed_dim: Width of the ViT.
            depth: Number of blocks of the ViT.
            mlp_dim: Hidden width of the ViT's feed-forward part.
            main_rank: Columns of the main adapter, at least 1.
            sub_rank: Columns of the sub adapter, at least 1; together at most the inputs of a layer.
            sub_lr_mult: Factor of the learning rate of the sub adapter, above 0.
            targets: Handles of the layers: attn_q, attn_k, attn_v, attn_out, fc1, fc2.

        Raises:
            ConfigError: An argument is out of its range.
        """
        super().__init__()
        check_ranges(
            "RecycleLora",
            main_rank=(main_rank, COUNT),
            sub_rank=(sub_rank, COUNT),
            sub_lr_mult=(sub_lr_mult, POSITIVE),
        )
        if main_rank + sub_rank > (most := min(embed_dim, mlp_dim)):
            raise ConfigError(
                f"RecycleLora: main_rank is {main_rank} and sub_rank {sub_rank}; together they may have the {most} "
                "columns of a weight."
            )
        targets = check_targets("RecycleLora", tuple(targets), LINEARS)
        self.lr_mults = {".sub_": sub_lr_mult}
        self.blocks = nn.ModuleList(
            nn.ModuleDict(
                {
                    target: RecycledColumns(
                        *linear_dims(target, embed_dim=embed_dim, mlp_dim=mlp_dim),
                        main_rank=main_rank,
                        sub_rank=sub_rank,
                    )
                    for target in targets
                }
            )
            for _ in range(depth)
        )

    @staticmethod
    def num_params(
        *,
        embed_dim: int,
        depth: int,
        mlp_dim: int,
        main_rank: int = 32,
        sub_rank: int = 4,
        targets: Sequence[str] = LINEARS,
    ) -> int:
        """Return the number of trainable parameters in closed form."""
        sides = sum(sum(linear_dims(t, embed_dim=embed_dim, mlp_dim=mlp_dim)) for t in targets)
        return depth * (main_rank + sub_rank) * sides

    @staticmethod
    def examples() -> tuple[Settings, ...]:
        """Return small settings for the contract test."""
        return ({"main_rank": 6, "sub_rank": 2}, {"main_rank": 4, "sub_rank": 1, "targets": ("attn_q", "fc2")})
