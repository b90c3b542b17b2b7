"""Image, truth and prediction side by side, with the legend below."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

_GAP_PX = 6
_LINE_PX = 18
_IGNORE_GREY = (90, 90, 90)
_WRONG_RED = (205, 20, 20)


def colour_map(labels: np.ndarray[Any, Any], palette: Sequence[Sequence[int]]) -> np.ndarray[Any, Any]:
    """Class indices (H, W) to colours (H, W, 3) uint8; what is no class, such as ignore, becomes grey."""
    table = np.full((256, 3), _IGNORE_GREY, dtype=np.uint8)
    table[: len(palette)] = palette
    return np.asarray(table[labels.astype(np.uint8)])


def overlay(
    image: Image.Image,
    truth: np.ndarray[Any, Any],
    prediction: np.ndarray[Any, Any],
    *,
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    opacity: float = 0.55,
    errors: bool = False,
) -> Image.Image:
    """One picture of three panels: image, image under the truth, image under the prediction; with errors a fourth.

    Args:
        image: RGB.
        truth: (H, W) class indices and ignore values, at the image's size.
        prediction: (H, W) class indices.
        classes: Names for the legend.
        palette: One [r, g, b] per class.
        opacity: Of the labels over the image, 0 to 1.
        errors: A fourth panel shows the wrong pixels in red, and pixels that are not scored in grey.
    """
    base = np.asarray(image.convert("RGB"), dtype=np.float32)
    panels: list[np.ndarray[Any, Any]] = [base]
    for labels in (truth, prediction):
        panels.append((1 - opacity) * base + opacity * colour_map(labels, palette))
    titles = ["image", "truth", "prediction"]
    if errors:
        panels.append(_errors(base, truth, prediction, num_classes=len(classes)))
        titles.append("errors")
    height, width = base.shape[:2]
    total_px = len(panels) * (width + _GAP_PX) - _GAP_PX
    names, colours = list(classes), [tuple(colour) for colour in palette]
    if (np.asarray(truth) >= len(names)).any():
        names, colours = [*names, "not scored"], [*colours, _IGNORE_GREY]
    rows = _legend_rows(names, total_px)
    sheet = Image.new("RGB", (total_px, height + _LINE_PX * (1 + len(rows)) + _GAP_PX), "white")
    draw = ImageDraw.Draw(sheet)
    for index, (panel, name) in enumerate(zip(panels, titles, strict=True)):
        left = index * (width + _GAP_PX)
        draw.text((left + 2, 3), name, fill="black")
        sheet.paste(Image.fromarray(panel.round().astype(np.uint8)), (left, _LINE_PX))
    for row, items in enumerate(rows):
        top = height + _LINE_PX * (1 + row) + _GAP_PX
        for left, index in items:
            draw.rectangle((left, top + 2, left + 11, top + 13), fill=colours[index], outline="black")
            draw.text((left + 16, top + 1), names[index], fill="black")
    return sheet


def overlay_of_sample(
    sample: Any,
    *,
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    errors: bool = False,
) -> Image.Image:
    """Return the overlay of a predicted `SegDataSample`, whose image is read from its file."""
    truth = sample.gt_sem_seg.data[0].cpu().numpy()
    prediction = sample.pred_sem_seg.data[0].cpu().numpy()
    with Image.open(sample.img_path) as image:
        return overlay(image, truth, prediction, classes=classes, palette=palette, errors=errors)


def save_overlay(folder: Path, sample: Any, *, classes: Sequence[str], palette: Sequence[Sequence[int]]) -> Path:
    """Write `<folder>/<image name>.png` and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{Path(sample.img_path).stem}.png"
    overlay_of_sample(sample, classes=classes, palette=palette).save(path)
    return path


def _errors(
    base: np.ndarray[Any, Any], truth: np.ndarray[Any, Any], prediction: np.ndarray[Any, Any], *, num_classes: int
) -> np.ndarray[Any, Any]:
    """Return the image, grey and bright, with wrong pixels in red; (H, W, 3) float."""
    panel = np.repeat(127.0 + 0.5 * base.mean(axis=2, keepdims=True), 3, axis=2)
    scored = np.asarray(truth) < num_classes
    panel[scored & (np.asarray(truth) != np.asarray(prediction))] = _WRONG_RED
    panel[~scored] = _IGNORE_GREY
    return panel


def _legend_rows(classes: Sequence[str], total_px: int) -> list[list[tuple[int, int]]]:
    rows: list[list[tuple[int, int]]] = [[]]
    left = 2
    for index, name in enumerate(classes):
        width = 16 + 7 * len(name) + 12
        if rows[-1] and left + width > total_px:
            rows.append([])
            left = 2
        rows[-1].append((left, index))
        left += width
    return rows
