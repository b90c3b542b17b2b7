"""Labels that the teacher gives to the target: most probable class, none on padding, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

ScoreKind = Literal["logits", "scores"]


def pseudo_labels(
    scores_BKHW: Tensor,
    *,
    kind: ScoreKind,
    valid_BHW: Tensor,
    ignore_index: int = 255,
    confidence: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Turn the teacher's scores into labels and one weight for the batch.

    Args:
        scores_BKHW: What the head's `predict` returns, float.
        kind: "logits" (softmax makes them probabilities) or "scores" (non-negative; divided by their sum over the
            classes, as for Mask2Former's sums over queries).
        valid_BHW: bool, False on padding: those pixels get no label and do not count in the weight.
        ignore_index: Label value of pixels without label.
        confidence: None for a weight of 1 (Earth-Adapter), else the probability from which a pixel counts as sure:
            the weight is the share of sure pixels in the whole batch (DACS in DAFormer's form, arXiv 2111.14887).

    Returns:
        Labels (B, H, W) int64, and the weight, a float32 scalar in [0, 1].
    """
    scores = scores_BKHW.float()
    best_BHW, label_BHW = scores.max(dim=1)
    label_BHW = label_BHW.masked_fill(~valid_BHW, ignore_index)
    if confidence is None:
        return label_BHW, scores.new_ones(())
    if kind == "logits":
        probability_BHW = (best_BHW - scores.logsumexp(dim=1)).exp()
    else:
        probability_BHW = best_BHW / scores.sum(dim=1).clamp_min(torch.finfo(scores.dtype).tiny)
    sure = (probability_BHW >= confidence) & valid_BHW
    return label_BHW, sure.sum() / valid_BHW.sum().clamp_min(1)


def valid_pixels(data_samples: Sequence[object], height_px: int, width_px: int, device: torch.device) -> Tensor:
    """Where a padded batch holds image: (B, H, W) bool from each sample's `padding_size` (left, right, top, bottom)."""
    valid = torch.ones(len(data_samples), height_px, width_px, dtype=torch.bool, device=device)
    for mask, sample in zip(valid, data_samples, strict=True):
        left, right, top, bottom = getattr(sample, "padding_size", (0, 0, 0, 0))
        inside = torch.zeros_like(mask)
        inside[top : height_px - bottom, left : width_px - right] = True
        mask &= inside
    return valid
