"""Loss of Mask2Former on semantic label maps: one Hungarian matching per decoder prediction, losses on points.

Shapes: L predictions (decoder layers + 1), B images, Q queries, K classes, P points, M matched masks of one prediction,
N sets of points, h/w grid of the predicted masks, H/W pixels of the label maps.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from rs_adapt.errors import DataError
from rs_adapt.processes import gather_in_batch_order, generator, global_mean_denominator, local_slice, rand


class Mask2FormerLoss(nn.Module):
    """Classification, mask and dice loss of every decoder prediction (arXiv 2112.01527, sections 3.2.2 and 3.3).

    Each class that is present in an image is one target mask; ignored pixels belong to no mask. Targets are matched to
    queries by the cheapest assignment of `class + mask + dice` costs at uniformly drawn points. Classification is the
    cross entropy of all queries, unmatched ones towards "no object"; mask (binary cross entropy) and dice losses use
    matched masks only, at points where the logits are mostly uncertain.

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
    ) -> None:
        """Store the settings."""
        super().__init__()
        self.num_classes = num_classes
        self.ignore_index = ignore_index
        self.num_points = num_points
        self.num_candidates = int(oversample_ratio * num_points)
        self.num_uncertain = int(importance_ratio * num_points)
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
            clean_BHW, present = self._present_classes(labels_BHW)
            with torch.no_grad():
                points_BP2 = rand(len(labels_BHW), self.num_points, 2, device=labels_BHW.device)
                points_BP2 = _sort_in_reading_order(points_BP2, rows=masks[0].shape[-2])
                targets_BKP = masks_at_points(clean_BHW, points_BP2, self.num_classes)
                costs_LBQK = torch.stack(
                    [self.matching_costs(c, m, points_BP2, targets_BKP) for c, m in zip(classes, masks, strict=True)]
                )
                image_M, query_LM, label_LM = self._assign(costs_LBQK, present)
            num_masks = gather_in_batch_order([min(len(ids), costs_LBQK.shape[2]) for ids in present])
            # Per process: their mean is then the mean over the masks of the whole batch.
            average = max(sum(num_masks), 1) * len(labels_BHW) / len(num_masks)
            cls_L = self._class_losses(torch.stack(classes), image_M, query_LM, label_LM)
            losses: dict[str, Tensor] = {}
            for index, (mask_BQhw, query_M, label_M) in enumerate(zip(masks, query_LM, label_LM, strict=True)):
                bce, dice = self._mask_losses(mask_BQhw[image_M, query_M], clean_BHW, image_M, label_M, num_masks)
                prefix = "" if index == len(masks) - 1 else f"d{index}."
                losses[f"{prefix}loss_cls"] = self.class_weight * cls_L[index]
                losses[f"{prefix}loss_mask"] = self.mask_weight * bce / average
                losses[f"{prefix}loss_dice"] = self.dice_weight * dice / average
        return losses

    def matching_costs(
        self, class_logits_BQC: Tensor, mask_logits_BQhw: Tensor, points_BP2: Tensor, targets_BKP: Tensor
    ) -> Tensor:
        """Return the cost (B, Q, K) of giving query q the mask of class k, whether or not the class is present.

        Args:
            class_logits_BQC: Class logits with C = K + 1.
            mask_logits_BQhw: Mask logits.
            points_BP2: Points (x, y) in [0, 1).
            targets_BKP: Target masks at these points, in [0, 1].
        """
        x_BQP = sample_logits(mask_logits_BQhw, points_BP2)
        # BCE(x, t) = softplus(x) - x t: one matmul instead of one for ones and one for zeros.
        bce_BQK = (F.softplus(x_BQP).sum(-1, keepdim=True) - x_BQP @ targets_BKP.mT) / x_BQP.shape[-1]
        p_BQP = x_BQP.sigmoid_()
        overlap_BQK = p_BQP @ targets_BKP.mT
        total_BQK = p_BQP.sum(-1, keepdim=True) + targets_BKP.sum(-1)[:, None]
        dice_BQK = 1 - (2 * overlap_BQK + 1) / (total_BQK + 1)
        prob_BQK = class_logits_BQC.softmax(-1)[..., :-1]
        return self.mask_weight * bce_BQK + self.dice_weight * dice_BQK - self.class_weight * prob_BQK

    def _present_classes(self, labels_BHW: Tensor) -> tuple[Tensor, list[list[int]]]:
        """Return labels with K for ignored pixels, and the classes that are present in each image."""
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
        return clean_BHW.short(), [row[:num_classes].nonzero().flatten().tolist() for row in is_present]

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
        query_LM, label_LM = torch.from_numpy(pairs).to(costs_LBQK.device)
        return torch.from_numpy(image_M).to(costs_LBQK.device), query_LM, label_LM

    def _class_losses(self, logits_LBQC: Tensor, image_M: Tensor, query_LM: Tensor, label_LM: Tensor) -> Tensor:
        """Return one weighted cross entropy (L) per prediction, averaged by the sum of the targets' weights."""
        target_LBQ = torch.full(logits_LBQC.shape[:3], self.num_classes, device=logits_LBQC.device)
        layer_L1 = torch.arange(len(logits_LBQC), device=logits_LBQC.device)[:, None]
        target_LBQ[layer_L1, image_M[None], query_LM] = label_LM
        losses = F.cross_entropy(
            logits_LBQC.flatten(0, 2), target_LBQ.flatten(), weight=self.class_weight_C, reduction="none"
        )
        weight_LBQ = self.class_weight_C[target_LBQ]
        return losses.view_as(target_LBQ).sum((1, 2)) / global_mean_denominator(weight_LBQ.sum((1, 2)))

    def _mask_losses(
        self, mask_logits_Mhw: Tensor, labels_BHW: Tensor, image_M: Tensor, label_M: Tensor, num_masks: list[int]
    ) -> tuple[Tensor, Tensor]:
        """Return binary cross entropy (mean over points) and dice loss, both summed over the matched masks."""
        with torch.no_grad():
            points_MP2 = self._uncertain_points(mask_logits_Mhw, len(labels_BHW), num_masks)
        if len(mask_logits_Mhw) == 0:
            # Zero, yet part of the graph: every parameter gets a gradient in a batch without labelled pixels.
            return mask_logits_Mhw.sum(), mask_logits_Mhw.sum()
        with torch.no_grad():
            target_MP = mask_at_points(labels_BHW, image_M, label_M, points_MP2)
        x_MP = sample_logits(mask_logits_Mhw[:, None], points_MP2)[:, 0]
        bce = F.binary_cross_entropy_with_logits(x_MP, target_MP, reduction="none").mean(1).sum()
        return bce, dice_loss(x_MP, target_MP).sum()

    def _uncertain_points(self, mask_logits_Mhw: Tensor, num_images: int, num_masks: list[int]) -> Tensor:
        """Draw points (M, P, 2): the most uncertain of many candidates, and the rest uniformly.

        Args:
            mask_logits_Mhw: Logits of the masks of this process's images, image by image.
            num_images: Number of images of this process.
            num_masks: Number of masks of each image of the global batch.
        """
        device = mask_logits_Mhw.device
        candidates = _draw(num_masks, num_images, self.num_candidates, device)
        uniform = _draw(num_masks, num_images, self.num_points - self.num_uncertain, device)
        if len(mask_logits_Mhw) == 0:
            return uniform
        certainty = sample_logits(mask_logits_Mhw[:, None], candidates)[:, 0].abs_()
        least_certain = certainty.topk(self.num_uncertain, dim=1, largest=False, sorted=False).indices
        uncertain = candidates.gather(1, least_certain[..., None].expand(-1, -1, 2))
        return torch.cat([uncertain, uniform], dim=1)


