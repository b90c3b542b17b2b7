"""Pictures of image, truth and prediction side by side, with a legend below."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw

from rs_adapt.files import write_bytes
from rs_adapt.pictures import open_picture

if TYPE_CHECKING:
    from mmseg.structures import SegDataSample

_GAP_PX = 6
_LINE_PX = 18
_IGNORE_GREY = (90, 90, 90)
_WRONG_RED = (205, 20, 20)


def colour_map(labels: np.ndarray[Any, Any], palette: Sequence[Sequence[int]]) -> np.ndarray[Any, Any]:
    """Return the colours (H, W, 3) uint8 of class indices (H, W); values that are no class become grey."""
    table = np.full((256, 3), _IGNORE_GREY, dtype=np.uint8)
    table[: len(palette)] = palette
    return np.asarray(table[labels.astype(np.uint8)])


def blend_classes(
    pixels_HW3: np.ndarray[Any, Any],
    labels_HW: np.ndarray[Any, Any],
    palette: Sequence[Sequence[int]],
    opacity_HW: np.ndarray[Any, Any],
) -> np.ndarray[Any, Any]:
    """Return an image, uint8 (H, W, 3), with class colours over it.

    Args:
        pixels_HW3: The image, uint8 RGB.
        labels_HW: Class indices; values that are no class leave the image as it is.
        palette: One [r, g, b] per class, 0 to 255.
        opacity_HW: Opacity of the colours, 0 to 1.
    """
    weight_HW1 = np.where(labels_HW < len(palette), opacity_HW, 0.0)[..., None]
    blended_HW3 = (1 - weight_HW1) * pixels_HW3 + weight_HW1 * colour_map(labels_HW, palette)
    return np.asarray(blended_HW3.round().astype(np.uint8))


def picture_bytes(pixels_HW3: np.ndarray[Any, Any]) -> bytes:
    """Return an image, uint8 RGB, as the content of a JPEG file that keeps colours at full resolution."""
    buffer = io.BytesIO()
    Image.fromarray(pixels_HW3).save(buffer, "JPEG", quality=88, subsampling=0)
    return buffer.getvalue()


def draw_overlay(
    image: Image.Image,
    truth: np.ndarray[Any, Any],
    prediction: np.ndarray[Any, Any],
    *,
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    opacity: float = 0.55,
    errors: bool = False,
) -> Image.Image:
    """Return a picture of three or four panels: the image, the truth over it, the prediction over it, and the errors.

    Args:
        image: RGB image of H x W pixels.
        truth: Class indices (H, W); values of K or above, such as 255, are not scored.
        prediction: Class indices (H, W).
        classes: Names of the K classes, for the legend.
        palette: One [r, g, b] per class, 0 to 255.
        opacity: Opacity of the labels over the image, 0 to 1.
        errors: Whether to add a fourth panel with wrong pixels in red, and pixels that are not scored in grey.
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
    _draw_legend(draw, rows, names, colours, top_px=height + _LINE_PX + _GAP_PX)
    return sheet


def draw_map(
    labels: np.ndarray[Any, Any], *, classes: Sequence[str], palette: Sequence[Sequence[int]], least_px: int = 240
) -> Image.Image:
    """Return a map in its colours, with the classes and their shares of the area below; white has no data.

    Args:
        labels: Class indices (H, W); values of K or above have no data.
        classes: Names of the K classes.
        palette: One [r, g, b] per class, 0 to 255.
        least_px: Width of the picture, at least, so that the legend has room.
    """
    counts = np.bincount(np.asarray(labels).ravel(), minlength=256)[: len(classes)]
    shares = 100 * counts / max(int(counts.sum()), 1)
    names = [f"{name} {share:.1f} %" for name, share in zip(classes, shares, strict=True)]
    height, width = labels.shape
    total_px = max(width, least_px)
    rows = _legend_rows(names, total_px)
    sheet = Image.new("RGB", (total_px, height + _LINE_PX * len(rows) + _GAP_PX), "white")
    colours = colour_map(labels, palette)
    colours[np.asarray(labels) >= len(classes)] = 255
    sheet.paste(Image.fromarray(colours), (0, 0))
    _draw_legend(ImageDraw.Draw(sheet), rows, names, [tuple(colour) for colour in palette], top_px=height + _GAP_PX)
    return sheet


def draw_sample(
    sample: SegDataSample,
    *,
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    errors: bool = False,
) -> Image.Image:
    """Return the overlay of a predicted sample, whose image is read from its `img_path`."""
    truth = sample.gt_sem_seg.data[0].cpu().numpy()
    prediction = sample.pred_sem_seg.data[0].cpu().numpy()
    with open_picture(sample.img_path) as image:
        return draw_overlay(image, truth, prediction, classes=classes, palette=palette, errors=errors)


def save_overlay(
    folder: Path, sample: SegDataSample, *, classes: Sequence[str], palette: Sequence[Sequence[int]]
) -> Path:
    """Write the overlay of a predicted sample to `<folder>/<image name>.png` and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{Path(sample.img_path).stem}.png"
    buffer = io.BytesIO()
    draw_sample(sample, classes=classes, palette=palette).save(buffer, "PNG")
    write_bytes(path, buffer.getvalue())
    return path


def _errors(
    base: np.ndarray[Any, Any], truth: np.ndarray[Any, Any], prediction: np.ndarray[Any, Any], *, num_classes: int
) -> np.ndarray[Any, Any]:
    """Return the image (H, W, 3) float in light grey, with wrong pixels in red."""
    panel = np.repeat(127.0 + 0.5 * base.mean(axis=2, keepdims=True), 3, axis=2)
    scored = np.asarray(truth) < num_classes
    panel[scored & (np.asarray(truth) != np.asarray(prediction))] = _WRONG_RED
    panel[~scored] = _IGNORE_GREY
    return panel


def _draw_legend(
    draw: ImageDraw.ImageDraw,
    rows: Sequence[Sequence[tuple[int, int]]],
    names: Sequence[str],
    colours: Sequence[tuple[int, ...]],
    *,
    top_px: int,
) -> None:
    for row, items in enumerate(rows):
        top = top_px + _LINE_PX * row
        for left, index in items:
            draw.rectangle((left, top + 2, left + 11, top + 13), fill=colours[index], outline="black")
            draw.text((left + 16, top + 1), names[index], fill="black")


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
