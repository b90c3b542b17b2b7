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
from rs_adapt.metrics.source_reference import SourceReference, certainty, log_probabilities
from rs_adapt.metrics.temperature import spread_pixels
from rs_adapt.registry import METRICS
from rs_adapt.strategies.pseudo_labels import ScoreKind, probabilities

# Pixels of an image of which the probabilities are kept, and steps of the estimate of class shares.
_SAMPLED_PIXELS, _EM_STEPS = 1024, 50
_SMALLEST = 1e-6


class _Row(TypedDict):
    """The sums of one image."""

    pixels: int
    # Sum over the pixels, nats.
    entropy: float
    mean_K: np.ndarray[Any, Any]
    # Pixels with the same class from student and teacher.
    same: NotRequired[int]
    calibrated: NotRequired[_CalibratedRow]


class _CalibratedRow(TypedDict):
    """The sums of one image at the temperature that fits the source."""

    entropy: float
    mean_K: np.ndarray[Any, Any]
    # Pixels that are as certain as those that are right on the source.
    certain: int
    # Pixels with the same class from the linear discriminants of the source.
    alike: int
    # Probabilities of evenly spread pixels.
    sample_SK: np.ndarray[Any, Any]


@METRICS.register_module()
class LabelFreeMetric(BaseMetric):  # type: ignore[misc]
    """Statistics of predictions on a set of images, all from 0 to 1 and over all pixels of the set.

    - `entropy`: mean of `H(p) / log K` over the pixels, with p the probabilities of a pixel. A low value means a
      confident model, and a model that has collapsed to one class is confident, too (entropy minimisation, Grandvalet
      and Bengio, NeurIPS 2004).
    - `info_max`: `(H(mean p) - mean H(p)) / log K`: high if the model is confident at each pixel and predicts different
      classes in different places; 0 for a collapsed model (mutual information, Krause et al., NeurIPS
      2010; as a criterion to select a model without labels: Musgrave et al., arXiv 2208.07360).
    - `agreement`: share of pixels to which student and averaged teacher give the same class; only where samples hold
      `other_sem_seg`, the prediction of the second model.

    With a `reference`, labelled tiles of the source, the logits are divided by the temperature that fits these, and
    four more are measured:

    - `info_max_calibrated`: `info_max` of these probabilities.
    - `predicted_accuracy`: share of pixels whose entropy is at most a threshold; on the source as many pixels have
      such an entropy as are right (average thresholded confidence, Garg et al., ICLR 2022, arXiv 2201.04234).
    - `prior_agreement`: share of pixels that keep their class when the probabilities are corrected for the class
      shares of the images; see `prior_agreement`. Over 1024 pixels of each image.

    - `discriminant_agreement`: share of pixels to which linear discriminants on the log-probabilities give the same
      class. They are fitted on the source with equal class shares; agreement falls where log-probabilities of the
      target lie elsewhere than those of the class that they are given, as with the nearest class mean.

    A model that gives one class to everything, and is sure, has the highest value of `predicted_accuracy` and
    `prior_agreement`.

    Attributes:
        reference: Confidence and class shares of the source; None measures the first three only.

    Args:
        kind: The kind of the head's scores: "logits" or "scores"; see `rs_adapt.strategies.PseudoLabeler`.
        collect_device: How several processes gather their results: "gpu" through the process group (also on CPUs),
            "cpu" through files in the current folder, which then must be shared.
        prefix: Prefix of the statistics' names, which mmengine adds.
    """

    def __init__(self, *, kind: ScoreKind, collect_device: str = "gpu", prefix: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.kind: ScoreKind = kind
        self.reference: SourceReference | None = None

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
            if self.reference is not None:
                row["calibrated"] = _calibrated_row(log_probabilities(scores_KHW, self.kind), self.reference)
            if "other_sem_seg" in sample:
                same_HW = sample["other_sem_seg"]["data"] == sample["pred_sem_seg"]["data"]
                row["same"] = int((same_HW if valid_HW is None else same_HW[0][valid_HW]).sum())
            self.results.append(row)

    def compute_metrics(self, results: list[_Row]) -> dict[str, float]:
        """Return the statistics over all images: `entropy`, `info_max` and, with a teacher, `agreement`."""
        pixels = [row["pixels"] for row in results]
        total = sum(pixels)
        entropy, info_max = _entropy_and_info_max(results, pixels)
        statistics = {"entropy": entropy, "info_max": info_max}
        if all("same" in row for row in results):
            statistics["agreement"] = sum(row["same"] for row in results) / total
        if all("calibrated" in row for row in results):
            rows = [row["calibrated"] for row in results]
            statistics["info_max_calibrated"] = _entropy_and_info_max(rows, pixels)[1]
            statistics["predicted_accuracy"] = sum(row["certain"] for row in rows) / total
            statistics["discriminant_agreement"] = sum(row["alike"] for row in rows) / total
            assert self.reference is not None
            sample_SK = torch.from_numpy(np.concatenate([row["sample_SK"] for row in rows]))
            statistics["prior_agreement"] = prior_agreement(sample_SK, self.reference.shares_K)
        return statistics


def _calibrated_row(log_probability_KHW: Tensor, reference: SourceReference) -> _CalibratedRow:
    """Return the sums of one image."""
    log_probability_KP = log_probability_KHW.flatten(1)
    probability_KP = (log_probability_KP / reference.temperature).softmax(dim=0)
    certainty_P = certainty(probability_KP)
    positions = torch.arange(len(certainty_P), device=certainty_P.device)
    return {
        "entropy": float(-certainty_P.sum()),
        "mean_K": probability_KP.mean(dim=1).cpu().numpy(),
        "certain": int((certainty_P >= reference.least_certainty).sum()),
        "alike": int((reference.discriminate(log_probability_KP) == log_probability_KP.argmax(dim=0)).sum()),
        "sample_SK": probability_KP[:, spread_pixels(positions, most=_SAMPLED_PIXELS)].T.cpu().numpy(),
    }


def _entropy_and_info_max(
    rows: Sequence[_Row] | Sequence[_CalibratedRow], pixels: Sequence[int]
) -> tuple[float, float]:
    """Return both statistics over all images, each of which has a number of pixels."""
    total = sum(pixels)
    sums_NK = np.stack([row["mean_K"] * count for row, count in zip(rows, pixels, strict=True)])
    mean_K: np.ndarray[Any, Any] = sums_NK.sum(axis=0, dtype=np.float64) / total
    scale = math.log(len(mean_K)) if len(mean_K) > 1 else 1.0
    present_K = mean_K[mean_K > 0]
    entropy = sum(row["entropy"] for row in rows) / total / scale
    return entropy, float(-(present_K * np.log(present_K)).sum()) / scale - entropy


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


def prior_agreement(probability_SK: Tensor, source_shares_K: Sequence[float]) -> float:
    """Return the share of pixels that keep their class when their probabilities fit the class shares of the images.

    A model trained on the source expects the source's class shares. Those of the images are estimated without labels,
    and the probabilities corrected for them, by expectation maximisation (Saerens, Latinne and Decaestecker, Neural
    Computation 14, 2002). Few pixels change where a model is sure, or where it predicts the shares that it expects.

    Args:
        probability_SK: Calibrated class probabilities of S pixels.
        source_shares_K: True class shares of the source.
    """
    expected_K = torch.tensor(source_shares_K, dtype=torch.float64).clamp_min(_SMALLEST)
    probability_SK = probability_SK.double()
    shares_K, corrected_SK = expected_K, probability_SK
    for _ in range(_EM_STEPS):
        corrected_SK = probability_SK * (shares_K / expected_K)
        corrected_SK = corrected_SK / corrected_SK.sum(dim=1, keepdim=True)
        shares_K = corrected_SK.mean(dim=0)
    return float((corrected_SK.argmax(dim=1) == probability_SK.argmax(dim=1)).double().mean())
