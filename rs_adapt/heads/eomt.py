"""EoMT: queries join the tokens in the last blocks of the ViT itself; for full fine-tuning.

Shapes: B batch, N tokens (prefix, queries, patches), Q queries, K classes, D embed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from torch import Tensor

from rs_adapt.errors import ConfigError
from rs_adapt.heads.joint import Block, JointHead
from rs_adapt.heads.mask_head import MaskSettings
from rs_adapt.ranges import COUNT, check_ranges
from rs_adapt.registry import MODELS


@MODELS.register_module()
class EomtHead(JointHead):
    """Run the last blocks of the ViT with learned queries between its prefix and its patches; no decoder besides.

    Encoder-only Mask Transformer (Kerssies et al., arXiv 2503.19108, CVPR 2025). The blocks stay the backbone's: they
    train only if it does (`--method full`), or by the adapter inside them, whose prompts and changes act here too.

    Trained: `Q D` queries, a norm `2 D`, classes `(D + 1)(K + 1)`, masks `3 (D^2 + D)`, and for each doubling of the
    grid `4 D^2 + D + 9 D + 2 D`.

    Written from the paper's description. Where that was not enough, chosen here: a norm of the head's own before each
    prediction, as backbones here end without their last norm; the line along which masks fade (`MaskAnnealing`), where
    the paper has a polynomial; a draw for each query of which share is masked.

    Args:
        in_channels: Channels of the one map, of the last block that the ViT runs alone: `[D]`.
        num_classes: Number of classes K.
        num_queries: Number of queries Q, at least 1.
        joint_blocks: Blocks at the end of the ViT that queries join, at least 1 and fewer than it has.
        upscale_blocks: How often the token grid is doubled for the masks, 0 or more.
        total_iters: Training iterations, over which the masks of attention fade; filled in by the configuration.
        **settings: Points, weights, and what is made of ignored pixels; see `MaskHead`.

    Raises:
        ConfigError: If there is not one map, a number is out of its range, or `ignored_pixels` is neither.
    """

    def __init__(
        self,
        *,
        in_channels: Sequence[int],
        num_classes: int,
        num_queries: int = 100,
        joint_blocks: int = 4,
        upscale_blocks: int = 2,
        total_iters: int,
        **settings: Unpack[MaskSettings],
    ) -> None:
        """Build the queries and what reads them."""
        check_ranges("EomtHead", joint_blocks=(joint_blocks, COUNT))
        if len(in_channels) != 1:
            raise ConfigError(f"EomtHead got {len(in_channels)} levels in `in_channels`; it needs 1.")
        super().__init__(
            in_channels=in_channels,
            num_classes=num_classes,
            num_queries=num_queries,
            num_blocks=joint_blocks,
            upscale_blocks=upscale_blocks,
            total_iters=total_iters,
            **settings,
        )
        self.joint_blocks = joint_blocks

    def forward(self, features: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Return class logits (B, Q, K + 1) and mask logits (B, Q, h, w), a list of each; see `JointHead.decode`.

        Args:
            features: `Features` of a ViT that has left `joint_blocks` blocks to the head.

        Raises:
            ConfigError: The ViT has left a different number of blocks.
        """
        left = getattr(features, "blocks_left", None)
        count = 0 if left is None else len(left)
        if left is None or count != self.joint_blocks:
            raise ConfigError(
                f"EomtHead runs the last {self.joint_blocks} blocks, but the backbone has left {count} of them: "
                "model.backbone.out_layers must be the one block before these."
            )

        def of_vit(number: int) -> Block:
            return lambda x_BND, attend: left.run(number, x_BND, num_queries=self.num_queries, attend_B1NN=attend)

        return self.decode(
            left.x_BND,
            num_prefix=left.num_prefix,
            grid_hw=left.grid_hw,
            blocks=[of_vit(number) for number in range(count)],
        )
