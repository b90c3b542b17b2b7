"""A confusion matrix on disk: exact counts as CSV, shares as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rs_adapt.files import write_text


def write_confusion_csv(path: Path, matrix: np.ndarray[Any, Any], classes: Sequence[str]) -> None:
    """Pixel counts; first row and column name the classes, rows are truth and columns predictions."""
    lines = [",".join(["truth \\ prediction", *classes])]
    lines += [",".join([name, *(str(int(count)) for count in row)]) for name, row in zip(classes, matrix, strict=True)]
    write_text(path, "\n".join(lines) + "\n")


def read_confusion_csv(path: Path) -> tuple[np.ndarray[Any, Any], list[str]]:
    """Return counts (K, K) int64 and class names of `write_confusion_csv`'s file."""
    rows = [line.split(",") for line in path.read_text().splitlines()]
    return np.array([[int(cell) for cell in row[1:]] for row in rows[1:]], dtype=np.int64), rows[0][1:]


def draw_confusion(path: Path, matrix: np.ndarray[Any, Any], classes: Sequence[str], title: str) -> None:
    """Draw a PNG of row shares in percent: how each class's true pixels were labelled; absent classes stay empty."""
    from matplotlib.figure import Figure

    shares = 100.0 * matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    size = 2.0 + 0.65 * len(classes)
    figure = Figure(figsize=(size + 0.8, size), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    picture = axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    for row, column in np.ndindex(*shares.shape):
        if not matrix[row].any():  # no pixel of this class: zeros would read as "never recognised"
            continue
        dark = shares[row, column] > 55
        axes.text(
            column,
            row,
            f"{shares[row, column]:.0f}",
            ha="center",
            va="center",
            color="white" if dark else "black",
            fontsize=8,
        )
    axes.set_xticks(range(len(classes)), classes, rotation=40, ha="right")
    axes.set_yticks(range(len(classes)), classes)
    axes.set_xlabel("prediction")
    axes.set_ylabel("truth")
    axes.set_title(title, fontsize=10)
    figure.colorbar(picture, ax=axes, label="% of the true pixels", shrink=0.8)
    figure.savefig(path)
