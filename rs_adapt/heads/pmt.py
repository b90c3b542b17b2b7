"""PMT: queries and the patch tokens of a frozen ViT in transformer blocks of the head's own.

Shapes: B batch, N tokens (queries, patches), Q queries, K classes, D embed, h/w token grid, L levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from torch import Tensor, nn

from rs_adapt.errors import ConfigError
from rs_adapt.heads.joint import Block, JointHead
from rs_adapt.heads.mask_head import MaskSettings
from rs_adapt.heads.rotary import RotaryBlocks
from rs_adapt.ranges import COUNT, check_ranges
from rs_adapt.registry import MODELS


@MODELS.register_module()
class PmtHead(JointHead):
    """Sum the tokens of several blocks of a ViT that stays as it is, and let queries join them in new blocks.

    PMT (arXiv 2603.25398, CVPR Workshops 2026), EoMT's idea for a frozen encoder: `z = sum_i n_i + s_i * MLP_i(n_i)`
    with `n_i = LN_i(x_i)`, the tokens of block i, then blocks like DINOv3's, with rotary positions of the patches.

    Trained: `L (2 D + 2 (D^2 + D) + D)` for the sum, `12 D^2 + 15 D` a block, and what `EomtHead` trains.

    Written from the paper's description. Where that was not enough, chosen here: the tokens are normed once, as
    backbones here end without their last norm; the tokens are those of the blocks in the backbone's file (the paper:
    5, 11, 17 and 23 of ViT-L), patches alone; the MLP is as wide as the ViT, its scale s starts at 0.1; the new blocks
    start as those of a ViT, with scales of 1; the masks of attention fade as in `MaskAnnealing`.

    Args:
        in_channels: Channels of each map, all D, on the token grid.
        num_classes: Number of classes K.
        num_queries: Number of queries Q, at least 1.
        num_blocks: New blocks, at least 1.
        num_heads: Attention heads of the new blocks; None for one per 64 channels.
        upscale_blocks: How often the token grid is doubled for the masks, 0 or more.
        total_iters: Training iterations, over which the masks of attention fade; filled in by the configuration.
        **settings: Points, weights, and what is made of ignored pixels; see `MaskHead`.

    Raises:
        ConfigError: If there are no maps of one width, a number is out of its range, the heads do not divide the width,
            or `ignored_pixels` is neither.
    """

    def __init__(
        self,
        *,
        in_channels: Sequence[int],
        num_classes: int,
        num_queries: int = 100,
        num_blocks: int = 6,
        num_heads: int | None = None,
        upscale_blocks: int = 2,
        total_iters: int,
        **settings: Unpack[MaskSettings],
    ) -> None:
        """Build the sum, the blocks, the queries and what reads them."""
        check_ranges("PmtHead", num_blocks=(num_blocks, COUNT))
        if len(set(in_channels)) != 1:
            raise ConfigError(f"PmtHead got in_channels={list(in_channels)}; it needs maps of one width.")
        super().__init__(
            in_channels=in_channels,
            num_classes=num_classes,
            num_queries=num_queries,
            num_blocks=num_blocks,
            upscale_blocks=upscale_blocks,
            total_iters=total_iters,
            **settings,
        )
        self.laterals = nn.ModuleList(_Lateral(channels) for channels in in_channels)
        self.blocks = RotaryBlocks("PmtHead", in_channels[0], num_blocks, num_heads)

    def forward(self, features: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Return class logits (B, Q, K + 1) and mask logits (B, Q, h', w'), a list of each; see `JointHead.decode`.

        Args:
            features: Maps (B, D, h, w) on the token grid.
        """
        levels = zip(self.laterals, features, strict=True)
        x_BND: Tensor = sum(lateral(x_BDhw.flatten(2).transpose(1, 2)) for lateral, x_BDhw in levels)
        grid_hw = (features[0].shape[-2], features[0].shape[-1])
        rotation = self.blocks.rotation(grid_hw, like=x_BND)

        def of_head(number: int) -> Block:
            return lambda tokens_BND, attend: self.blocks.run(number, tokens_BND, rotation, attend)

        blocks = [of_head(number) for number in range(self.annealing.num_blocks)]
        return self.decode(x_BND, num_prefix=0, grid_hw=grid_hw, blocks=blocks)


class _Lateral(nn.Module):
    """Tokens (B, N, D) of a block, normed, with a scaled MLP added."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
        self.scale = nn.Parameter(0.1 * nn.init.ones_(self.norm.weight.new_empty(width)))

    def forward(self, x_BND: Tensor) -> Tensor:
        """Return tokens of the same shape."""
        normed_BND = self.norm(x_BND)
        y_BND: Tensor = normed_BND + self.scale * self.mlp(normed_BND)
        return y_BND
