"""Loss of Mask2Former on semantic label maps: one Hungarian matching per decoder prediction, losses on points.

Shapes: L predictions (decoder layers + 1), B images, Q queries, K classes, P points, M matched masks of one prediction,
N sets of points, h/w grid of the predicted masks, H/W pixels of the label maps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from rs_adapt.errors import ConfigError, DataError
from rs_adapt.heads.mask2former_point_losses import PointLosses
from rs_adapt.heads.mask2former_points import (
    LEAST_WEIGHT,
    claims_at_points,
    labelled_at_points,
    masks_at_points,
    sample_logits,
    sort_in_reading_order,
    sum_weights,
)
from rs_adapt.processes import gather_in_batch_order, global_mean_denominator, rand

IgnoredPixels = Literal["left_out", "background"]
IGNORED_PIXELS: tuple[IgnoredPixels, ...] = get_args(IgnoredPixels)


class Mask2FormerLoss(nn.Module):
    """Classification, mask and dice loss of every decoder prediction (arXiv 2112.01527, sections 3.2.2 and 3.3).

    Each class that is present in an image is one target mask. Targets are matched to queries by the cheapest assignment
    of `class + mask + dice` costs at uniformly drawn points. Classification is the cross entropy of all queries,
    unmatched ones towards "no object"; mask (binary cross entropy) and dice losses use matched masks only, at points
    where the logits are mostly uncertain.

    Ignored pixels belong to no mask. Where they are left out, they say nothing about any: a point counts as far as the
    pixels around it are labelled, uncertain points are chosen elsewhere, and an unmatched query counts as far as its
    mask lies on labelled pixels. As "background" they are outside of every mask, as in mmdetection, which teaches the
    queries to claim nothing there: padding, borders without pseudo-labels, unlabelled parts of mixed images.

    Targets are never stored as masks: their value at a point is read from the four surrounding labels, and one draw
    of matching points per image serves all predictions. Costs, assignment indices and counts are copied between device
    and host once per call. Everything is computed in float32, also under autocast.

    Args:
        num_classes: Number of classes K.
        ignore_index: Label value that belongs to no mask.
        num_points: Points per mask, in matching and in the loss.
        oversample_ratio: Uncertain points are chosen from `oversample_ratio * num_points` candidates.
        importance_ratio: Share of points that are chosen by uncertainty; the others are uniform.
        class_weight: Weight of the classification loss and matching cost.
        mask_weight: Weight of the binary cross entropy loss and matching cost.
        dice_weight: Weight of the dice loss and matching cost.
        no_object_weight: Weight of "no object" targets inside the classification loss.
        ignored_pixels: "left_out" or "background"; see above. Without ignored pixels both are the same.

    Raises:
        ConfigError: `ignored_pixels` is neither.
    """

    class_weight_C: Tensor

    def __init__(
        self,
        *,
        num_classes: int,
        ignore_index: int,
        num_points: int,
        oversample_ratio: float,
        importance_ratio: float,
        class_weight: float,
        mask_weight: float,
        dice_weight: float,
        no_object_weight: float,
        ignored_pixels: IgnoredPixels = "background",
    ) -> None:
        """Store the settings."""
        super().__init__()
        if ignored_pixels not in IGNORED_PIXELS:
            raise ConfigError(
                f"model.decode_head.ignored_pixels is {ignored_pixels!r}. Allowed: {', '.join(IGNORED_PIXELS)}."
            )
        self.ignored_pixels: IgnoredPixels = ignored_pixels
        self.num_classes = num_classes
        self.ignore_index = ignore_index
        self.num_points = num_points
        self.point_losses = PointLosses(
            num_classes=num_classes,
            num_points=num_points,
            num_candidates=int(oversample_ratio * num_points),
            num_uncertain=int(importance_ratio * num_points),
        )
        self.class_weight, self.mask_weight, self.dice_weight = class_weight, mask_weight, dice_weight
        weight_C = torch.ones(num_classes + 1)
        weight_C[-1] = no_object_weight
        self.register_buffer("class_weight_C", weight_C, persistent=False)

    def forward(
        self, class_logits: Sequence[Tensor], mask_logits: Sequence[Tensor], labels_BHW: Tensor
    ) -> dict[str, Tensor]:
        """Return the weighted losses: `loss_cls|mask|dice` of the last prediction, `d0.loss_cls`, ... of the others.

        Args:
            class_logits: L maps of logits (B, Q, K + 1), "no object" last.
            mask_logits: L maps of logits (B, Q, h, w).
            labels_BHW: Integer labels in [0, K) or `ignore_index`.

        Raises:
            DataError: If a label is neither a class nor `ignore_index`.
        """
        with torch.autocast(labels_BHW.device.type, enabled=False):
            classes = [logits.float() for logits in class_logits]
            masks = [logits.float() for logits in mask_logits]
            clean_BHW, present, has_ignored = self._present_classes(labels_BHW)
            leave_out = has_ignored and self.ignored_pixels == "left_out"
            with torch.no_grad():
                points_BP2 = rand(len(labels_BHW), self.num_points, 2, device=labels_BHW.device)
                points_BP2 = sort_in_reading_order(points_BP2, rows=masks[0].shape[-2])
                targets_BKP = masks_at_points(clean_BHW, points_BP2, self.num_classes)
                images_B = torch.arange(len(labels_BHW), device=labels_BHW.device)
                weights_BP = (
                    labelled_at_points(clean_BHW, images_B, points_BP2, self.num_classes) if leave_out else None
                )
                costs_LBQK = torch.stack(
                    [
                        self.matching_costs(c, m, points_BP2, targets_BKP, weights_BP)
                        for c, m in zip(classes, masks, strict=True)
                    ]
                )
                claims_LBQ = None if weights_BP is None else claims_at_points(masks, points_BP2, weights_BP)
                image_M, query_LM, label_LM = self._assign(costs_LBQK, present)
            num_masks = gather_in_batch_order([min(len(ids), costs_LBQK.shape[2]) for ids in present])
            # Per process: their mean is then the mean over the masks of the whole batch.
            average = max(sum(num_masks), 1) * len(labels_BHW) / len(num_masks)
            cls_L = self._class_losses(torch.stack(classes), image_M, query_LM, label_LM, claims_LBQ)
            chosen = [mask_BQhw[image_M, query_M] for mask_BQhw, query_M in zip(masks, query_LM, strict=True)]
            bce_L, dice_L = self.point_losses(chosen, clean_BHW, image_M, label_LM, num_masks, leave_out=leave_out)
            terms = {
                "loss_cls": self.class_weight * cls_L,
                "loss_mask": self.mask_weight * bce_L / average,
                "loss_dice": self.dice_weight * dice_L / average,
            }
            values = {name: term_L.unbind() for name, term_L in terms.items()}
            losses = {
                f"{'' if index == len(masks) - 1 else f'd{index}.'}{name}": values[name][index]
                for index in range(len(masks))
                for name in terms
            }
        return losses

    def matching_costs(
        self,
        class_logits_BQC: Tensor,
        mask_logits_BQhw: Tensor,
        points_BP2: Tensor,
        targets_BKP: Tensor,
        weights_BP: Tensor | None = None,
    ) -> Tensor:
        """Return the cost (B, Q, K) of giving query q the mask of class k, whether or not the class is present.

        Args:
            class_logits_BQC: Class logits with C = K + 1.
            mask_logits_BQhw: Mask logits.
            points_BP2: Points (x, y) in [0, 1).
            targets_BKP: Target masks at these points, in [0, 1].
            weights_BP: Weights of these points, in [0, 1]; None for 1.
        """
        x_BQP = sample_logits(mask_logits_BQhw, points_BP2)
        softplus_BQP = F.softplus(x_BQP)
        count: Tensor | int = x_BQP.shape[-1]
        if weights_BP is not None:
            softplus_BQP, count = softplus_BQP * weights_BP[:, None], sum_weights(weights_BP)[:, None, None]
        # BCE(x, t) = softplus(x) - x t: one matmul instead of one for ones and one for zeros. A target of a point is
        # at most its weight.
        bce_BQK = (softplus_BQP.sum(-1, keepdim=True) - x_BQP @ targets_BKP.mT) / count
        p_BQP = x_BQP.sigmoid_()
        overlap_BQK = p_BQP @ targets_BKP.mT
        if weights_BP is not None:
            p_BQP = p_BQP * weights_BP[:, None]
        total_BQK = p_BQP.sum(-1, keepdim=True) + targets_BKP.sum(-1)[:, None]
        dice_BQK = 1 - (2 * overlap_BQK + 1) / (total_BQK + 1)
        prob_BQK = class_logits_BQC.softmax(-1)[..., :-1]
        return self.mask_weight * bce_BQK + self.dice_weight * dice_BQK - self.class_weight * prob_BQK

    def _present_classes(self, labels_BHW: Tensor) -> tuple[Tensor, list[list[int]], bool]:
        """Return labels with K for ignored pixels, the classes of each image, and whether any pixel is ignored."""
        num_classes = self.num_classes
        labels_BHW = labels_BHW.long()
        ignored_BHW = labels_BHW == self.ignore_index
        foreign_BHW = ((labels_BHW < 0) | (labels_BHW >= num_classes)) & ~ignored_BHW
        clean_BHW = labels_BHW.masked_fill(ignored_BHW, num_classes).masked_fill(foreign_BHW, num_classes + 1)
        is_present = torch.zeros(len(labels_BHW), num_classes + 2, dtype=torch.bool, device=labels_BHW.device)
        is_present = is_present.scatter_(1, clean_BHW.flatten(1), True).cpu()
        if bool(is_present[:, -1].any()):
            foreign = sorted(set(labels_BHW[foreign_BHW].tolist()))
            raise DataError(
                f"A label map has the values {foreign[:5]}; allowed are 0 to {num_classes - 1} and {self.ignore_index} "
                "(ignore). Check the classes of the bench and `reduce_zero_label`."
            )
        # Two bytes a pixel: reading labels at scattered addresses is limited by the cache.
        classes = [row[:num_classes].nonzero().flatten().tolist() for row in is_present]
        return clean_BHW.short(), classes, bool(is_present[:, num_classes].any())

    def _assign(self, costs_LBQK: Tensor, present: list[list[int]]) -> tuple[Tensor, Tensor, Tensor]:
        """Match the classes of each image to queries: image (M), query (L, M) and class (L, M) of each pair."""
        # The assignment raises on costs that are not finite; the loss, not finite either, is the better place to report
        # it.
        costs = torch.nan_to_num(costs_LBQK, nan=1e10, posinf=1e10, neginf=-1e10).cpu().numpy()
        labels = [np.asarray(classes, dtype=np.int64) for classes in present]
        # The number of pairs of an image is the same in every prediction: all its classes, unless queries run out.
        image_M = np.repeat(np.arange(len(labels)), [min(len(classes), costs.shape[2]) for classes in labels])
        pairs = np.zeros((2, len(costs), len(image_M)), dtype=np.int64)
        for layer, layer_costs in enumerate(costs):
            matches = [linear_sum_assignment(cost[:, ids]) for cost, ids in zip(layer_costs, labels, strict=True)]
            pairs[0, layer] = np.concatenate([query for query, _ in matches])
            pairs[1, layer] = np.concatenate([ids[pick] for (_, pick), ids in zip(matches, labels, strict=True)])
        device = costs_LBQK.device
        query_LM, label_LM = torch.from_numpy(pairs).to(device, non_blocking=True)
        return torch.from_numpy(image_M).to(device, non_blocking=True), query_LM, label_LM

    def _class_losses(
        self,
        logits_LBQC: Tensor,
        image_M: Tensor,
        query_LM: Tensor,
        label_LM: Tensor,
        claims_LBQ: Tensor | None,
    ) -> Tensor:
        """Return one cross entropy (L) per prediction, averaged by the weights; unmatched queries count their claim."""
        target_LBQ = torch.full(logits_LBQC.shape[:3], self.num_classes, device=logits_LBQC.device)
        layer_L1 = torch.arange(len(logits_LBQC), device=logits_LBQC.device)[:, None]
        target_LBQ[layer_L1, image_M[None], query_LM] = label_LM
        losses = F.cross_entropy(
            logits_LBQC.flatten(0, 2), target_LBQ.flatten(), weight=self.class_weight_C, reduction="none"
        )
        weight_LBQ = self.class_weight_C[target_LBQ]
        if claims_LBQ is None:
            return losses.view_as(target_LBQ).sum((1, 2)) / global_mean_denominator(weight_LBQ.sum((1, 2)))
        factor_LBQ = claims_LBQ.where(target_LBQ == self.num_classes, 1.0)
        weights_L = global_mean_denominator((weight_LBQ * factor_LBQ).sum((1, 2)), least=LEAST_WEIGHT)
        return (losses.view_as(target_LBQ) * factor_LBQ).sum((1, 2)) / weights_L
