"""Confusion matrix of a segmentation, and IoU and accuracy from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, NotRequired, TypedDict

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from torch import Tensor

from rs_adapt.config.facts import AbsentClasses
from rs_adapt.errors import DataError
from rs_adapt.registry import METRICS
from rs_adapt.scores.class_sets import class_set
from rs_adapt.scores.means import MeanOver, SeenUnseen
from rs_adapt.scores.resampling import mean_iou


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

    On a GPU the only wait is the one for the counts themselves: what is out of range is counted along.

    Args:
        truth: Integer class indices of any shape; `ignore_index` counts nowhere.
        prediction: Class indices in [0, num_classes) wherever there is a label, same shape and device.
        num_classes: K.
        ignore_index: Label value of pixels without label.

    Returns:
        (K, K) int64 on the CPU: row = truth, column = prediction.

    Raises:
        DataError: A label is neither a class nor `ignore_index`, or a prediction is no class.
    """
    truth, prediction = truth.long(), prediction.long()
    pairs = num_classes**2
    is_pair = (truth >= 0) & (truth < num_classes) & (prediction >= 0) & (prediction < num_classes)
    # Two numbers after those of the pairs: pixels without label, and pixels with an index that is no class.
    place = torch.where(is_pair, truth * num_classes + prediction, pairs + 1).masked_fill(truth == ignore_index, pairs)
    counts = torch.bincount(place.flatten(), minlength=pairs + 2).cpu()
    if int(counts[pairs + 1]):
        _refuse_index(truth, prediction, num_classes, ignore_index)
    return counts[:pairs].view(num_classes, num_classes)


def _refuse_index(truth: Tensor, prediction: Tensor, num_classes: int, ignore_index: int) -> NoReturn:
    """Raise an error that names the first index that is no class."""
    labelled = truth != ignore_index
    allowed = f"the {num_classes} classes have 0 to {num_classes - 1}"
    for kind, values in (("label", truth[labelled]), ("prediction", prediction[labelled])):
        outside = values[(values < 0) | (values >= num_classes)]
        if outside.numel():
            value, number = int(outside[0]), outside.numel()
            count = f"{number} pixel{'s' * (number != 1)}"
            remedy = (
                f"and {ignore_index} is ignored. Prepare the tiles again, or correct the class list"
                if kind == "label"
                else "so the model has more classes than the bench. Evaluate it with the classes it was trained with"
            )
            raise DataError(f"{kind} {value} is outside the {num_classes} classes ({count}): {allowed}, {remedy}.")
    raise AssertionError("an index was counted as no class, but every index is one")


@dataclass(frozen=True, kw_only=True)
class ClassScores:
    """Scores of a confusion matrix, in percent; NaN for a class without a value.

    `miou_pct` and `macc_pct` are means over the classes that have a value: those with true pixels. Under the rule
    "zero_if_predicted", which is mmsegmentation's, a class without true pixels has IoU 0 as soon as it is predicted.
    """

    miou_pct: float
    aacc_pct: float
    macc_pct: float
    iou_pct: dict[str, float]
    acc_pct: dict[str, float]


def scores_of(
    matrix: np.ndarray[Any, Any],
    classes: Sequence[str],
    scored: MeanOver = None,
    absent: AbsentClasses = "left_out",
) -> ClassScores:
    """Return IoU and accuracy (recall) by class, and their means.

    Args:
        matrix: (K, K) counts, row = truth, column = prediction.
        classes: K names.
        scored: The classes in the means; None takes all. Pixels of the others still count as errors. Of `SeenUnseen`,
            the mIoU is the harmonic mean of both groups, and the accuracy the mean over all classes of both.
        absent: What a class without true pixels counts: nothing, or 0 if it is predicted.
    """
    hit = np.diag(matrix).astype(np.float64)
    in_truth, predicted = matrix.sum(axis=1), matrix.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        iou = 100.0 * hit / (in_truth + predicted - hit)
        if absent == "left_out":
            iou[in_truth == 0] = np.nan
        acc = 100.0 * hit / in_truth
        total = float(100.0 * hit.sum() / matrix.sum())
    both = sorted((*scored.seen, *scored.unseen)) if isinstance(scored, SeenUnseen) else scored
    return ClassScores(
        miou_pct=float(mean_iou(iou[None], scored)[0]),
        aacc_pct=total,
        macc_pct=_mean(acc if both is None else acc[list(both)]),
        iou_pct=dict(zip(classes, iou.tolist(), strict=True)),
        acc_pct=dict(zip(classes, acc.tolist(), strict=True)),
    )