def _draw(num_masks: list[int], num_images: int, num_points: int, device: torch.device) -> Tensor:
    """Draw points (M, P, 2) for the masks of the global batch, and return those of this process's images."""
    points_MP2 = torch.rand(sum(num_masks), num_points, 2, device=device, generator=generator(device))
    if num_images == len(num_masks):
        return points_MP2
    ends = itertools.accumulate(num_masks)
    rows = [range(end - count, end) for count, end in zip(num_masks, ends, strict=True)]
    local_rows = [row for image in rows[local_slice(num_images)] for row in image]
    return points_MP2[torch.tensor(local_rows, dtype=torch.int64, device=device)]


def dice_loss(logits_MP: Tensor, targets_MP: Tensor) -> Tensor:
    """Return the dice loss (M) `1 - (2 sum(p t) + 1) / (sum(p) + sum(t) + 1)` with `p = sigmoid(logits)`."""
    p_MP = logits_MP.sigmoid()
    return 1 - (2 * (p_MP * targets_MP).sum(1) + 1) / (p_MP.sum(1) + targets_MP.sum(1) + 1)


def sample_logits(maps_NChw: Tensor, points_NP2: Tensor) -> Tensor:
    """Return the maps' values (N, C, P) at points (x, y) in [0, 1), bilinear, zero beyond the border."""
    grid_N1P2 = (2 * points_NP2 - 1)[:, None]
    return F.grid_sample(maps_NChw, grid_N1P2, align_corners=False)[:, :, 0]


