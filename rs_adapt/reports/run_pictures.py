"""The pictures of a run folder: confusion matrix, learning curves, health of the pseudo-labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rs_adapt.render.confusion_plot import draw_confusion, write_confusion_csv
from rs_adapt.reports.curves_plot import draw_curves
from rs_adapt.reports.health_plot import draw_health, select_health
from rs_adapt.runs.metrics import read_metrics


def write_run_pictures(
    run_dir: Path, matrix: np.ndarray[Any, Any] | None, *, classes: Sequence[str], title: str
) -> None:
    """Write `curves.png`, and `confusion.*` of a scored run and `pseudo_labels.png` of one with pseudo-labels.

    Args:
        run_dir: The run folder.
        matrix: Pixel counts (K, K), row = truth, column = prediction; None if the run was not scored.
        classes: Names of the K classes.
        title: Name of the run.
    """
    lines = read_metrics(run_dir)
    if matrix is not None:
        write_confusion_csv(run_dir / "confusion.csv", matrix, classes)
        draw_confusion(run_dir / "confusion.png", matrix, classes, title)
    draw_curves(run_dir / "curves.png", lines, title)
    if select_health(lines):
        draw_health(run_dir / "pseudo_labels.png", lines, classes, title)
