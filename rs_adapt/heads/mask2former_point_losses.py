"""Losses of matched masks at points, most of them where the logits are uncertain, of several predictions at once.

Shapes: L predictions (decoder layers + 1), M matched masks of one prediction, N = L M, B images, P points, h/w grid of
the predicted masks, H/W pixels of the label maps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from rs_adapt.heads.mask2former_points import (
    dice_loss,
    draw_points,
    labelled_at_points,
    mask_at_points,
    sample_logits,
    sum_weights,
)

# On a GPU so many predictions are taken at once as have so many candidates: it takes longer to start small operations
# than to do them, and gives some 200 MB for fewer. On a CPU one after the other: what fits into its cache is faster.
_CANDIDATES_AT_ONCE = 2**22


@dataclass(frozen=True, kw_only=True)
class PointLosses:
    """Binary cross entropy and dice loss of matched masks.

    Args:
        num_classes: Number of classes K.
        num_points: Points per mask.
        num_candidates: Drawn points from which uncertain ones are chosen.
        num_uncertain: Points that are chosen by uncertainty; the others are uniform.
    """

    num_classes: int
    num_points: int
    num_candidates: int
    num_uncertain: int

    def __call__(
        self,
        masks: Sequence[Tensor],
        labels_BHW: Tensor,
        image_M: Tensor,
        label_LM: Tensor,
        num_masks: list[int],
        *,
        leave_out: bool,
        at_once: int | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return binary cross entropy (mean over points) and dice loss, (L) each, both summed over the masks.

        The draws are those of one prediction after the other, however many are taken at once, and so are the numbers,
        except for last digits, where a device computes differently at another place in memory or sums in another order.

        Args:
            masks: L times the logits (M, h, w) of the matched masks.
            labels_BHW: Label maps, in which ignored pixels have the value K.
            image_M: Image of each mask, the same in all predictions.
            label_LM: Class of each mask.
            num_masks: Number of masks of each image of the global batch.
            leave_out: Whether a point counts as far as it is labelled.
            at_once: Number of predictions to take at once, 1 or more; None for 1 on a CPU and for many on a GPU.
        """
        if at_once is None:
            candidates = max(1, len(image_M) * self.num_candidates)
            at_once = 1 if labels_BHW.device.type == "cpu" else max(1, _CANDIDATES_AT_ONCE // candidates)
        parts = [
            self._losses(
                masks[first : first + at_once],
                labels_BHW,
                image_M,
                label_LM[first : first + at_once],
                num_masks,
                leave_out=leave_out,
            )
            for first in range(0, len(masks), at_once)
        ]
        bce_L, dice_L = (torch.cat(losses) for losses in zip(*parts, strict=True))
        return bce_L, dice_L

    def _losses(
        self,
        masks: Sequence[Tensor],
        labels_BHW: Tensor,
        image_M: Tensor,
        label_LM: Tensor,
        num_masks: list[int],
        *,
        leave_out: bool,
    ) -> tuple[Tensor, Tensor]:
        """Return the losses (L) of predictions that are taken at once."""
        candidates_NP2, uniform_NP2 = self._draw_points(len(masks), num_masks, labels_BHW)
        if label_LM.shape[1] == 0:
            # Zero, yet part of the graph: every parameter gets a gradient in a batch without labelled pixels.
            zero_L = torch.stack([mask_Mhw.sum() for mask_Mhw in masks])
            return zero_L, zero_L
        mask_Nhw, image_N, label_N = torch.cat(list(masks)), image_M.repeat(len(masks)), label_LM.flatten()
        with torch.no_grad():
            ignored_in = (labels_BHW, image_N) if leave_out else None
            uncertain_NP2 = self._uncertain_points(mask_Nhw, candidates_NP2, ignored_in=ignored_in)
            points_NP2 = torch.cat([uncertain_NP2, uniform_NP2], dim=1)
            target_NP = mask_at_points(labels_BHW, image_N, label_N, points_NP2)
        x_NP = sample_logits(mask_Nhw[:, None], points_NP2)[:, 0]
        if leave_out:
            weight_NP = labelled_at_points(labels_BHW, image_N, points_NP2, self.num_classes)
            bce_NP = weight_NP * F.softplus(x_NP) - x_NP * target_NP
            bce_N, dice_N = bce_NP.sum(1) / sum_weights(weight_NP), dice_loss(x_NP, target_NP, weight_NP)
        else:
            bce_N = F.binary_cross_entropy_with_logits(x_NP, target_NP, reduction="none").mean(1)
            dice_N = dice_loss(x_NP, target_NP)
        return bce_N.view_as(label_LM).sum(1), dice_N.view_as(label_LM).sum(1)

    def _draw_points(self, predictions: int, num_masks: list[int], labels_BHW: Tensor) -> tuple[Tensor, Tensor]:
        """Draw candidates and the points that are uniform, (N, P, 2) each; one prediction after the other."""
        counts = self.num_candidates, self.num_points - self.num_uncertain
        drawn = [
            [draw_points(num_masks, len(labels_BHW), count, labels_BHW.device) for count in counts]
            for _ in range(predictions)
        ]
        candidates_NP2, uniform_NP2 = (torch.cat(list(points)) for points in zip(*drawn, strict=True))
        return candidates_NP2, uniform_NP2

    def _uncertain_points(
        self, mask_Nhw: Tensor, candidates_NP2: Tensor, *, ignored_in: tuple[Tensor, Tensor] | None
    ) -> Tensor:
        """Return the most uncertain of the candidates, (N, P, 2).

        Args:
            mask_Nhw: Logits of the masks.
            candidates_NP2: Candidates of each mask.
            ignored_in: Labels (B, H, W) and the image (N) of each mask: candidates on ignored pixels come last. None
                to take them like others.
        """
        certainty_NP = sample_logits(mask_Nhw[:, None], candidates_NP2)[:, 0].abs_()
        if ignored_in is not None:
            certainty_NP.masked_fill_(labelled_at_points(*ignored_in, candidates_NP2, self.num_classes) == 0, torch.inf)
        least_certain = certainty_NP.topk(self.num_uncertain, dim=1, largest=False, sorted=False).indices
        return candidates_NP2.gather(1, least_certain[..., None].expand(-1, -1, 2))
