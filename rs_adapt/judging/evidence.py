"""Numbers about two models on images without labels (K classes, P points, H/W pixels)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rs_adapt.judging.pairs import PairPrediction
from rs_adapt.metrics.label_free import LabelFreeMetric

# Points whose neighbourhoods are measured: the matrix of similarities has so many rows.
MOST_POINTS = 2048
_TEMPERATURE = 0.05


@dataclass(frozen=True, kw_only=True)
class ModelEvidence:
    """Numbers about one model, all from 0 to 1.

    Attributes:
        confidence: Mean of the largest class probability.
        entropy: Mean entropy of the class probabilities, as a share of the largest possible one.
        info_max: Information maximisation; see `LabelFreeMetric`.
        density: Soft neighbourhood density; see `neighbourhood_density`. NaN with fewer than three points.
        class_shares: Share of the area of each class.
    """

    confidence: float
    entropy: float
    info_max: float
    density: float
    class_shares: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Numbers about two models on the same pixels.

    Attributes:
        num_images: Tiles or windows.
        num_pixels: Pixels that show an image.
        num_points: Points whose neighbourhoods were measured.
        joint_KK: Pixels by class of AGAINST (row) and of RUN (column), int64.
        run: Numbers about RUN.
        against: Numbers about AGAINST.
    """

    num_images: int
    num_pixels: int
    num_points: int
    joint_KK: NDArray[np.int64]
    run: ModelEvidence
    against: ModelEvidence

    @property
    def agreement(self) -> float:
        """Share of the area to which both give the same class."""
        return float(np.trace(self.joint_KK)) / self.num_pixels


class _Side:
    """The sums of one model."""

    def __init__(self) -> None:
        # Entropy and information maximisation are defined as in the `metrics.jsonl` of a run.
        self.metric = LabelFreeMetric(kind="scores", prefix="label_free")
        self.confidence = 0.0
        self.points: list[NDArray[np.float32]] = []

    def add(self, probabilities_KP: NDArray[np.float32], chosen: NDArray[np.int64]) -> None:
        scores_KP1 = torch.from_numpy(probabilities_KP)[..., None]
        sample: Any = {"seg_logits": {"data": scores_KP1}}
        self.metric.process({}, [sample])
        self.confidence += float(probabilities_KP.max(axis=0).sum(dtype=np.float64))
        self.points.append(probabilities_KP[:, chosen].T)

    def evidence(self, num_pixels: int, counts_K: NDArray[np.int64]) -> ModelEvidence:
        statistics = self.metric.compute_metrics(self.metric.results)
        return ModelEvidence(
            confidence=self.confidence / num_pixels,
            entropy=statistics["entropy"],
            info_max=statistics["info_max"],
            density=neighbourhood_density(np.concatenate(self.points)),
            class_shares=tuple(float(share) for share in counts_K / num_pixels),
        )


class EvidenceCounter:
    """Adds up the evidence image by image.

    Args:
        num_classes: K.
        num_images: Number of images that will be added, over which the points for the density are spread.
        seed: Seed of the points; both models are measured at the same ones.
    """

    def __init__(self, *, num_classes: int, num_images: int, seed: int = 0) -> None:
        self._num_classes, self._expected_images = num_classes, max(num_images, 1)
        self._rng = np.random.default_rng(seed)
        self._joint_KK = np.zeros((num_classes, num_classes), dtype=np.int64)
        self._run, self._against = _Side(), _Side()
        self._num_offered = self._num_images = self._num_points = 0

    def add(self, pair: PairPrediction) -> None:
        """Add an image; one without a valid pixel adds nothing."""
        valid_HW = pair.valid_HW
        num_pixels = int(valid_HW.sum())
        self._num_offered += 1
        if not num_pixels:
            return
        before, after = (MOST_POINTS * n // self._expected_images for n in (self._num_offered - 1, self._num_offered))
        count = min(after - before, num_pixels)
        chosen = self._rng.choice(num_pixels, size=count, replace=False)
        self._run.add(pair.run_KHW[:, valid_HW], chosen)
        self._against.add(pair.against_KHW[:, valid_HW], chosen)
        both_P = pair.against_HW[valid_HW].astype(np.int64) * self._num_classes + pair.run_HW[valid_HW]
        self._joint_KK += np.bincount(both_P, minlength=self._num_classes**2).reshape(self._joint_KK.shape)
        self._num_images += 1
        self._num_points += count

    def evidence(self) -> Evidence | None:
        """Return the evidence of all images; None if no pixel shows an image."""
        num_pixels = int(self._joint_KK.sum())
        if not num_pixels:
            return None
        return Evidence(
            num_images=self._num_images,
            num_pixels=num_pixels,
            num_points=self._num_points,
            joint_KK=self._joint_KK.copy(),
            run=self._run.evidence(num_pixels, self._joint_KK.sum(axis=0)),
            against=self._against.evidence(num_pixels, self._joint_KK.sum(axis=1)),
        )


def neighbourhood_density(probabilities_PK: NDArray[np.float32]) -> float:
    """Return the soft neighbourhood density of points, 0 to 1.

    Saito et al., ICCV 2021 (arXiv 2108.10860): the class probabilities of each point, at unit length, are compared with
    those of all others; the softmax of the similarities with temperature 0.05 is a distribution over neighbours, whose
    mean entropy is the density. It is divided here by its largest possible value, `log(P - 1)`. High if points lie in
    few dense groups; highest for a model that gives one class to everything.

    Args:
        probabilities_PK: Class probabilities of each point.

    Returns:
        The density; NaN for fewer than three points.
    """
    num_points = len(probabilities_PK)
    if num_points < 3:
        return math.nan
    unit_PK = probabilities_PK / np.linalg.norm(probabilities_PK, axis=1, keepdims=True).clip(1e-12)
    weights_PP = (unit_PK @ unit_PK.T).astype(np.float64) / _TEMPERATURE
    np.fill_diagonal(weights_PP, -np.inf)
    weights_PP -= weights_PP.max(axis=1, keepdims=True)
    np.exp(weights_PP, out=weights_PP)
    weights_PP /= weights_PP.sum(axis=1, keepdims=True)
    logs_PP = np.log(weights_PP, out=np.zeros_like(weights_PP), where=weights_PP > 0)
    return float(-(weights_PP * logs_PP).sum(axis=1).mean() / math.log(num_points - 1))
