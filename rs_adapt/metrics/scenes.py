"""Accuracy of a classification of whole images, as a metric of mmengine."""

from __future__ import annotations

from typing import Any

import numpy as np

from rs_adapt.metrics.confusion import CountingMetric
from rs_adapt.registry import METRICS
from rs_adapt.scores.class_sets import class_set
from rs_adapt.scores.measures import accuracy_measure


@METRICS.register_module()
class SceneMetric(CountingMetric):
    """Accuracy over all images; with base classes also that of base and novel, and their harmonic mean.

    The matrices of the last evaluation, with one count an image, stay in `by_image`.

    Args:
        classes: Names in index order.
        base: Indices of the base classes; None where all classes are alike.
        scored: The classes in the means, as `class_set` takes them.
        ignore_index: Label that counts nowhere.
        collect_device: See `CountingMetric`.
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
        super().__init__(classes=classes, ignore_index=ignore_index, collect_device=collect_device, prefix=prefix)
        self.measure = accuracy_measure(base)
        self.scored = class_set(self.classes, chosen=scored).scored

    def scores_of_total(self, total_KK: np.ndarray[Any, Any]) -> dict[str, float]:
        """Return the means of the measure, and `acc_pct/<class>`."""
        scores = self.measure.scores(total_KK, self.classes, self.scored)
        return {**scores.means, **{f"acc_pct/{name}": value for name, value in scores.by_class.items()}}