def _mean(values: np.ndarray[Any, Any]) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")


class CountingMetric(BaseMetric):  # type: ignore[misc]
    """Base of the metrics of confusion matrices: counts each image, and keeps those of the last evaluation.

    Attributes:
        by_image: Path of each image, and its counts (K, K).

    Args:
        classes: Names in index order.
        ignore_index: Label value that counts nowhere.
        collect_device: How several processes gather their results: "gpu" through the process group (also on CPUs),
            "cpu" through files in the current folder, which then must be shared.
        prefix: Prefix of the scores' names, which mmengine adds.
    """

    def __init__(self, *, classes: list[str], ignore_index: int, collect_device: str, prefix: str | None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.classes = list(classes)
        self.ignore_index = ignore_index
        self.by_image: list[tuple[str, np.ndarray[Any, Any]]] = []

    def process(self, data_batch: Any, data_samples: Sequence[Sample]) -> None:
        """Count one batch: samples hold `img_path`, and `pred_sem_seg` and `gt_sem_seg`, (1, H, W) class indices."""
        for sample in data_samples:
            prediction = sample["pred_sem_seg"]["data"]
            truth = sample["gt_sem_seg"]["data"].to(prediction.device)
            counts_KK = confusion_matrix(truth, prediction, len(self.classes), self.ignore_index).numpy()
            self.results.append((str(sample["img_path"]), counts_KK))

    def compute_metrics(self, results: list[tuple[str, np.ndarray[Any, Any]]]) -> dict[str, float]:
        """Return the scores of the sum over all images."""
        self.by_image = list(results)
        return self.scores_of_total(np.sum([counts_KK for _, counts_KK in results], axis=0))

    def scores_of_total(self, total_KK: np.ndarray[Any, Any]) -> dict[str, float]:
        """Return the scores of a matrix, by name."""
        raise NotImplementedError


@METRICS.register_module()
class ConfusionMetric(CountingMetric):
    """The scores of `scores_of` as a mmengine metric; see `CountingMetric`.

    Args:
        classes: Names in index order.
        ignore_index: Label value that counts nowhere.
        scored: The classes in the means, as words of `class_set`.
        absent_classes: What a class without true pixels counts; see `scores_of`.
        collect_device: See `CountingMetric`.
        prefix: Prefix of the scores' names, which mmengine adds.
    """

    def __init__(
        self,
        *,
        classes: list[str],
        ignore_index: int = 255,
        scored: str = "all",
        absent_classes: AbsentClasses = "left_out",
        collect_device: str = "gpu",
        prefix: str | None = None,
    ) -> None:
        super().__init__(classes=classes, ignore_index=ignore_index, collect_device=collect_device, prefix=prefix)
        self.scored = class_set(classes, chosen=scored).mean
        self.absent_classes = absent_classes

    def scores_of_total(self, total_KK: np.ndarray[Any, Any]) -> dict[str, float]:
        """Return `miou_pct`, `aacc_pct`, `macc_pct` and `iou_pct/<class>`."""
        scores = scores_of(total_KK, self.classes, self.scored, self.absent_classes)
        means = {"miou_pct": scores.miou_pct, "aacc_pct": scores.aacc_pct, "macc_pct": scores.macc_pct}
        return means | {f"iou_pct/{name}": value for name, value in scores.iou_pct.items()}
