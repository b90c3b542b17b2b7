"""Queries among the patch tokens of transformer blocks, and the (class, mask) pairs that they predict.

Shapes: B batch, N tokens (prefix, queries, patches), Q queries, D embed, K classes, h/w token grid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias, Unpack

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rs_adapt.heads.annealing import MaskAnnealing
from rs_adapt.heads.mask_head import MaskHead, MaskSettings
from rs_adapt.processes import rand
from rs_adapt.ranges import COUNT_OR_0, check_ranges

# From tokens (B, N, D), and which token (row) sees which (column), bool (B, 1, N, N) or None for all, to tokens.
Block: TypeAlias = Callable[[Tensor, Tensor | None], Tensor]


class JointHead(MaskHead):
    """Base of the heads whose queries and patch tokens attend to each other in the same blocks.

    After the blocks, and in training before each: `class_q = W LN(q)`, `mask_q = MLP(LN(q)) . up(LN(patches))`, where
    `up` doubles the grid `upscale_blocks` times. While masks are on (`MaskAnnealing`), a query sees, of the patches,
    those within the mask that it predicted last, or all if there are none; patches see everything.

    All arguments that are not described here are those of `MaskHead`.

    Args:
        num_blocks: Number of blocks with queries, at least 1.
        upscale_blocks: How often the token grid is doubled for the masks, 0 or more.
        total_iters: Training iterations, over which the masks of attention fade.
    """

    def __init__(
        self,
        *,
        in_channels: Sequence[int],
        num_classes: int,
        num_queries: int,
        num_blocks: int,
        upscale_blocks: int,
        total_iters: int,
        **settings: Unpack[MaskSettings],
    ) -> None:
        super().__init__(in_channels=in_channels, num_classes=num_classes, num_queries=num_queries, **settings)
        check_ranges(type(self).__name__, upscale_blocks=(upscale_blocks, COUNT_OR_0))
        width = in_channels[-1]
        self.query_embed = nn.Embedding(num_queries, width)
        nn.init.normal_(self.query_embed.weight, std=0.02)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.cls_embed = nn.Linear(width, num_classes + 1)
        self.mask_embed = nn.Sequential(
            nn.Linear(width, width), nn.GELU(), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width)
        )
        self.upscale = nn.Sequential(*(_Upscale(width) for _ in range(upscale_blocks)))
        self.annealing = MaskAnnealing(num_blocks, total_iters)

    def after_step(self) -> None:
        """Count a training iteration; called after every step of the optimizer."""
        self.annealing.step()

    def finish(self) -> None:
        """Predict as a trained model does, without masks of attention; called before its cost is measured."""
        self.annealing.finish()

    def decode(
        self, x_BND: Tensor, *, num_prefix: int, grid_hw: tuple[int, int], blocks: Sequence[Block]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Run the blocks with the queries among the tokens.

        Args:
            x_BND: Tokens before the first block: prefix, patches.
            num_prefix: Number of tokens before the patches.
            grid_hw: Rows and columns of the patches.
            blocks: The blocks.

        Returns:
            Class logits (B, Q, K + 1) and mask logits (B, Q, h', w'), a list of each: before every block, in eval mode
            only before those that mask, and after the last.
        """
        start, end = num_prefix, num_prefix + self.num_queries
        queries_BQD = self.query_embed.weight.to(x_BND.dtype).expand(x_BND.shape[0], -1, -1)
        x_BND = torch.cat([x_BND[:, :start], queries_BQD, x_BND[:, start:]], dim=1)
        class_logits: list[Tensor] = []
        mask_logits: list[Tensor] = []

        def predict() -> None:
            normed_BND = self.norm(x_BND)
            class_logits.append(self.cls_embed(normed_BND[:, start:end]))
            patches_BDhw = normed_BND[:, end:].transpose(1, 2).unflatten(2, grid_hw)
            mask_BQD = self.mask_embed(normed_BND[:, start:end])
            mask_logits.append(torch.einsum("bqd,bdhw->bqhw", mask_BQD, self.upscale(patches_BDhw)))

        for number, block in enumerate(blocks):
            share = self.annealing.share(number)
            if self.training or share:
                predict()
            attend = attention_within(mask_logits[-1], grid_hw, start=start, share=share) if share else None
            x_BND = block(x_BND, attend)
        predict()
        return class_logits, mask_logits


@torch.no_grad()
def attention_within(mask_BQhw: Tensor, grid_hw: tuple[int, int], *, start: int, share: float) -> Tensor:
    """Return which token (row) sees which (column), bool (B, 1, N, N): queries see the patches within their masks.

    Args:
        mask_BQhw: Mask logits; above 0 is inside.
        grid_hw: Rows and columns of the patches.
        start: Position of the first query; the patches follow the last.
        share: Probability that a query is masked, each with a draw of its own; others see all patches.
    """
    count = mask_BQhw.shape[1]
    end = start + count
    inside_BQP = F.interpolate(mask_BQhw.float(), size=grid_hw, mode="bilinear", align_corners=False).flatten(2) > 0
    free_BQ = ~inside_BQP.any(dim=2)
    if share < 1:
        free_BQ |= rand(len(mask_BQhw), count, device=mask_BQhw.device) >= share
    total = end + inside_BQP.shape[2]
    rows_BQN = F.pad(inside_BQP | free_BQ[..., None], (end, 0), value=True)
    # Rows before and after the queries see everything.
    return F.pad(rows_BQN, (0, 0, start, total - end), value=True)[:, None]


class _Upscale(nn.Module):
    """Double the grid: transposed convolution 2x2, GELU, depthwise convolution 3x3, norm over the channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.enlarge = nn.ConvTranspose2d(width, width, 2, stride=2)
        self.smooth = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, x_BDhw: Tensor) -> Tensor:
        """Return maps (B, D, 2 h, 2 w)."""
        x_BDhw = self.smooth(F.gelu(self.enlarge(x_BDhw)))
        normed_BhwD: Tensor = self.norm(x_BDhw.permute(0, 2, 3, 1))
        return normed_BhwD.permute(0, 3, 1, 2)
