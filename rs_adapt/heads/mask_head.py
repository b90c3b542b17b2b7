"""What heads that predict a set of (class, mask) pairs share: Mask2Former's loss, and the sum of the masks as scores.

Shapes: B batch, Q queries, K classes, h/w grid of the masks, H/W pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, TypedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rs_adapt.config.facts import ConfigNode
from rs_adapt.heads._sizes import ImageMeta, prediction_size
from rs_adapt.heads.mask2former_loss import IgnoredPixels, Mask2FormerLoss
from rs_adapt.ranges import BYTE, COUNT, NOT_NEGATIVE, SHARE, Range, check_numbers, check_ranges

# Upsampled numbers at a time: 2^22 float32 are 16 MiB, which fits a CPU's cache and is enough work for a GPU.
MAX_UPSAMPLED = 2**22


class MaskSettings(TypedDict, total=False):
    """Arguments of `MaskHead` that its subclasses pass on as they are."""

    num_points: int
    oversample_ratio: float
    importance_ratio: float
    class_weight: float
    mask_weight: float
    dice_weight: float
    no_object_weight: float
    ignore_index: int
    ignored_pixels: IgnoredPixels
    align_corners: bool


class MaskHead(nn.Module):
    """Base of the heads whose `forward` returns class logits (B, Q, K + 1) and mask logits (B, Q, h, w), lists of each.

    `score(k) = sum_q softmax(class_q)[k] * sigmoid(up(mask_q))`, of the last prediction; all predictions are trained.

    Args:
        in_channels: Channels of each level.
        num_classes: Number of classes K.
        num_queries: Number of queries Q, at least 1.
        num_points: Points per mask, in matching and in the loss, at least 1.
        oversample_ratio: Candidates per point when points are chosen by uncertainty, at least 1.
        importance_ratio: Share of points that are chosen by uncertainty, 0 to 1.
        class_weight: Weight of the classification loss and matching cost, 0 or larger.
        mask_weight: Weight of the mask loss and matching cost, 0 or larger.
        dice_weight: Weight of the dice loss and matching cost, 0 or larger.
        no_object_weight: Weight of "no object" targets inside the classification loss, 0 or larger.
        ignore_index: Label value that belongs to no mask, 0 to 255.
        ignored_pixels: "left_out" of all losses, or "background" of every mask; see `Mask2FormerLoss`.
        align_corners: How mmsegmentation resizes the scores to the original image size.

    Raises:
        ConfigError: If a number is out of its range, or `ignored_pixels` is neither.
    """

    # The kind of numbers that `predict` returns: sums over queries, non-negative; divided by their sum over classes
    # they are probabilities.
    score_kind: ClassVar[Literal["logits", "scores"]] = "scores"

    def __init__(
        self,
        *,
        in_channels: Sequence[int],
        num_classes: int,
        num_queries: int,
        num_points: int = 12544,
        oversample_ratio: float = 3.0,
        importance_ratio: float = 0.75,
        class_weight: float = 2.0,
        mask_weight: float = 5.0,
        dice_weight: float = 5.0,
        no_object_weight: float = 0.1,
        ignore_index: int = 255,
        ignored_pixels: IgnoredPixels = "background",
        align_corners: bool = False,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        check_numbers(name, COUNT, {"in_channels": in_channels})
        check_ranges(
            name,
            num_classes=(num_classes, COUNT),
            num_queries=(num_queries, COUNT),
            num_points=(num_points, COUNT),
            # Fewer candidates than points could not be drawn.
            oversample_ratio=(oversample_ratio, Range(least=1)),
            importance_ratio=(importance_ratio, SHARE),
            class_weight=(class_weight, NOT_NEGATIVE),
            mask_weight=(mask_weight, NOT_NEGATIVE),
            dice_weight=(dice_weight, NOT_NEGATIVE),
            no_object_weight=(no_object_weight, NOT_NEGATIVE),
            ignore_index=(ignore_index, BYTE),
        )
        self.ignore_index = ignore_index
        self.num_classes = self.out_channels = num_classes
        self.num_queries = num_queries
        self.align_corners = align_corners
        self.criterion = Mask2FormerLoss(
            num_classes=num_classes,
            ignore_index=ignore_index,
            num_points=num_points,
            oversample_ratio=oversample_ratio,
            importance_ratio=importance_ratio,
            class_weight=class_weight,
            mask_weight=mask_weight,
            dice_weight=dice_weight,
            no_object_weight=no_object_weight,
            ignored_pixels=ignored_pixels,
        )

    def forward(self, features: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Return class logits (B, Q, K + 1), "no object" last, and mask logits (B, Q, h, w), a list of each."""
        raise NotImplementedError

    def loss(self, features: Sequence[Tensor], data_samples: Sequence[Any], train_cfg: object) -> dict[str, Tensor]:
        """Return the weighted loss terms by name, see `Mask2FormerLoss.forward`.

        Args:
            features: As in `forward`.
            data_samples: Mmsegmentation samples with `gt_sem_seg.data` (1, H, W), integers in [0, K) or the ignore
                value; all of one size.
            train_cfg: Not read; part of mmsegmentation's interface.

        Raises:
            DataError: If a label is neither a class nor the ignore value.
        """
        labels_BHW = torch.stack([sample.gt_sem_seg.data.squeeze(0) for sample in data_samples])
        class_logits, mask_logits = self.forward(features)
        losses: dict[str, Tensor] = self.criterion(class_logits, mask_logits, labels_BHW.to(class_logits[0].device))
        return losses

    def predict(
        self,
        features: Sequence[Tensor],
        batch_img_metas: Sequence[ImageMeta],
        test_cfg: ConfigNode | None,
    ) -> Tensor:
        """Return class scores (B, K, H, W), float32, not negative, at the size of the network's input.

        Args:
            features: As in `forward`.
            batch_img_metas: Mmsegmentation's meta data, with `img_shape` and the padding if there is any.
            test_cfg: Mmsegmentation's test settings.
        """
        class_logits, mask_logits = self.forward(features)
        size = prediction_size(features, batch_img_metas, test_cfg)
        with torch.autocast(features[0].device.type, enabled=False):
            prob_BQK = class_logits[-1].float().softmax(-1)[..., :-1]
            if torch.compiler.is_exporting():
                # One graph for any number of images, at the cost of memory for all masks.
                mask_BQhw = mask_logits[-1].float()
                mask_BQHW = F.interpolate(mask_BQhw, size=size, mode="bilinear", align_corners=False).sigmoid()
                return torch.einsum("bqk,bqhw->bkhw", prob_BQK, mask_BQHW)
            return torch.stack(
                [
                    _add_masks(prob_QK, mask_Qhw, size)
                    for prob_QK, mask_Qhw in zip(prob_BQK, mask_logits[-1].float(), strict=True)
                ]
            )


def _add_masks(prob_QK: Tensor, mask_Qhw: Tensor, size: tuple[int, int]) -> Tensor:
    """Return scores (K, H, W) of one image; the sigmoid is applied after upsampling, so masks are added in portions."""
    portion = max(1, MAX_UPSAMPLED // math.prod(size))
    score_KP = prob_QK.new_zeros(prob_QK.shape[1], math.prod(size))
    for prob_qK, mask_qhw in zip(torch.split(prob_QK, portion), torch.split(mask_Qhw, portion), strict=True):
        mask_qHW = F.interpolate(mask_qhw[None], size=size, mode="bilinear", align_corners=False)[0].sigmoid_()
        score_KP = torch.addmm(score_KP, prob_qK.T, mask_qHW.flatten(1))
    return score_KP.view(-1, *size)
