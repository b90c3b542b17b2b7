"""What heads that score every pixel by class share: cross entropy with ignored and weighted pixels, and prediction.

Shapes: B batch, C channels of a level, K classes, h/w grid of a level, H/W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rs_adapt.config.facts import ConfigNode
from rs_adapt.errors import ConfigError
from rs_adapt.heads._sizes import ImageMeta, prediction_size
from rs_adapt.processes import global_mean_denominator
from rs_adapt.ranges import BYTE, COUNT, check_numbers, check_ranges


class PixelHead(nn.Module):
    """Base of the heads whose `forward` returns class logits (B, K, h, w) of features, on any grid.

    Args:
        in_channels: Channels of each level, finest first.
        num_classes: Number of classes K.
        ignore_index: Label value that takes no part in the loss, 0 to 255.
        align_corners: How mmsegmentation resizes the scores to the original image size.

    Raises:
        ConfigError: If there is no level or no class, or a number is out of its range.
    """

    # The kind of numbers that `predict` returns: logits, which softmax turns into probabilities.
    score_kind: ClassVar[Literal["logits", "scores"]] = "logits"
    # The loss multiplies each pixel by its `gt_weight`, where samples have one.
    takes_pixel_weights: ClassVar[bool] = True

    def __init__(self, *, in_channels: Sequence[int], num_classes: int, ignore_index: int, align_corners: bool) -> None:
        super().__init__()
        name = type(self).__name__
        check_numbers(name, COUNT, {"in_channels": in_channels})
        check_ranges(name, ignore_index=(ignore_index, BYTE))
        if not in_channels or num_classes not in COUNT:
            raise ConfigError(
                f"{name} got in_channels={list(in_channels)} and num_classes={num_classes}. "
                "Give the channels of at least one level and at least one class."
            )
        self.num_classes = self.out_channels = num_classes
        self.ignore_index = ignore_index
        self.align_corners = align_corners

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Return class logits (B, K, h, w).

        Args:
            features: One map (B, C_i, h_i, w_i) per level, finest first.
        """
        raise NotImplementedError

    def training_logits(self, features: Sequence[Tensor]) -> Tensor:
        """Return the logits that the loss is taken of: here those of `forward`."""
        return self.forward(features)

    def training_labels(self, data_samples: Sequence[Any]) -> Tensor:
        """Return the labels of `training_logits`, int64 (B, H, W): numbers of classes, or `ignore_index`."""
        return torch.stack([sample.gt_sem_seg.data.squeeze(0) for sample in data_samples]).long()

    def loss(self, features: Sequence[Tensor], data_samples: Sequence[Any], train_cfg: object) -> dict[str, Tensor]:
        """Return `{"loss_ce": cross entropy}`: the mean over all labelled pixels of the batch, zero if there are none.

        With several processes, their mean is the mean over the pixels of all of them.

        Args:
            features: As in `forward`.
            data_samples: Mmsegmentation samples with `gt_sem_seg.data` (1, H, W), integers in [0, K) or `ignore_index`.
                All or none have `gt_weight.data` (1, H, W), float: each pixel's loss is multiplied by it, and the
                number of labelled pixels that the sum is divided by stays the same.
            train_cfg: Not read; part of mmsegmentation's interface.
        """
        labels_BHW = self.training_labels(data_samples)
        logits_BKHW = resize(self.training_logits(features).float(), labels_BHW.shape[-2:])
        num_labelled = global_mean_denominator((labels_BHW != self.ignore_index).sum(), least=1)
        if "gt_weight" not in data_samples[0]:
            total = F.cross_entropy(logits_BKHW, labels_BHW, ignore_index=self.ignore_index, reduction="sum")
            return {"loss_ce": total / num_labelled}
        weights_BHW = torch.stack([sample.gt_weight.data.squeeze(0) for sample in data_samples])
        loss_BHW = F.cross_entropy(logits_BKHW, labels_BHW, ignore_index=self.ignore_index, reduction="none")
        return {"loss_ce": (loss_BHW * weights_BHW).sum() / num_labelled}

    def predict(
        self,
        features: Sequence[Tensor],
        batch_img_metas: Sequence[ImageMeta],
        test_cfg: ConfigNode | None,
    ) -> Tensor:
        """Return class logits (B, K, H, W), float32, at the size of the network's input.

        Args:
            features: As in `forward`.
            batch_img_metas: Mmsegmentation's meta data, with `img_shape` and the padding if there is any.
            test_cfg: Mmsegmentation's test settings.
        """
        return resize(self.forward(features).float(), prediction_size(features, batch_img_metas, test_cfg))


def resize(x_BKhw: Tensor, size: Sequence[int]) -> Tensor:
    """Return maps (B, K, h, w) at a size (height, width), bilinear, corners not aligned."""
    return F.interpolate(x_BKhw, size=tuple(size), mode="bilinear", align_corners=False)
