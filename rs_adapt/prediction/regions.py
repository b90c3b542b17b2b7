"""Connected areas of one class on a map (regions), counted strip by strip."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse.csgraph import connected_components

from rs_adapt.errors import RunFailed
from rs_adapt.prediction.layers import NODATA
from rs_adapt.prediction.sieve import Borders, merge_small_regions, number_by_first

# Labels of all strips; each takes about 60 bytes until the polygons are written.
_MOST_LABELS = 16_000_000


@dataclass(frozen=True, kw_only=True)
class Strip:
    """Rows of a map.

    Attributes:
        first_row: Number of the first row, from 0.
        classes_HW: Class indices, uint8; `NODATA` without data.
        confidence_HW: The largest probability, uint8 in steps of `SHARE_STEP`.
    """

    first_row: int
    classes_HW: NDArray[np.uint8]
    confidence_HW: NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Regions:
    """The regions of a map, ordered by their first pixels.

    Attributes:
        class_N: Class index of each, uint8.
        area_m2_N: Area of their pixels, float64.
        confidence_N: Mean over their pixels, in the unit of the strips, float64.
        last_strip_N: Number of the last strip that each reaches into, int64.
        region_of_label_L: From the labels of all strips to regions, int32; -1 for labels that are left out.
    """

    class_N: NDArray[np.uint8]
    area_m2_N: NDArray[np.float64]
    confidence_N: NDArray[np.float64]
    last_strip_N: NDArray[np.int64]
    region_of_label_L: NDArray[np.int32]


def label_strip(classes_HW: NDArray[np.uint8]) -> tuple[NDArray[np.int32], int]:
    """Give numbers to the connected areas of a strip; pixels that share an edge are connected.

    Returns:
        Labels from 0, int32 (H, W), -1 without data; and their number.
    """
    labels_HW = np.full(classes_HW.shape, -1, dtype=np.int32)
    number = 0
    for value in np.unique(classes_HW):
        if value == NODATA:
            continue
        mask_HW = classes_HW == value
        of_class_HW, count = ndimage.label(mask_HW)
        labels_HW[mask_HW] = of_class_HW[mask_HW] + (number - 1)
        number += count
    return labels_HW, number


def find_regions(
    strips: Iterable[Strip], row_area_m2_H: NDArray[np.float64], *, min_area_m2: float, source: str
) -> Regions:
    """Find the regions of a map, and merge the small ones into their neighbours.

    Args:
        strips: The map from top to bottom, without gaps.
        row_area_m2_H: Area of a pixel of each row of the map.
        min_area_m2: Smaller regions get the class with which they share the longest border; those without a neighbour
            are left out. 0 leaves all as they are.
        source: The map, for errors.

    Returns:
        The regions.

    Raises:
        RunFailed: There are more than fit into memory.
    """
    count = _Counts()
    for strip in strips:
        count.add(strip, row_area_m2_H, has_borders=min_area_m2 > 0)
        if count.total > _MOST_LABELS:
            raise RunFailed(
                f"{source} is not written: it would have more than {_MOST_LABELS // 10**6} "
                "million polygons, which do not fit into memory. Predict parts of the scene, or leave out --vector."
            )
    return count.regions(min_area_m2)


class _Counts:
    """What is known of the labels of all strips so far."""

    def __init__(self) -> None:
        self.total = 0
        self._tables: list[tuple[NDArray[np.float64], ...]] = []
        self._firsts: list[NDArray[np.int64]] = []
        self._classes: list[NDArray[np.uint8]] = []
        self._joins: list[NDArray[np.int64]] = []
        self._borders: list[Borders] = []
        self._last: tuple[NDArray[np.int64], NDArray[np.uint8]] | None = None

    def add(self, strip: Strip, row_area_m2_H: NDArray[np.float64], *, has_borders: bool) -> None:
        labels_HW, number = label_strip(strip.classes_HW)
        height_px, width_px = labels_HW.shape
        flat = labels_HW.ravel() + 1
        area_HW = np.repeat(row_area_m2_H[strip.first_row : strip.first_row + height_px], width_px)

        def sums(weights: NDArray[np.float64] | None) -> NDArray[np.float64]:
            return np.bincount(flat, weights=weights, minlength=number + 1)[1:].astype(np.float64)

        self._tables.append((sums(None), sums(area_HW), sums(strip.confidence_HW.ravel().astype(np.float64))))
        # Of values that are assigned to one place the last one stays: the first pixel, in reverse order.
        first = np.zeros(number + 1, dtype=np.int64)
        first[flat[::-1]] = np.arange(flat.size - 1, -1, -1)
        self._classes.append(strip.classes_HW.ravel()[first[1:]])
        self._firsts.append(first[1:] + strip.first_row * width_px)
        everywhere_HW = np.where(labels_HW >= 0, labels_HW.astype(np.int64) + self.total, -1)
        if self._last is not None:
            above_W, above_class_W = self._last
            same_W = (above_class_W == strip.classes_HW[0]) & (above_W >= 0)
            self._joins.append(np.unique(np.stack([above_W[same_W], everywhere_HW[0][same_W]]), axis=1))
            if has_borders:
                self._borders.append(Borders.between(above_W, everywhere_HW[0]))
        if has_borders:
            self._borders.append(Borders.between(everywhere_HW[:, :-1], everywhere_HW[:, 1:]))
            self._borders.append(Borders.between(everywhere_HW[:-1], everywhere_HW[1:]))
        self._last = everywhere_HW[-1], strip.classes_HW[-1]
        self.total += number

    def regions(self, min_area_m2: float) -> Regions:
        if not self.total:
            empty = np.zeros(0, dtype=np.float64)
            return Regions(
                class_N=empty.astype(np.uint8),
                area_m2_N=empty,
                confidence_N=empty,
                last_strip_N=empty.astype(np.int64),
                region_of_label_L=empty.astype(np.int32),
            )
        joins = np.concatenate([np.zeros((2, 0), dtype=np.int64), *self._joins], axis=1)
        graph = sparse.coo_matrix((np.ones(joins.shape[1], np.int8), (joins[0], joins[1])), shape=(self.total,) * 2)
        _, whole_L = connected_components(graph, directed=False)
        in_order_L = np.argsort(np.concatenate(self._firsts), kind="stable")
        region_of_label_L = np.empty(self.total, dtype=np.int64)
        region_of_label_L[in_order_L] = number_by_first(whole_L[in_order_L])
        pixels_L, area_m2_L, confidence_L = (np.concatenate(column) for column in zip(*self._tables, strict=True))
        class_N = np.empty(region_of_label_L.max() + 1, dtype=np.uint8)
        class_N[region_of_label_L] = np.concatenate(self._classes)
        if min_area_m2 > 0:
            area_m2_N = np.bincount(region_of_label_L, weights=area_m2_L).astype(np.float64)
            borders = Borders.joined([part.renumbered(region_of_label_L) for part in self._borders])
            merged_N, class_N = merge_small_regions(class_N, area_m2_N, borders, min_area_m2=min_area_m2)
            region_of_label_L = merged_N[region_of_label_L]
        stays_L = region_of_label_L >= 0
        target_L = region_of_label_L[stays_L]

        def total(values_L: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.bincount(target_L, weights=values_L[stays_L], minlength=len(class_N)).astype(np.float64)

        strip_L = np.repeat(np.arange(len(self._classes)), [len(part) for part in self._classes])
        last_strip_N = np.zeros(len(class_N), dtype=np.int64)
        np.maximum.at(last_strip_N, target_L, strip_L[stays_L])
        return Regions(
            class_N=class_N,
            area_m2_N=total(area_m2_L),
            confidence_N=total(confidence_L) / total(pixels_L),
            last_strip_N=last_strip_N,
            region_of_label_L=region_of_label_L.astype(np.int32),
        )