def mask_at_points(labels_BHW: Tensor, image_N: Tensor, label_N: Tensor, points_NP2: Tensor) -> Tensor:
    """Return the value (N, P) of the masks `labels[image] == label` at points (x, y) in [0, 1), as `sample_logits`."""
    target_NP = torch.zeros(points_NP2.shape[:2], device=points_NP2.device)
    for corner_NP, weight_NP in _corners(labels_BHW, image_N, points_NP2):
        target_NP += weight_NP * (corner_NP == label_N[:, None])
    return target_NP


def masks_at_points(labels_BHW: Tensor, points_BP2: Tensor, num_classes: int) -> Tensor:
    """Return the values (B, K, P) of all classes' masks at points (x, y) in [0, 1) of each image."""
    images = torch.arange(len(labels_BHW), device=labels_BHW.device)
    # One more row than classes, for ignored labels and for points outside the image.
    target_BCP = torch.zeros(len(images), num_classes + 1, points_BP2.shape[1], device=points_BP2.device)
    for corner_BP, weight_BP in _corners(labels_BHW, images, points_BP2, outside=num_classes):
        target_BCP.scatter_add_(1, corner_BP[:, None].long(), weight_BP[:, None])
    return target_BCP[:, :num_classes]


def _sort_in_reading_order(points_NP2: Tensor, rows: int) -> Tensor:
    """Return each set of points sorted by row of the grid, then by column: sampling reads memory in order."""
    x_NP, y_NP = points_NP2.unbind(-1)
    order_NP = ((y_NP * rows).floor() + x_NP).argsort(dim=1)
    return points_NP2.gather(1, order_NP[..., None].expand(-1, -1, 2))


def _corners(labels_BHW: Tensor, image_N: Tensor, points_NP2: Tensor, outside: int = -1) -> list[tuple[Tensor, Tensor]]:
    """Return (label, bilinear weight), both (N, P), of the four pixels around each point."""
    # A border of one pixel makes every corner a valid address.
    padded = F.pad(labels_BHW, (1, 1, 1, 1), value=outside)
    rows, columns = padded.shape[1:]
    size = points_NP2.new_tensor([columns - 2, rows - 2])
    xy_NP2 = points_NP2 * size + 0.5
    corner_NP2 = xy_NP2.floor()
    right_NP, down_NP = (xy_NP2 - corner_NP2).unbind(-1)
    x_NP, y_NP = corner_NP2.long().unbind(-1)
    address = ((image_N[:, None] * rows + y_NP) * columns + x_NP).flatten()
    flat = padded.flatten()
    left_NP, up_NP = 1 - right_NP, 1 - down_NP
    return [
        (flat.index_select(0, address + step).view_as(x_NP), weight_NP)
        for step, weight_NP in (
            (0, up_NP * left_NP),
            (1, up_NP * right_NP),
            (columns, down_NP * left_NP),
            (columns + 1, down_NP * right_NP),
        )
    ]
