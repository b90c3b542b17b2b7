"""Labels of a scene from polygons: class indices of a window, with every pixel counted (H/W pixels)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from rs_adapt.datasets.own.windows import IGNORE, REMEDY, LabelWindow
from rs_adapt.datasets.recipes import LabelSource
from rs_adapt.errors import DataError
from rs_adapt.scenes import Box, SceneInfo
from rs_adapt.scenes.polygons import open_polygon_file, rasterize_polygons

OUTSIDE = "outside all polygons"


class PolygonLabels:
    """The polygons that lie on a scene, as its label.

    Args:
        labels: How labels are read.
        image: The scene.
        file: The file of polygons.

    Raises:
        DataNotFound: There is no such file, or fiona is needed and not installed.
        DataError: It cannot be read, or holds what no class is made of.
    """

    def __init__(self, labels: LabelSource, image: SceneInfo, file: Path) -> None:
        self._image = image
        self._polygons = open_polygon_file(file, column=labels.column).on_grid(image)
        index_of = {text: index for text, index in labels.to_index if isinstance(text, str)}
        index_of |= {text: IGNORE for text in labels.ignore if isinstance(text, str)}
        if unknown := Counter(text for text in self._polygons.texts if text not in index_of):
            named = ", ".join(f"{text!r} ({count})" for text, count in unknown.most_common(5))
            raise DataError(f"{file} has polygons that belong to no class: {named}. {REMEDY}")
        # The number of a polygon's text is burnt, which says more than its class; the last one is outside all polygons.
        self._texts = [*sorted(index_of), OUTSIDE]
        number_of = {text: number for number, text in enumerate(self._texts)}
        self._numbers = [number_of[text] for text in self._polygons.texts]
        background = IGNORE if labels.background is None else labels.background
        self._classes = np.array([*(index_of[text] for text in self._texts[:-1]), background], dtype=np.uint8)

    def read(self, box: Box) -> LabelWindow:
        """Read a window, in pixels of the scene."""
        numbers_HW = rasterize_polygons(
            self._polygons, self._image, self._numbers, box, background=len(self._texts) - 1
        )
        counts = np.bincount(numbers_HW.ravel())
        return LabelWindow(
            classes_HW=self._classes[numbers_HW],
            no_data_HW=np.zeros(numbers_HW.shape, dtype=bool),
            contents=Counter({self._texts[number]: int(counts[number]) for number in np.flatnonzero(counts)}),
        )
