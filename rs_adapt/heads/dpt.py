"""DPT decode head: tokens of four blocks become four resolutions and are fused by convolutions, by mmsegmentation.

Shapes: B batch, D embed, K classes, h/w token grid.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from rs_adapt.errors import ConfigError
from rs_adapt.heads.mmseg_parts import classify_as_before, common_settings, group_norm, heads
from rs_adapt.heads.pixel_head import PixelHead
from rs_adapt.ranges import COUNT, check_numbers
from rs_adapt.registry import MODELS

NUM_LEVELS = 4


@MODELS.register_module()
class DptHead(PixelHead):
    """Project the tokens of four blocks, resize them by learned layers (x4, x2, x1, x0.5), fuse from coarse to fine.

    DPT (Ranftl et al., arXiv 2103.13413, ICCV 2021), the head of DINOv2's and DINOv3's dense tasks; the layers are
    those of mmsegmentation's `DPTHead`. Scores are at eight times the token grid: half the image with patches of 16 px.

    All parameters train.

    Departs from mmsegmentation in the norm, group norm instead of batch norm; the class token is not read, as there by
    default.

    Args:
        in_channels: Channels of the four maps, all D, on the token grid.
        num_classes: Number of classes K.
        channels: Width of the fused maps; a multiple of 8, above 256 of 32.
        level_channels: Width of each resolution before the fusion, finest first, four numbers.
        dropout: Share of channels that are dropped before the classifier, 0 or larger and below 1.
        ignore_index: Label value that takes no part in the loss, 0 to 255.
        align_corners: How mmsegmentation resizes the scores to the original image size.

    Raises:
        ConfigError: If there are not four levels of one width, or a number is out of its range.
    """

    def __init__(
        self,
        *,
        in_channels: Sequence[int],
        num_classes: int,
        channels: int = 256,
        level_channels: Sequence[int] = (96, 192, 384, 768),
        dropout: float = 0.1,
        ignore_index: int = 255,
        align_corners: bool = False,
    ) -> None:
        """Build mmsegmentation's layers."""
        super().__init__(
            in_channels=in_channels, num_classes=num_classes, ignore_index=ignore_index, align_corners=align_corners
        )
        check_numbers("DptHead", COUNT, {"level_channels": level_channels}, length=NUM_LEVELS)
        if len(in_channels) != NUM_LEVELS or len(set(in_channels)) != 1:
            raise ConfigError(
                f"DptHead got in_channels={list(in_channels)}; it needs {NUM_LEVELS} maps of one width, tokens of "
                f"{NUM_LEVELS} blocks of a ViT."
            )
        self.net = heads.DPTHead(
            in_channels=list(in_channels),
            in_index=list(range(len(in_channels))),
            input_transform="multiple_select",
            embed_dims=in_channels[0],
            post_process_channels=list(level_channels),
            channels=channels,
            norm_cfg=group_norm("DptHead", channels),
            **common_settings(num_classes),
        )
        classify_as_before(self.net, dropout, head="DptHead")

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Return class logits (B, K, 8 h, 8 w), for an odd h or w of the next even one.

        Args:
            features: Four maps (B, D, h, w) on the token grid, of the first block first.
        """
        # Pairs of patches and class token, of which the second is not read.
        logits_BKhw: Tensor = self.net([(x_BDhw, None) for x_BDhw in features])
        return logits_BKhw
