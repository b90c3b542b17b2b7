"""Confidence and class shares of labelled source tiles, against which predictions on target images are read.

Shapes: N pixels, K classes, H/W pixels of a tile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from torch import Tensor

from rs_adapt.metrics.confusion import Sample
from rs_adapt.metrics.temperature import fit_temperature, spread_pixels
from rs_adapt.registry import METRICS
from rs_adapt.strategies.pseudo_labels import ScoreKind, probabilities

# Name of the metric's result.
RESULT = "source_reference"
# Added to the variance of log-probabilities, so that their covariance can be inverted.
_LEAST_VARIANCE = 1e-3
# Pixels of a tile are alike: some of them say as much as all, and an evaluation stays quick.
_PIXELS_PER_TILE = 512
_SMALLEST = 1e-12


@dataclass(frozen=True, kw_only=True)
class SourceReference:
    """Confidence and class shares of labelled source tiles.

    Attributes:
        temperature: What logits are divided by; see `fit_temperature`.
        least_certainty: Threshold of `certainty` at that temperature, nats, at most 0: as many pixels lie at or above
            it as are right on the source.
        shares_K: True class shares, which add up to 1.
        discriminant_KK: Weights of the linear discriminant of each class (row) on centred log-probabilities.
        offset_K: Offsets of the discriminants; -inf for a class without a pixel.
    """

    temperature: float
    least_certainty: float
    shares_K: tuple[float, ...]
    discriminant_KK: tuple[tuple[float, ...], ...]
    offset_K: tuple[float, ...]

    def discriminate(self, log_probability_KN: Tensor) -> Tensor:
        """Return the class of each pixel by the linear discriminants, int64 (N,), from log-probabilities (K, N)."""
        weights_KK = log_probability_KN.new_tensor(self.discriminant_KK)
        offset_K1 = log_probability_KN.new_tensor(self.offset_K)[:, None]
        centred_KN = log_probability_KN - log_probability_KN.mean(dim=0)
        return (weights_KK @ centred_KN + offset_K1).argmax(dim=0)


class _Row(TypedDict):
    """Labelled pixels of one tile."""

    log_shares_NK: np.ndarray[Any, Any]
    truth_N: np.ndarray[Any, Any]


@METRICS.register_module()
class SourceReferenceMetric(BaseMetric):  # type: ignore[misc]
    """A `SourceReference` as a mmengine metric, from up to 512 labelled pixels of each source tile.

    Args:
        kind: The kind of the head's scores: "logits" or "scores"; see `rs_adapt.strategies.PseudoLabeler`.
        ignore_index: Label value that counts nowhere.
        collect_device: How several processes gather their results: "gpu" through the process group (also on CPUs),
            "cpu" through files in the current folder, which then must be shared.
        prefix: Prefix of the values' names, which mmengine adds.
    """

    def __init__(
        self, *, kind: ScoreKind, ignore_index: int = 255, collect_device: str = "gpu", prefix: str | None = None
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.kind: ScoreKind = kind
        self.ignore_index = ignore_index

    def process(self, data_batch: Any, data_samples: Sequence[Sample]) -> None:
        """Take pixels of one batch: samples hold `seg_logits` (K, H, W) and `gt_sem_seg` (1, H, W)."""
        for sample in data_samples:
            scores_KHW = sample["seg_logits"]["data"]
            truth_P = sample["gt_sem_seg"]["data"].flatten().to(scores_KHW.device)
            at_N = spread_pixels(torch.nonzero(truth_P != self.ignore_index).flatten(), most=_PIXELS_PER_TILE)
            log_shares_KN = log_probabilities(scores_KHW.flatten(1)[:, at_N][..., None], self.kind)[..., 0]
            row: _Row = {"log_shares_NK": log_shares_KN.T.cpu().numpy(), "truth_N": truth_P[at_N].long().cpu().numpy()}
            self.results.append(row)

    def compute_metrics(self, results: list[_Row]) -> dict[str, SourceReference]:
        """Return the reference as `source_reference`; nothing where no pixel has a label."""
        log_shares_NK = torch.from_numpy(np.concatenate([row["log_shares_NK"] for row in results]))
        truth_N = torch.from_numpy(np.concatenate([row["truth_N"] for row in results]))
        if not len(truth_N):
            return {}
        temperature = fit_temperature(log_shares_NK, truth_N)
        num_wrong = int((log_shares_NK.argmax(dim=1) != truth_N).sum())
        certainty_N = certainty((log_shares_NK.T / temperature).softmax(dim=0)).sort().values
        counts_K = torch.bincount(truth_N, minlength=log_shares_NK.shape[1])
        discriminant_KK, offset_K = fit_discriminants(log_shares_NK, truth_N)
        reference = SourceReference(
            temperature=temperature,
            least_certainty=float(certainty_N[min(num_wrong, len(certainty_N) - 1)]),
            shares_K=tuple((counts_K / len(truth_N)).tolist()),
            discriminant_KK=tuple(map(tuple, discriminant_KK.tolist())),
            offset_K=tuple(offset_K.tolist()),
        )
        return {RESULT: reference}


def log_probabilities(scores_KHW: Tensor, kind: ScoreKind) -> Tensor:
    """Return logarithms of class probabilities, float32 (K, H, W).

    Args:
        scores_KHW: Scores from a head's `predict`, float.
        kind: "logits" or "scores".
    """
    if kind == "logits":
        return scores_KHW.float().log_softmax(dim=0)
    return probabilities(scores_KHW[None], kind)[0].clamp_min(_SMALLEST).log()


def certainty(probability_KN: Tensor) -> Tensor:
    """Return the negative entropy of each pixel in nats, (N,), from class probabilities (K, N)."""
    entropy_N: Tensor = torch.special.entr(probability_KN).sum(dim=0)
    return -entropy_N


def fit_discriminants(log_probability_NK: Tensor, truth_N: Tensor) -> tuple[Tensor, Tensor]:
    """Return weights (K, K) and offsets (K,), float64, of linear discriminants on centred log-probabilities.

    Fisher's discriminants with the mean of each class, one covariance for all, and equal shares of the classes.

    Args:
        log_probability_NK: Logarithms of class probabilities, or logits.
        truth_N: True classes, int64; not empty.
    """
    points_NK = log_probability_NK.double()
    points_NK = points_NK - points_NK.mean(dim=1, keepdim=True)
    num_classes = points_NK.shape[1]
    counts_K = torch.bincount(truth_N, minlength=num_classes)
    sums_KK = points_NK.new_zeros(num_classes, num_classes).index_add_(0, truth_N, points_NK)
    means_KK = sums_KK / counts_K[:, None].clamp_min(1)
    rest_NK = points_NK - means_KK[truth_N]
    covariance_KK = rest_NK.T @ rest_NK / len(rest_NK) + _LEAST_VARIANCE * torch.eye(num_classes, dtype=torch.float64)
    weights_KK = torch.linalg.solve(covariance_KK, means_KK.T).T
    offset_K = -(weights_KK * means_KK).sum(dim=1) / 2
    return weights_KK, offset_K.masked_fill(counts_K == 0, -torch.inf)
