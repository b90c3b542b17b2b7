"""Labels of a scene from polygons: class indices of a window, with every pixel counted (H/W pixels)."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rs_adapt.datasets.own.windows import IGNORE, REMEDY, LabelWindow
from rs_adapt.datasets.recipes import LabelSource
from rs_adapt.errors import DataError
from rs_adapt.scenes import Box, SceneInfo
from rs_adapt.scenes.polygons import Polygons, count_without_pixel, open_polygon_file, rasterize_polygons
from rs_adapt.scenes.polygons.attributes import attribute_key

OUTSIDE = "outside all polygons"
# Attributes that a message lists.
_LISTED = 8


@dataclass(frozen=True, kw_only=True)
class PolygonFacts:
    """What became of the polygons of a scene.

    Attributes:
        note: Sentence on what of the file is no polygon and was left out; None where all was read.
        num_without_pixel: Number of polygons on the scene that contain no pixel's centre.
        in_pixels: Whether their coordinates are pixels, of a scene without georeference.
        all_from_outside: Whether there are polygons on the scene, all of them reach beyond its edge, and what they do
            not cover is background.
    """

    note: str | None
    num_without_pixel: int
    in_pixels: bool
    all_from_outside: bool = False


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
            self._aoi = open_polygon_file(Path(labels.aoi), layer=labels.aoi_layer, fallback_crs=labels.crs).on_grid(
                image
            )
        # A file of its own without any polygon says that there is nothing on the image.
        nothing_there = source.bounds is None and Path(labels.path).is_dir() and labels.background is not None
        self._polygons = source.on_grid(image, may_miss=self._aoi is not None or nothing_there)
        index_of = {text: index for text, index in labels.to_index if isinstance(text, str)}
        index_of |= {text: IGNORE for text in labels.ignore if isinstance(text, str)}
        item_of = _match(self._polygons, list(index_of), source.text_counts)
        # The number of a polygon's text is burnt, which says more than its class; the last one is outside all polygons.
        self._texts = [*sorted(index_of), OUTSIDE]
        number_of = {text: number for number, text in enumerate(self._texts)}
        numbers = [number_of[item_of.get(text, OUTSIDE)] for text in self._polygons.texts]
        self._number_P = np.array(numbers, dtype=np.int64)[self._polygons.text_P]
        # Without an aoi, whole scenes are labelled.
        self._is_complete = labels.background is not None and labels.aoi is None
        background = IGNORE if labels.background is None else labels.background
        self._classes = np.array([*(index_of[text] for text in self._texts[:-1]), background], dtype=np.uint8)

    @property
    def facts(self) -> PolygonFacts:
        """What became of the polygons of the file."""
        left_out = ", ".join(
            f"{count} {why} ({_list_features(self._polygons.skipped_names.get(why, ()), count)})"
            for why, count in self._polygons.skipped.items()
        )
        return PolygonFacts(
            note=f"{self._polygons.path}: left out {left_out}" if left_out else None,
            num_without_pixel=count_without_pixel(self._polygons),
            in_pixels=not self._image.has_place,
            all_from_outside=self._is_complete and _all_from_outside(self._polygons, self._image),
        )

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


def _list_features(names: Sequence[str], count: int) -> str:
    return ", ".join(names) + (", ..." if count > len(names) else "")


def _all_from_outside(polygons: Polygons, image: SceneInfo) -> bool:
    x0_P, y0_P, x1_P, y1_P = polygons.bounds_P4.T
    inside_P = (x0_P >= 0) & (y0_P >= 0) & (x1_P <= image.width_px) & (y1_P <= image.height_px)
    return len(polygons) > 0 and not inside_P.any()


def _match(polygons: Polygons, items: Sequence[str], in_file: Counter[str]) -> dict[str, str]:
    """Return the item of the classes that the attribute of each polygon on the scene is.

    Args:
        polygons: The polygons on the scene.
        items: What the classes are made of.
        in_file: Number of polygons by attribute in the whole file, for the message.

    Raises:
        DataError: There is none, or several.
    """
    by_key: dict[str, list[str]] = {}
    for name in items:
        by_key.setdefault(attribute_key(name), []).append(name)

    def item_of(text: str) -> str | None:
        near = by_key.get(attribute_key(text), [])
        candidates = [text] if text in near else near
        return candidates[0] if len(candidates) == 1 else None

    on_scene = polygons.text_counts
    matched = {text: item for text in on_scene if (item := item_of(text)) is not None}
    if len(matched) < len(on_scene):
        unknown = Counter({text: n for text, n in (in_file | on_scene).items() if item_of(text) is None})
        listed = ", ".join(f"{text!r} ({count})" for text, count in unknown.most_common(_LISTED))
        more = f" and {len(unknown) - _LISTED} more" if len(unknown) > _LISTED else ""
        raise DataError(
            f"{polygons.path} has polygons that belong to no class: {listed}{more}. {REMEDY}{_hint(unknown, items)}"
        )
    return matched


def _hint(unknown: Iterable[str], items: Iterable[str]) -> str:
    hints = []
    folded = {item.lower(): item for item in items}
    for text in unknown:
        if not text:
            hints.append('"" stands for polygons without a value.')
        elif near := difflib.get_close_matches(text.lower(), folded, n=1, cutoff=0.8):
            hints.append(f"{text!r} is not {folded[near[0]]!r}: letter case and spelling count.")
    return "".join(f" {hint}" for hint in hints[:3])
