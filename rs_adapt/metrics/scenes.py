"""Accuracy of a classification of whole images, as a metric of mmengine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric

from rs_adapt.metrics.confusion import Sample, confusion_matrix
from rs_adapt.registry import METRICS
from rs_adapt.scores.class_sets import class_set
from rs_adapt.scores.measures import accuracy_measure


@METRICS.register_module()
class SceneMetric(BaseMetric):  # type: ignore[misc]
    """Accuracy over all images; with base classes also that of base and novel, and their harmonic mean.

    The matrices of the last evaluation, with one count an image, stay in `by_image`.

    Args:
        classes: Names in index order.
        base: Indices of the base classes; None where all classes are alike.
        scored: The classes in the means, as `class_set` takes them.
        ignore_index: Label that counts nowhere.
        collect_device: See `ConfusionMetric`.
        prefix: Prefix of the scores' names, which mmengine adds.
    """

    def __init__(
        self,
        *,
        classes: list[str],
        base: list[int] | None = None,
        scored: str = "all",
        ignore_index: int = 255,
        collect_device: str = "gpu",
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.classes, self.ignore_index = list(classes), ignore_index
        self.measure = accuracy_measure(base)
        self.scored = class_set(self.classes, chosen=scored).scored
        self.by_image: list[tuple[str, np.ndarray[Any, Any]]] = []

    def process(self, data_batch: Any, data_samples: Sequence[Sample]) -> None:
        """Count one batch: samples hold `img_path`, and `pred_sem_seg` and `gt_sem_seg`, (1, 1, 1) class indices."""
        for sample in data_samples:
            prediction = sample["pred_sem_seg"]["data"]
            truth = sample["gt_sem_seg"]["data"].to(prediction.device)
            counts_KK = confusion_matrix(truth, prediction, len(self.classes), self.ignore_index).numpy()
            self.results.append((str(sample["img_path"]), counts_KK))

    def compute_metrics(self, results: list[tuple[str, np.ndarray[Any, Any]]]) -> dict[str, float]:
        """Return the scores over all images: the means of the measure, and `acc_pct/<class>`."""
        self.by_image = list(results)
        total_KK = np.sum([counts_KK for _, counts_KK in results], axis=0)
        scores = self.measure.scores(total_KK, self.classes, self.scored)
        return {**scores.means, **{f"acc_pct/{name}": value for name, value in scores.by_class.items()}}
