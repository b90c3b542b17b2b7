"""Segmenter decode head: class tokens among the patches in two transformer layers, by mmsegmentation.

Shapes: B batch, D embed, K classes, h/w token grid.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rs_adapt.heads.mmseg_parts import common_settings, heads
from rs_adapt.heads.pixel_head import PixelHead
from rs_adapt.heads.widths import attention_heads
from rs_adapt.ranges import COUNT, check_ranges
from rs_adapt.registry import MODELS

_STD = 0.02


@MODELS.register_module()
class SegmenterHead(PixelHead):
    """One token a class joins the patch tokens of the last block in transformer layers; scores are their cosines.

    Segmenter's mask transformer (Strudel et al., arXiv 2105.05633, ICCV 2021):
    `logits = LN_K(normalise(P W_p) normalise(C W_c)^T)`, with patches P and class tokens C after the layers. The layers
    are those of mmsegmentation's `SegmenterMaskTransformerHead`, of the width of the ViT.

    All parameters train.

    Departs from mmsegmentation in the drop path, which is left out, and in nothing else.

    Args:
        in_channels: Channels of each map, on the token grid; the last is read.
        num_classes: Number of classes K.
        num_layers: Transformer layers, at least 1.
        num_heads: Attention heads; None for one per 64 channels.
        ignore_index: Label value that takes no part in the loss, 0 to 255.
        align_corners: How mmsegmentation resizes the scores to the original image size.

    Raises:
        ConfigError: If there is no level or no class, a number is out of its range, or the heads do not divide the
            width.
    """

    def __init__(
        self,
        *,
        in_channels: Sequence[int],
        num_classes: int,
        num_layers: int = 2,
        num_heads: int | None = None,
        ignore_index: int = 255,
        align_corners: bool = False,
    ) -> None:
        """Build mmsegmentation's layers and initialise them as it does."""
        super().__init__(
            in_channels=in_channels, num_classes=num_classes, ignore_index=ignore_index, align_corners=align_corners
        )
        check_ranges("SegmenterHead", num_layers=(num_layers, COUNT))
        width = in_channels[-1]
        device = torch.empty(0).device
        # It reads values of a tensor that it makes, which the meta device has none of.
        with torch.device("cpu"):
            self.net = heads.SegmenterMaskTransformerHead(
                in_channels=width,
                in_index=len(in_channels) - 1,
                channels=width,
                embed_dims=width,
                num_layers=num_layers,
                num_heads=attention_heads("SegmenterHead", width, num_heads),
                drop_path_rate=0.0,
                **common_settings(num_classes),
            )
        self.net.to(device)
        nn.init.trunc_normal_(self.net.cls_emb, std=_STD)
        for module in self.net.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=_STD)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Return class logits (B, K, h, w) on the token grid.

        Args:
            features: Maps (B, D, h, w) on the token grid, of the last block last.
        """
        logits_BKhw: Tensor = self.net(list(features))
        return logits_BKhw
