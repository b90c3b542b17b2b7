"""The pixels of a scene by split and class: in its tiles, and outside of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rs_adapt.datasets.own.contents import ClassPixels, SplitContents
from rs_adapt.datasets.own.cutting import IGNORED, UNLABELLED, CutPart, CutTile
from rs_adapt.datasets.own.polygon_labels import OUTSIDE
from rs_adapt.datasets.own.translation import label_text
from rs_adapt.datasets.recipes import LabelSource


class SceneCounter:
    """Counts the pixels of a scene by split, each once."""

    def __init__(
        self,
        places: Sequence[CutTile],
        parts: Sequence[CutPart],
        sides: Mapping[int, str],
        unlabelled: set[int],
        classes: Sequence[str],
    ) -> None:
        self._places, self._sides, self._unlabelled, self._classes = places, sides, unlabelled, classes
        cells = {box: counts for part in parts for box, counts in part.cells.items()}
        self._x = np.unique([box.x0 for box in cells])
        self._y = np.unique([box.y0 for box in cells])
        self._counts = np.zeros((len(self._y), len(self._x), 2, len(classes) + 2), dtype=np.int64)
        for box, counts in cells.items():
            self._counts[np.searchsorted(self._y, box.y0), np.searchsorted(self._x, box.x0)] = counts

    def contents(self, split: str, labels: LabelSource | None, *, takes_rest: bool, is_divided: bool) -> SplitContents:
        """Return the contents of a split.

        Args:
            split: The split.
            labels: How labels were read; None where its tiles have none.
            takes_rest: Whether the pixels in no tile count as lost by this split.
            is_divided: Whether the scene has tiles of two splits and a gap.
        """
        tiles = [n for n, side in self._sides.items() if side == split and n not in self._unlabelled]
        inside = self._covered(tiles)
        here_2K = self._counts[inside].sum(axis=0)
        contents = SplitContents(
            scenes=1,
            tiles=len(tiles),
            pixels=int(here_2K[0].sum()),
            image_no_data=int(here_2K[1].sum()),
            ignored=int(here_2K[0, IGNORED]),
            unlabelled=int(here_2K[0, UNLABELLED]) if labels is not None else 0,
        )
        dropped = [n for n, place in enumerate(self._places) if place.tile is None]
        if takes_rest:
            contents.dropped_tiles = len(dropped)
            contents.unlabelled_tiles = len(self._unlabelled)
            contents.gap_tiles = len(self._places) - len(dropped) - len(self._sides)
        if labels is not None:
            contents.classes = self._class_pixels(split, labels, inside, self._covered(dropped), takes_rest, is_divided)
        return contents

    def _class_pixels(
        self,
        split: str,
        labels: LabelSource,
        inside: NDArray[np.bool_],
        in_dropped: NDArray[np.bool_],
        takes_rest: bool,
        is_divided: bool,
    ) -> dict[str, ClassPixels]:
        written = self._sides.keys() - self._unlabelled
        outside = ~self._covered(written) if takes_rest else np.zeros_like(inside)
        in_gap = outside & ~in_dropped if is_divided else np.zeros_like(inside)
        in_tiles_K = self._counts[inside].sum(axis=0)[0]
        no_image_K = self._counts[inside | outside].sum(axis=0)[1]
        dropped_K = self._counts[outside & in_dropped].sum(axis=0)[0]
        gap_K = self._counts[in_gap].sum(axis=0)[0]
        hidden = add_counts(
            place.hidden
            for number, place in enumerate(self._places)
            if self._sides.get(number, "train" if is_divided else split) == split
        )
        index_of = _index_of(labels)
        hidden_K = np.zeros(len(self._classes), dtype=np.int64)
        for text, count in hidden.items():
            if (index := index_of.get(text)) is not None:
                hidden_K[index] += count
        return {
            name: ClassPixels(
                tiles=int(in_tiles_K[k]),
                image_no_data=int(no_image_K[k]),
                label_no_data=int(hidden_K[k]),
                dropped_tiles=int(dropped_K[k]),
                gap=int(gap_K[k]),
            )
            for k, name in enumerate(self._classes)
        }

    def _covered(self, numbers: Iterable[int]) -> NDArray[np.bool_]:
        """Return which cells lie in one of the places."""
        covered = np.zeros(self._counts.shape[:2], dtype=bool)
        for number in numbers:
            box = self._places[number].box
            x0, x1 = np.searchsorted(self._x, (box.x0, box.x1))
            y0, y1 = np.searchsorted(self._y, (box.y0, box.y1))
            covered[y0:y1, x0:x1] = True
        return covered


def _index_of(labels: LabelSource) -> dict[str, int]:
    """Return the class index of each content of the labels, as their counts name it."""
    index_of = {label_text(item): index for item, index in labels.to_index}
    if labels.background is not None:
        index_of[OUTSIDE] = labels.background
    return index_of


def add_counts(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Return the sum of several counts."""
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(total)
