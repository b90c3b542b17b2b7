"""Quality of predictions on images without labels: entropy, information maximisation, agreement with the teacher.

Shapes: K classes, H/W pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NotRequired, TypedDict

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from torch import Tensor

from rs_adapt.metrics.confusion import Sample
from rs_adapt.registry import METRICS
from rs_adapt.strategies.pseudo_labels import ScoreKind, probabilities


class _Row(TypedDict):
    """The sums of one image."""

    pixels: int
    # Sum over the pixels, nats.
    entropy: float
    mean_K: np.ndarray[Any, Any]
    # Pixels with the same class from student and teacher.
    same: NotRequired[int]


@METRICS.register_module()
class LabelFreeMetric(BaseMetric):  # type: ignore[misc]
    """Three statistics of predictions on a set of images, all from 0 to 1 and over all pixels of the set.

    - `entropy`: mean of `H(p) / log K` over the pixels, with p the probabilities of a pixel. A low value means a
      confident model, and a model that has collapsed to one class is confident, too (entropy minimisation, Grandvalet
      and Bengio, NeurIPS 2004).
    - `info_max`: `(H(mean p) - mean H(p)) / log K`: high if the model is confident at each pixel and predicts different
      classes in different places; 0 for a collapsed model (mutual information, Krause et al., NeurIPS
      2010; as a criterion to select a model without labels: Musgrave et al., arXiv 2208.07360).
    - `agreement`: share of pixels to which student and averaged teacher give the same class; only where samples hold
      `other_sem_seg`, the prediction of the second model.

    Args:
        kind: The kind of the head's scores: "logits" or "scores"; see `rs_adapt.strategies.PseudoLabeler`.
        collect_device: How several processes gather their results: "gpu" through the process group (also on CPUs),
            "cpu" through files in the current folder, which then must be shared.
        prefix: Prefix of the statistics' names, which mmengine adds.
    """

    def __init__(self, *, kind: ScoreKind, collect_device: str = "gpu", prefix: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.kind: ScoreKind = kind

    def process(self, data_batch: Any, data_samples: Sequence[Sample]) -> None:
        """Add the sums of one batch: each sample holds `seg_logits` (K, H, W) and `pred_sem_seg` (1, H, W).

        Where it also holds `valid` (1, H, W), only the pixels that show an image count.
        """
        for sample in data_samples:
            scores_KHW = sample["seg_logits"]["data"]
            valid_HW = _valid_pixels(sample, scores_KHW)
            if valid_HW is not None:
                scores_KHW = scores_KHW[:, valid_HW][:, None]
            entropy_HW, mean_K = pixel_entropy(scores_KHW, self.kind)
            row: _Row = {
                "pixels": entropy_HW.numel(),
                "entropy": float(entropy_HW.sum()),
                "mean_K": mean_K.cpu().numpy(),
            }
            if "other_sem_seg" in sample:
                same_HW = sample["other_sem_seg"]["data"] == sample["pred_sem_seg"]["data"]
                row["same"] = int((same_HW if valid_HW is None else same_HW[0][valid_HW]).sum())
            self.results.append(row)

    def compute_metrics(self, results: list[_Row]) -> dict[str, float]:
        """Return the statistics over all images: `entropy`, `info_max` and, with a teacher, `agreement`."""
        pixels = sum(row["pixels"] for row in results)
        sums_NK = np.stack([row["mean_K"] * row["pixels"] for row in results])
        mean_K: np.ndarray[Any, Any] = sums_NK.sum(axis=0, dtype=np.float64) / pixels
        scale = math.log(len(mean_K)) if len(mean_K) > 1 else 1.0
        present_K = mean_K[mean_K > 0]
        entropy = sum(row["entropy"] for row in results) / pixels / scale
        statistics = {"entropy": entropy, "info_max": float(-(present_K * np.log(present_K)).sum()) / scale - entropy}
        if all("same" in row for row in results):
            statistics["agreement"] = sum(row["same"] for row in results) / pixels
        return statistics


def _valid_pixels(sample: Sample, scores_KHW: Tensor) -> Tensor | None:
    """Return where a tile shows an image, bool (H, W); None where all of it does, or nothing would be left."""
    if "valid" not in sample:
        return None
    valid_HW: Tensor = sample["valid"]["data"][0].to(scores_KHW.device)
    fits = valid_HW.shape == scores_KHW.shape[1:] and bool(valid_HW.any())
    return valid_HW if fits else None


def pixel_entropy(scores_KHW: Tensor, kind: ScoreKind) -> tuple[Tensor, Tensor]:
    """Return the entropy of each pixel in nats, float32 (H, W), and the mean probabilities, float32 (K,).

    Args:
        scores_KHW: Scores from a head's `predict`, float.
        kind: "logits" or "scores".
    """
    probability_KHW = probabilities(scores_KHW[None], kind)[0]
    return torch.special.entr(probability_KHW).sum(dim=0), probability_KHW.mean(dim=(1, 2))
