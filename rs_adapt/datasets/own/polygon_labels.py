"""Labels of a scene from polygons: class indices of a window, with every pixel counted (H/W pixels)."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from rs_adapt.datasets.own.windows import IGNORE, REMEDY, LabelWindow
from rs_adapt.datasets.recipes import LabelSource
from rs_adapt.errors import DataError
from rs_adapt.scenes import Box, SceneInfo
from rs_adapt.scenes.polygons import Polygons, count_without_pixel, open_polygon_file, rasterize_polygons
from rs_adapt.scenes.polygons.attributes import attribute_key

OUTSIDE = "outside all polygons"


class PolygonLabels:
    """The polygons that lie on a scene, as its label.

    Args:
        labels: How labels are read.
        image: The scene.
        file: The file of polygons.

    Raises:
        DataNotFound: There is no such file, or fiona is needed and not installed.
        DataError: It cannot be read, does not fit the scene, or holds what no class is made of.
    """

    def __init__(self, labels: LabelSource, image: SceneInfo, file: Path) -> None:
        self._image = image
        source = open_polygon_file(file, column=labels.column, layer=labels.layer, crs=labels.crs)
        self._aoi = None
        if labels.aoi is not None:
            self._aoi = open_polygon_file(Path(labels.aoi), layer=labels.aoi_layer).on_grid(image)
        # A file of its own without any polygon says that there is nothing on the image.
        nothing_there = source.bounds is None and Path(labels.path).is_dir() and labels.background is not None
        self._polygons = source.on_grid(image, may_miss=self._aoi is not None or nothing_there)
        index_of = {text: index for text, index in labels.to_index if isinstance(text, str)}
        index_of |= {text: IGNORE for text in labels.ignore if isinstance(text, str)}
        item_of = _match(self._polygons, list(index_of))
        # The number of a polygon's text is burnt, which says more than its class; the last one is outside all polygons.
        self._texts = [*sorted(index_of), OUTSIDE]
        number_of = {text: number for number, text in enumerate(self._texts)}
        numbers = [number_of[item_of.get(text, OUTSIDE)] for text in self._polygons.texts]
        self._number_P = np.array(numbers, dtype=np.int64)[self._polygons.text_P]
        background = IGNORE if labels.background is None else labels.background
        self._classes = np.array([*(index_of[text] for text in self._texts[:-1]), background], dtype=np.uint8)

    @property
    def note(self) -> str | None:
        """A sentence on what of the file is no polygon and was left out; None where all was read."""
        left_out = ", ".join(f"{count} {why}" for why, count in self._polygons.skipped.items())
        return f"{self._polygons.path}: left out {left_out}" if left_out else None

    @property
    def num_without_pixel(self) -> int:
        """Number of polygons on the scene that contain no pixel's centre."""
        return count_without_pixel(self._polygons)

    def read(self, box: Box) -> LabelWindow:
        """Read a window, in pixels of the scene."""
        outside = len(self._texts) - 1
        numbers_HW = rasterize_polygons(self._polygons, self._number_P, box, background=outside)
        classes_HW = self._classes[numbers_HW]
        no_data_HW = np.zeros(numbers_HW.shape, dtype=bool)
        if self._aoi is not None:
            ones_P = np.ones(len(self._aoi), dtype=np.int64)
            no_data_HW = rasterize_polygons(self._aoi, ones_P, box, background=0) == 0
            classes_HW[no_data_HW] = IGNORE
        counts = np.bincount(numbers_HW[~no_data_HW], minlength=1)
        contents = Counter({self._texts[number]: int(counts[number]) for number in np.flatnonzero(counts)})
        return LabelWindow(classes_HW=classes_HW, no_data_HW=no_data_HW, contents=contents)


def _match(polygons: Polygons, items: Sequence[str]) -> dict[str, str]:
    """Return the item of the classes that the attribute of each polygon on the scene is.

    Raises:
        DataError: There is none, or several.
    """
    by_key: dict[str, list[str]] = {}
    for item in items:
        by_key.setdefault(attribute_key(item), []).append(item)
    item_of, unknown = {}, Counter[str]()
    for number in np.unique(polygons.text_P):
        text = polygons.texts[number]
        near = by_key.get(attribute_key(text), [])
        candidates = [text] if text in near else near
        if len(candidates) == 1:
            item_of[text] = candidates[0]
        else:
            unknown[text] = len(np.unique(polygons.feature_P[polygons.text_P == number]))
    if unknown:
        listed = ", ".join(f"{text!r} ({count})" for text, count in unknown.most_common(5))
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        raise DataError(
            f"{polygons.path} has polygons that belong to no class: {listed}{more}. {REMEDY}{_hint(unknown, items)}"
        )
    return item_of


def _hint(unknown: Iterable[str], items: Iterable[str]) -> str:
    hints = []
    folded = {item.lower(): item for item in items}
    for text in unknown:
        if not text:
            hints.append('"" stands for polygons without a value.')
        elif near := difflib.get_close_matches(text.lower(), folded, n=1, cutoff=0.8):
            hints.append(f"{text!r} is not {folded[near[0]]!r}: letter case and spelling count.")
    return "".join(f" {hint}" for hint in hints[:3])
