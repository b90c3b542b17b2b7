"""Scores and costs: confusion matrices and what follows from them, parameters of a model."""

from __future__ import annotations

from rs_adapt.metrics.confusion import ConfusionMetric, Scores, confusion_matrix, scores_of

__all__ = ["ConfusionMetric", "Scores", "confusion_matrix", "scores_of"]
