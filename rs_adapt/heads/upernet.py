"""UPerNet decode head: a pyramid of pooled context and four levels, by mmsegmentation.

Shapes: B batch, C channels of a level, K classes, h/w grid of a level.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from rs_adapt.heads.mmseg_parts import classify_as_before, common_settings, group_norm, heads
from rs_adapt.heads.pixel_head import PixelHead
from rs_adapt.registry import MODELS


@MODELS.register_module()
class UperNetHead(PixelHead):
    """Pool the coarsest level at four sizes, add the levels from coarse to fine, concatenate, classify.

    UPerNet (Xiao et al., arXiv 1807.10221, ECCV 2018) for segmentation alone; the layers are those of mmsegmentation's
    `UPerHead`. Its pooled sizes are 1, 2, 3 and 6.

    All parameters train.

    Departs from mmsegmentation in the norm, group norm instead of batch norm (a batch has 1 to 4 crops, from two
    domains in turn, perhaps on several processes), and has no auxiliary head.

    Args:
        in_channels: Channels of each level, finest first.
        num_classes: Number of classes K.
        channels: Width of the pyramid; a multiple of 8, above 256 of 32.
        dropout: Share of channels that are dropped before the classifier, 0 or larger and below 1.
        ignore_index: Label value that takes no part in the loss, 0 to 255.
        align_corners: How mmsegmentation resizes the scores to the original image size.

    Raises:
        ConfigError: If there is no level or no class, or a number is out of its range.
    """

    def __init__(
        self,
        *,
        in_channels: Sequence[int],
        num_classes: int,
        channels: int = 256,
        dropout: float = 0.1,
        ignore_index: int = 255,
        align_corners: bool = False,
    ) -> None:
        """Build mmsegmentation's layers."""
        super().__init__(
            in_channels=in_channels, num_classes=num_classes, ignore_index=ignore_index, align_corners=align_corners
        )
        self.net = heads.UPerHead(
            in_channels=list(in_channels),
            in_index=list(range(len(in_channels))),
            channels=channels,
            norm_cfg=group_norm("UperNetHead", channels),
            **common_settings(num_classes),
        )
        classify_as_before(self.net, dropout, head="UperNetHead")

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Return class logits (B, K, h, w) on the grid of the finest level.

        Args:
            features: One map (B, C_i, h_i, w_i) per level, finest first.
        """
        logits_BKhw: Tensor = self.net(list(features))
        return logits_BKhw
