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
) -> Image.Image:
    """One picture of three panels: image, image under the truth, image under the prediction.

    Args:
        image: RGB.
        truth: (H, W) class indices and ignore values, at the image's size.
        prediction: (H, W) class indices.
        classes: Names for the legend.
        palette: One [r, g, b] per class.
        opacity: Of the labels over the image, 0 to 1.
    """
    base = np.asarray(image.convert("RGB"), dtype=np.float32)
    panels: list[np.ndarray[Any, Any]] = [base]
    for labels in (truth, prediction):
        panels.append((1 - opacity) * base + opacity * colour_map(labels, palette))
    height, width = base.shape[:2]
    total_px = 3 * width + 2 * _GAP_PX
    names, colours = list(classes), [tuple(colour) for colour in palette]
    if (np.asarray(truth) >= len(names)).any():
        names, colours = [*names, "not scored"], [*colours, _IGNORE_GREY]
    rows = _legend_rows(names, total_px)
    sheet = Image.new("RGB", (total_px, height + _LINE_PX * (1 + len(rows)) + _GAP_PX), "white")
    draw = ImageDraw.Draw(sheet)
    for index, (panel, name) in enumerate(zip(panels, ("image", "truth", "prediction"), strict=True)):
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
) -> Image.Image:
    """The overlay of a predicted `SegDataSample`, whose image is read from its file."""
    truth = sample.gt_sem_seg.data[0].cpu().numpy()
    prediction = sample.pred_sem_seg.data[0].cpu().numpy()
    with Image.open(sample.img_path) as image:
        return overlay(image, truth, prediction, classes=classes, palette=palette)


def save_overlay(folder: Path, sample: Any, *, classes: Sequence[str], palette: Sequence[Sequence[int]]) -> Path:
    """Write `<folder>/<image name>.png` and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{Path(sample.img_path).stem}.png"
    overlay_of_sample(sample, classes=classes, palette=palette).save(path)
    return path


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
