"""Files of a confusion matrix: exact counts as CSV, shares as a picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rs_adapt.files import write_text
from rs_adapt.render.csv_text import csv_text
from rs_adapt.render.figures import save_figure


def write_confusion_csv(path: Path, matrix: np.ndarray[Any, Any], classes: Sequence[str]) -> None:
    """Write pixel counts (K, K) as CSV: rows are truth, columns predictions, with names of the classes as headings."""
    rows = [[name, *map(int, counts)] for name, counts in zip(classes, matrix, strict=True)]
    write_text(path, csv_text([["truth \\ prediction", *classes], *rows]))


def read_confusion_csv(path: Path) -> tuple[np.ndarray[Any, Any], list[str]]:
    """Return the counts (K, K) int64 and the class names of a file of `write_confusion_csv`."""
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
    counts = np.array([[int(cell) for cell in row[1:]] for row in rows[1:]], dtype=np.int64)
    # The apostrophe is the writer's; see `csv_text`.
    return counts, [name.removeprefix("'") for name in rows[0][1:]]


def draw_confusion(path: Path, matrix: np.ndarray[Any, Any], classes: Sequence[str], title: str) -> None:
    """Write a PNG of row shares in percent: the labels that the true pixels of each class were given.

    Rows of classes without true pixels stay empty.

    Args:
        path: File to write.
        matrix: Pixel counts (K, K), row = truth, column = prediction.
        classes: Names of the K classes.
        title: Title of the picture.
    """
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
    save_figure(figure, path)
