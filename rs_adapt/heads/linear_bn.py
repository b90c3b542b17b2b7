"""Linear decode head with batch norm, as DINOv2 was published with: for comparison with its authors' numbers.

Shapes: B batch, C channels of a level, K classes, h/w token grid.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rs_adapt.heads.batch_norm import BatchNorm
from rs_adapt.heads.pixel_head import PixelHead, resize
from rs_adapt.registry import MODELS


@MODELS.register_module()
class LinearBnHead(PixelHead):
    """Concatenate all levels on the token grid, batch norm, 1x1 convolution.

    The linear protocol of DINOv2 (arXiv 2304.07193, section 7.4): `logits = W BN([x_1, ..., x_L]) + b`.

    Trained: `sum_i (2 C_i + K C_i) + K` numbers; running statistics are `sum_i 2 C_i` more, which a pack holds too.

    In training, statistics are those of the batch over all processes, so several processes train as one. Source images
    and class-mixed ones pass in turn and move the same running statistics; a weight-averaged teacher runs on the
    student's.

    Departs from DINOv2 in the levels: those of the backbone's file, not the last four blocks.

    Args:
        in_channels: Channels of each level.
        num_classes: Number of classes K.
        ignore_index: Label value that takes no part in the loss, 0 to 255.
        align_corners: How mmsegmentation resizes the scores to the original image size.

    Raises:
        ConfigError: If there is no level or no class, or a number is out of its range.
    """

    def __init__(
        self, *, in_channels: Sequence[int], num_classes: int, ignore_index: int = 255, align_corners: bool = False
    ) -> None:
        """Build the norm and the classifier."""
        super().__init__(
            in_channels=in_channels, num_classes=num_classes, ignore_index=ignore_index, align_corners=align_corners
        )
        self.norm = BatchNorm(sum(in_channels))
        self.classifier = nn.Conv2d(sum(in_channels), num_classes, 1)
        # As mmsegmentation initialises the 1x1 convolution of its heads.
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)  # type: ignore[arg-type]

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Return class logits (B, K, h, w) on the grid of the first level.

        Args:
            features: One map (B, C_i, h_i, w_i) per level; levels on other grids are resized to the first.
        """
        size = features[0].shape[-2:]
        levels = [x_BChw if x_BChw.shape[-2:] == size else resize(x_BChw, size) for x_BChw in features]
        logits_BKhw: Tensor = self.classifier(self.norm(torch.cat(levels, dim=1)))
        return logits_BKhw
