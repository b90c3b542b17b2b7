"""Metrics of segmentation: confusion matrices with their scores, and statistics without labels.

Names are loaded on first use, because importing torch takes long.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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


def __getattr__(name: str) -> Any:
    """Load a name from its module (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
