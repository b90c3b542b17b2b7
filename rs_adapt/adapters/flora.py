"""FLoRA: low-rank change of a weight in all its dimensions (Tucker form), of linear layers and convolutions.

Shapes: R ranks; a linear weight is (out, in), that of a convolution (out, in / groups, height, width).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from rs_adapt.adapters.contract.adapter import Settings
from rs_adapt.adapters.contract.wrapping import (
    LINEARS,
    PATCH_EMBED,
    LayerChange,
    WrappingAdapter,
    check_targets,
    linear_dims,
)
from rs_adapt.ranges import COUNT, POSITIVE, check_ranges
from rs_adapt.registry import MODELS


class TuckerChange(LayerChange):
    """`y = layer(x) + s layer'(x)` where layer' has the weight `G x1 A_in x2 A_out (x3 A_h x4 A_w)` and no bias.

    Args:
        dims: In, out and, for a convolution, height and width of the weight; `in` is that of one group.
        ranks: One for each, at most the dimension.
        scale: The factor s.
    """

    reads_layer = False

    def __init__(self, dims: Sequence[int], *, ranks: Sequence[int], scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.core = nn.Parameter(torch.zeros(*ranks))
        self.factors = nn.ParameterList(torch.empty(dim, rank) for dim, rank in zip(dims, ranks, strict=True))
        for factor in self.factors:
            # kaiming-normal with a = sqrt(3) over (dim, rank): a standard deviation of sqrt(0.5 / rank).
            nn.init.normal_(factor, std=(0.5 / factor.shape[1]) ** 0.5)

    def delta(self) -> Tensor:
        """Return the change of the weight, in the weight's own layout (out, in, ...), without s."""
        if len(self.factors) == 2:
            a_in, a_out = self.factors
            product: Tensor = a_out @ self.core.T @ a_in.T
            return product
        return torch.einsum("abcd,ia,ob,hc,wd->oihw", self.core, *self.factors)

    def forward(self, base: nn.Module, x: Tensor) -> Tensor:
        """Run the layer and its low-rank companion."""
        y: Tensor = base(x)
        if len(self.factors) == 2:
            # Through the core, without the weight: R instead of `in` multiplications an output.
            a_in, a_out = self.factors
            return y + self.scale * functional.linear((x @ a_in) @ self.core, a_out)
        conv: Any = base
        added = functional.conv2d(x, self.delta(), None, conv.stride, conv.padding, conv.dilation, conv.groups)
        return y + self.scale * added

    def merged_weight(self, weight: Tensor) -> Tensor:
        """Return `W + s dW`."""
        return (weight.float() + self.scale * self.delta().float()).to(weight.dtype)


@MODELS.register_module()
class Flora(WrappingAdapter):
    """FLoRA: low-rank core space for N dimensions (Si et al., ICLR 2025, https://arxiv.org/abs/2405.14739).

    `dW = s G x1 A_in x2 A_out`, and for the patch embedding `s G x1 A_in x2 A_out x3 A_h x4 A_w`. The core G starts at
    zero and the factors at random, so the features start as the frozen ones and only the core has a gradient in the
    first step. Trained: the product of the ranks plus the sum of `dim * rank` over the dimensions. Mergeable.

    Departs from the reference (SJTU-DeepVisionLab/FLoRA @ d424560): linear layers never build their dW; grouped
    convolutions, on which the reference fails, are supported (the input factor has the rows of one group).
    """

    identity_at_init: bool = True
    zero_grad_at_init: tuple[str, ...] = (".factors.",)

    def __init__(
        self,
        *,
        embed_dim: int,
        depth: int,
        mlp_dim: int,
        patch_px: int,
        rank: int = 16,
        kernel_rank: int = 2,
        scale: float = 4.0,
        targets: Sequence[str] = ("patch_embed", "attn_q", "attn_v"),
    ) -> None:
        """Build cores and factors.

        Args:
            embed_dim: Width of the ViT.
            depth: Number of blocks of the ViT.
            mlp_dim: Hidden width of the ViT's feed-forward part.
            patch_px: Patch size of the ViT, pixels.
            rank: Rank of the input and output dimensions, at least 1 (at most the dimension is used).
            kernel_rank: Rank of the two kernel dimensions of the patch embedding, at least 1.
            scale: The plain factor s, above 0.
            targets: Handles of the layers: patch_embed, attn_q, attn_k, attn_v, attn_out, fc1, fc2.

        Raises:
            ConfigError: An argument is out of its range.
        """
        super().__init__()
        check_ranges("Flora", rank=(rank, COUNT), kernel_rank=(kernel_rank, COUNT), scale=(scale, POSITIVE))
        self.targets = check_targets("Flora", tuple(targets), (PATCH_EMBED, *LINEARS))
        self.patch_embed = None
        if PATCH_EMBED in self.targets:
            dims = (3, embed_dim, patch_px, patch_px)
            self.patch_embed = TuckerChange(dims, ranks=_ranks(dims, rank, kernel_rank), scale=scale)
        in_blocks = [target for target in self.targets if target != PATCH_EMBED]
        self.blocks = nn.ModuleList()
        for _ in range(depth):
            block = nn.ModuleDict()
            for target in in_blocks:
                dims_2 = linear_dims(target, embed_dim=embed_dim, mlp_dim=mlp_dim)
                block[target] = TuckerChange(dims_2, ranks=_ranks(dims_2, rank, kernel_rank), scale=scale)
            self.blocks.append(block)

    def changes(self) -> Iterator[tuple[int | None, str, LayerChange]]:
        """Yield the changes: patch embedding first, then block by block."""
        if self.patch_embed is not None:
            yield None, PATCH_EMBED, self.patch_embed
        yield from super().changes()

    @staticmethod
    def num_params(
        *,
        embed_dim: int,
        depth: int,
        mlp_dim: int,
        patch_px: int,
        rank: int = 16,
        kernel_rank: int = 2,
        targets: Sequence[str] = ("patch_embed", "attn_q", "attn_v"),
    ) -> int:
        """Return the number of trainable parameters in closed form."""
        count = 0
        for target in targets:
            conv = target == PATCH_EMBED
            dims = (
                (3, embed_dim, patch_px, patch_px)
                if conv
                else linear_dims(target, embed_dim=embed_dim, mlp_dim=mlp_dim)
            )
            count += (1 if conv else depth) * count_tucker_params(dims, _ranks(dims, rank, kernel_rank))
        return count

    @staticmethod
    def examples() -> tuple[Settings, ...]:
        """Return small settings for the contract test."""
        return ({"rank": 4}, {"rank": 2, "kernel_rank": 1, "scale": 1.0, "targets": LINEARS})


def count_tucker_params(dims: Sequence[int], ranks: Sequence[int]) -> int:
    """Return the number of entries of a core with these ranks and of its factors."""
    core = 1
    for rank in ranks:
        core *= rank
    return core + sum(dim * rank for dim, rank in zip(dims, ranks, strict=True))


def _ranks(dims: Sequence[int], rank: int, kernel_rank: int) -> tuple[int, ...]:
    ranks = (rank, rank, kernel_rank, kernel_rank)[: len(dims)]
    return tuple(min(largest, dim) for largest, dim in zip(ranks, dims, strict=True))
