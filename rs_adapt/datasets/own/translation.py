"""Your own labels (values, colours or polygons) -> class indices, with every pixel counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rs_adapt.datasets.own.polygon_labels import PolygonLabels
from rs_adapt.datasets.own.windows import IGNORE, REMEDY
from rs_adapt.datasets.recipes import LabelItem, LabelSource
from rs_adapt.errors import DataError
from rs_adapt.scenes import Box, MapWriter, Scene, SceneInfo, colours_to_classes, count_off_legend

# Rows that are in memory at once.
ROWS = 1024


def label_file(labels: LabelSource, image: Path) -> Path:
    """Return the label of an image: the file of its name, or the one file of polygons for all images."""
    path = Path(labels.path)
    return path if path.is_file() else path / f"{image.stem}{labels.suffix}"


def translate(labels: LabelSource, image: Path, out: Path) -> Counter[str]:
    """Write the label of an image as a raster of class indices (255 where it is ignored).

    Args:
        labels: How labels are read.
        image: The scene.
        out: GeoTIFF to write.

    Returns:
        Pixels by value, colour or attribute of the label, as text.

    Raises:
        DataNotFound: The label does not exist.
        DataError: It cannot be read, has another size than the image, or holds what no class is made of.
    """
    with Scene(image) as scene:
        info = scene.info
    seen: Counter[str] = Counter()
    writer = MapWriter(out, height_px=info.height_px, width_px=info.width_px, crs=info.crs, transform=info.transform)
    with writer:
        for box, classes_HW in _bands(labels, label_file(labels, image), info, seen):
            writer.write(classes_HW, x0=box.x0, y0=box.y0)
    return seen


def _bands(
    labels: LabelSource, file: Path, image: SceneInfo, seen: Counter[str]
) -> Iterator[tuple[Box, NDArray[np.uint8]]]:
    boxes = [Box(0, y0, image.width_px, min(y0 + ROWS, image.height_px)) for y0 in range(0, image.height_px, ROWS)]
    if labels.kind == "polygons":
        polygons = PolygonLabels(labels, image, file)
        for box in boxes:
            window = polygons.read(box)
            seen.update(window.contents)
            yield box, window.classes_HW
        return
    with Scene(file) as scene:
        size, wanted = (scene.info.width_px, scene.info.height_px), (image.width_px, image.height_px)
        if size != wanted:
            raise DataError(
                f"Label {file} is {size[0]} x {size[1]} px, its image {image.path} is {wanted[0]} x {wanted[1]} px: "
                "they must be of the same size."
            )
        for box in boxes:
            read = _from_values if labels.kind == "values" else _from_colours
            classes_HW, valid_HW = read(labels, scene, box, seen)
            yield box, np.where(valid_HW, classes_HW, np.uint8(IGNORE))


def _from_values(
    labels: LabelSource, scene: Scene, box: Box, seen: Counter[str]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    values_HW, valid_HW = scene.read_classes(box)
    counts = np.bincount(values_HW[valid_HW], minlength=256)
    table = np.full(256, IGNORE, dtype=np.uint8)
    index_of = {value: index for value, index in labels.to_index if isinstance(value, int)}
    for value, index in index_of.items():
        table[value] = index
    known = {*labels.ignore, *index_of}
    if unknown := [int(value) for value in np.flatnonzero(counts) if value not in known]:
        found = ", ".join(f"{value} ({counts[value]} px)" for value in unknown)
        raise DataError(f"Label {scene.info.path} holds values that belong to no class: {found}. {REMEDY}")
    seen.update({str(value): int(counts[value]) for value in np.flatnonzero(counts)})
    return table[values_HW], valid_HW


def _from_colours(
    labels: LabelSource, scene: Scene, box: Box, seen: Counter[str]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    rgb_HW3, valid_HW = scene.read_rgb(box)
    legend: dict[Sequence[int], int] = {colour: index for colour, index in labels.to_index if isinstance(colour, tuple)}
    legend |= {colour: IGNORE for colour in labels.ignore if isinstance(colour, tuple)}
    classes_HW, num_off = colours_to_classes(rgb_HW3, legend)
    if num_off:
        found = ", ".join(f"{_hex(rgb)} ({count} px)" for rgb, count in count_off_legend(rgb_HW3, legend))
        raise DataError(f"Label {scene.info.path} holds colours that belong to no class: {found}. {REMEDY}")
    colours, counts = np.unique(rgb_HW3[valid_HW].reshape(-1, 3), axis=0, return_counts=True)
    seen.update({_hex(rgb): int(count) for rgb, count in zip(colours, counts, strict=True)})
    return classes_HW, valid_HW


def label_text(item: LabelItem) -> str:
    """Return a value, colour or attribute as the counts of `translate` name it."""
    return _hex(item) if isinstance(item, tuple) else str(item)


def _hex(rgb: Iterable[int]) -> str:
    return "#" + "".join(f"{int(value):02X}" for value in rgb)
