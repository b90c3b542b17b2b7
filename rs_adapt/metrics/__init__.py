"""Metrics of segmentation: confusion matrices with their scores, and statistics without labels.

Names are loaded on first use, because importing torch takes long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_adapt.lazy_names import load_names

if TYPE_CHECKING:
    from rs_adapt.metrics.confusion import ClassScores, ConfusionMetric, confusion_matrix, scores_of
    from rs_adapt.metrics.label_free import LabelFreeMetric

__all__ = ["ClassScores", "ConfusionMetric", "LabelFreeMetric", "confusion_matrix", "scores_of"]

_MODULES = {
    "ConfusionMetric": "confusion",
    "LabelFreeMetric": "label_free",
    "ClassScores": "confusion",
    "confusion_matrix": "confusion",
    "scores_of": "confusion",
}

__getattr__ = load_names(__name__, _MODULES)
