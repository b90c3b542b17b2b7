"""Confusion matrix of a segmentation, and IoU and accuracy from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from torch import Tensor

from rs_adapt.registry import METRICS
from rs_adapt.scores.class_sets import class_set


class PixelMap(TypedDict):
    """A map of pixels, as mmengine hands it to metrics."""

    data: Tensor


class Sample(TypedDict):
    """The entries that the metrics read of mmsegmentation's `SegDataSample`, which mmengine passes on as a dict."""

    img_path: str
    # Class indices (1, H, W).
    pred_sem_seg: PixelMap
    gt_sem_seg: PixelMap
    # Scores (K, H, W) of the head.
    seg_logits: PixelMap
    # The prediction of a second model, where there is one.
    other_sem_seg: NotRequired[PixelMap]
    # Whether a pixel shows an image (1, H, W), where not all of them do.
    valid: NotRequired[PixelMap]


def confusion_matrix(truth: Tensor, prediction: Tensor, num_classes: int, ignore_index: int = 255) -> Tensor:
    """Count pixels by true and predicted class.

    Args:
        truth: Integer class indices of any shape; `ignore_index` counts nowhere.
        prediction: Class indices in [0, num_classes), same shape.
        num_classes: K.
        ignore_index: Label value of pixels without label.

    Returns:
        (K, K) int64: row = truth, column = prediction.

    Raises:
        ValueError: A label is neither a class nor `ignore_index`.
    """
    labelled = truth != ignore_index
    truth, prediction = truth[labelled].long(), prediction[labelled].long()
    if truth.numel() and int(truth.max()) >= num_classes:
        raise ValueError(f"label {int(truth.max())} is outside the {num_classes} classes")
    return torch.bincount(truth * num_classes + prediction, minlength=num_classes**2).view(num_classes, num_classes)


@dataclass(frozen=True, kw_only=True)
class ClassScores:
    """Scores of a confusion matrix, in percent; a class that neither occurs nor is predicted has IoU NaN.

    `miou_pct` and `macc_pct` are means over the classes that have a value, as in mmsegmentation.
    """

    miou_pct: float
    aacc_pct: float
    macc_pct: float
    iou_pct: dict[str, float]
    acc_pct: dict[str, float]


def scores_of(matrix: np.ndarray[Any, Any], classes: Sequence[str], scored: Sequence[int] | None = None) -> ClassScores:
    """Return IoU and accuracy (recall) by class, and their means.

    Args:
        matrix: (K, K) counts, row = truth, column = prediction.
        classes: K names.
        scored: Indices of the classes in the means; None takes all. Pixels of the others still count as errors.
    """
    hit = np.diag(matrix).astype(np.float64)
    in_truth, predicted = matrix.sum(axis=1), matrix.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        iou = 100.0 * hit / (in_truth + predicted - hit)
        acc = 100.0 * hit / in_truth
        total = float(100.0 * hit.sum() / matrix.sum())
    return ClassScores(
        miou_pct=_mean(iou if scored is None else iou[list(scored)]),
        aacc_pct=total,
        macc_pct=_mean(acc if scored is None else acc[list(scored)]),
        iou_pct=dict(zip(classes, iou.tolist(), strict=True)),
        acc_pct=dict(zip(classes, acc.tolist(), strict=True)),
    )


def _mean(values: np.ndarray[Any, Any]) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")


@METRICS.register_module()
class ConfusionMetric(BaseMetric):  # type: ignore[misc]
    """The scores of `scores_of` as a mmengine metric; the matrices of the last evaluation stay in `by_image`.

    Args:
        classes: Names in index order.
        ignore_index: Label value that counts nowhere.
        scored: The classes in the means, as words of `class_set`.
        collect_device: How several processes gather their results: "gpu" through the process group (also on CPUs),
            "cpu" through files in the current folder, which then must be shared.
        prefix: Prefix of the scores' names, which mmengine adds.
    """

    def __init__(
        self,
        *,
        classes: list[str],
        ignore_index: int = 255,
        scored: str = "all",
        collect_device: str = "gpu",
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.classes = list(classes)
        self.ignore_index = ignore_index
        self.scored = class_set(classes, chosen=scored).scored
        # Path of each image, and its counts (K, K).
        self.by_image: list[tuple[str, np.ndarray[Any, Any]]] = []

    def process(self, data_batch: Any, data_samples: Sequence[Sample]) -> None:
        """Count one batch: samples hold `img_path`, and `pred_sem_seg` and `gt_sem_seg`, (1, H, W) class indices."""
        for sample in data_samples:
            prediction = sample["pred_sem_seg"]["data"]
            truth = sample["gt_sem_seg"]["data"].to(prediction.device)
            counts_KK = confusion_matrix(truth, prediction, len(self.classes), self.ignore_index).cpu().numpy()
            self.results.append((str(sample["img_path"]), counts_KK))

    def compute_metrics(self, results: list[tuple[str, np.ndarray[Any, Any]]]) -> dict[str, float]:
        """Return the scores over all images: `miou_pct`, `aacc_pct`, `macc_pct` and `iou_pct/<class>`."""
        self.by_image = list(results)
        scores = scores_of(np.sum([counts_KK for _, counts_KK in results], axis=0), self.classes, self.scored)
        means = {"miou_pct": scores.miou_pct, "aacc_pct": scores.aacc_pct, "macc_pct": scores.macc_pct}
        return means | {f"iou_pct/{name}": value for name, value in scores.iou_pct.items()}
