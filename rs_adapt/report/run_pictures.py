"""The pictures of a run folder: confusion matrix and learning curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rs_adapt.engine.metrics_hook import read_metrics
from rs_adapt.report.confusion import draw_confusion, write_confusion_csv
from rs_adapt.report.curves import draw_curves


def write_run_pictures(run_dir: Path, matrix: np.ndarray[Any, Any], *, classes: Sequence[str], title: str) -> None:
    """Write `confusion.csv`, `confusion.png` and `curves.png` into a run folder."""
    write_confusion_csv(run_dir / "confusion.csv", matrix, classes)
    draw_confusion(run_dir / "confusion.png", matrix, classes, title)
    draw_curves(run_dir / "curves.png", read_metrics(run_dir), title)
