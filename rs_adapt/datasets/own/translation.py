"""Your own labels (values, colours or polygons) -> class indices, with every pixel counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rs_adapt.datasets.own.polygon_labels import PolygonLabels
from rs_adapt.datasets.own.windows import IGNORE, REMEDY, LabelWindow
from rs_adapt.datasets.recipes import LabelItem, LabelSource
from rs_adapt.errors import DataError
from rs_adapt.scenes import Box, Scene, SceneInfo, colours_to_classes, count_off_legend


class LabelReader:
    """The label of an image, read window by window on the image's pixels; use it as a context manager.

    Args:
        labels: How labels are read.
        image: Facts of the image.
        label: The label's file.

    Raises:
        DataNotFound: The label does not exist.
        DataError: It cannot be read, or does not fit the image.
    """

    def __init__(self, labels: LabelSource, image: SceneInfo, label: Path) -> None:
        self._labels, self._image, self._file = labels, image, label
        self._scene: Scene | None = None
        self._read: Callable[[Box], LabelWindow]
        if labels.kind == "polygons":
            self._read = PolygonLabels(labels, image, label).read
            return
        self._scene = Scene(label, nodata=labels.nodata)
        info = self._scene.info
        size, wanted = (info.width_px, info.height_px), (image.width_px, image.height_px)
        if size != wanted:
            self.close()
            raise DataError(
                f"Label {label} is {size[0]} x {size[1]} px, its image {image.path} is {wanted[0]} x {wanted[1]} px: "
                "they must be of the same size."
            )
        self._read = (_value_reader if labels.kind == "values" else _colour_reader)(labels, self._scene)

    def __enter__(self) -> LabelReader:
        """Return the reader itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._scene is not None:
            self._scene.close()

    def read(self, box: Box) -> LabelWindow:
        """Read the label of a window.

        Args:
            box: The window in pixels of the image.

        Raises:
            DataError: The label cannot be decoded, or holds what belongs to no class.
        """
        return self._read(box)


def _value_reader(labels: LabelSource, scene: Scene) -> Callable[[Box], LabelWindow]:
    index_of = {value: index for value, index in labels.to_index if isinstance(value, int)}
    known = {*labels.ignore, *index_of}
    table = np.full(256, IGNORE, dtype=np.uint8)
    for value, index in index_of.items():
        table[value] = index

    def read(box: Box) -> LabelWindow:
        values_HW, valid_HW = scene.read_classes(box)
        counts = np.bincount(values_HW[valid_HW], minlength=256)
        if unknown := [int(value) for value in np.flatnonzero(counts) if value not in known]:
            listed = ", ".join(f"{value} ({counts[value]} px)" for value in unknown)
            raise DataError(f"Label {scene.info.path} holds values that belong to no class: {listed}. {REMEDY}")
        contents = Counter({str(value): int(counts[value]) for value in np.flatnonzero(counts)})
        return _masked(table[values_HW], valid_HW, contents)

    return read


def _colour_reader(labels: LabelSource, scene: Scene) -> Callable[[Box], LabelWindow]:
    legend: dict[Sequence[int], int] = {colour: index for colour, index in labels.to_index if isinstance(colour, tuple)}
    legend |= {colour: IGNORE for colour in labels.ignore if isinstance(colour, tuple)}

    def read(box: Box) -> LabelWindow:
        rgb_HW3, valid_HW = scene.read_rgb(box)
        classes_HW, num_off = colours_to_classes(rgb_HW3, legend)
        if num_off:
            listed = ", ".join(f"{_hex(rgb)} ({count} px)" for rgb, count in count_off_legend(rgb_HW3, legend))
            raise DataError(f"Label {scene.info.path} holds colours that belong to no class: {listed}. {REMEDY}")
        colours, counts = np.unique(rgb_HW3[valid_HW].reshape(-1, 3), axis=0, return_counts=True)
        contents = Counter({_hex(rgb): int(count) for rgb, count in zip(colours, counts, strict=True)})
        return _masked(classes_HW, valid_HW, contents)

    return read


def _masked(classes_HW: NDArray[np.uint8], valid_HW: NDArray[np.bool_], contents: Counter[str]) -> LabelWindow:
    classes_HW = np.where(valid_HW, classes_HW, np.uint8(IGNORE))
    return LabelWindow(classes_HW=classes_HW, no_data_HW=~valid_HW, contents=contents)


def label_text(item: LabelItem) -> str:
    """Return a value, colour or attribute as `LabelWindow.contents` names it."""
    return _hex(item) if isinstance(item, tuple) else str(item)


def _hex(rgb: Iterable[int]) -> str:
    return "#" + "".join(f"{int(value):02X}" for value in rgb)
