"""Linear decode head: one linear classifier on all feature levels, for linear probing.

Shapes: B batch, C channels of a level, K classes, h/w grid of a level.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from rs_adapt.heads.pixel_head import PixelHead, resize
from rs_adapt.registry import MODELS


@MODELS.register_module()
class LinearHead(PixelHead):
    """Normalise each level, resize all to the finest one, concatenate, classify with a 1x1 convolution.

    The multi-scale linear protocol of DINOv2 (arXiv 2304.07193, section 7.4). `logits = b + sum_i up(W_i LN_i(x_i))`:
    bilinear weights sum to one and act on space only, so classifying each level on its own grid and resizing K maps
    instead of C is the same function at a fraction of the cost.

    Trained: `sum_i (2 C_i + K C_i) + K` numbers.

    Departs from DINOv2 in the normalisation: layer norm over the channels instead of batch norm. Batches here have 1
    to 4 crops, source and class-mixed crops pass in turn, and a weight-averaged teacher has no statistics of its own.
    Layer norm depends on none of these, and the levels come from blocks without a final norm.

    Args:
        in_channels: Channels of each level, finest first.
        num_classes: Number of classes K.
        ignore_index: Label value that takes no part in the loss, 0 to 255.
        align_corners: How mmsegmentation resizes the scores to the original image size.

    Raises:
        ConfigError: If there is no level or no class, or a number is out of its range.
    """

    def __init__(
        self, *, in_channels: Sequence[int], num_classes: int, ignore_index: int = 255, align_corners: bool = False
    ) -> None:
        """Build one norm and one classifier per level."""
        super().__init__(
            in_channels=in_channels, num_classes=num_classes, ignore_index=ignore_index, align_corners=align_corners
        )
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for channels in in_channels)
        # A single bias: the levels' maps are summed. It sits on the finest level, which is not resized.
        classifiers = [nn.Linear(channels, num_classes, bias=level == 0) for level, channels in enumerate(in_channels)]
        # As mmsegmentation initialises the 1x1 convolution of its heads.
        for classifier in classifiers:
            nn.init.normal_(classifier.weight, std=0.01)
        nn.init.zeros_(classifiers[0].bias)
        self.classifiers = nn.ModuleList(classifiers)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Return class logits (B, K, h, w) on the grid of the finest level.

        Args:
            features: One map (B, C_i, h_i, w_i) per level, finest first, any sizes.
        """
        logits_BKhw: Tensor | None = None
        for x_BChw, norm, classifier in zip(features, self.norms, self.classifiers, strict=True):
            level_BKhw = classifier(norm(x_BChw.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
            if logits_BKhw is None:
                logits_BKhw = level_BKhw
            else:
                logits_BKhw = logits_BKhw + resize(level_BKhw, logits_BKhw.shape[-2:])
        assert logits_BKhw is not None
        return logits_BKhw
