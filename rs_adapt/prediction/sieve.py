"""Small regions of a map become part of their neighbours, so that no gaps stay behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components


@dataclass(frozen=True, kw_only=True)
class Borders:
    """Pairs of regions that touch (E pairs).

    Attributes:
        pairs_2E: Numbers of the regions, int64.
        length_E: Pixel edges that they share, int64.
    """

    pairs_2E: NDArray[np.int64]
    length_E: NDArray[np.int64]

    @classmethod
    def between(cls, one: NDArray[np.int64], other: NDArray[np.int64]) -> Borders:
        """Return the borders between two arrays of pixels that touch pairwise; -1 marks pixels of no region."""
        touches = (one != other) & (one >= 0) & (other >= 0)
        return cls(
            pairs_2E=np.stack([one[touches], other[touches]]), length_E=np.ones(int(touches.sum()), dtype=np.int64)
        )._summed()

    @classmethod
    def joined(cls, parts: Sequence[Borders]) -> Borders:
        """Add up borders."""
        return cls(
            pairs_2E=np.concatenate([np.zeros((2, 0), dtype=np.int64), *(part.pairs_2E for part in parts)], axis=1),
            length_E=np.concatenate([np.zeros(0, dtype=np.int64), *(part.length_E for part in parts)]),
        )._summed()

    def renumbered(self, number_N: NDArray[np.int64]) -> Borders:
        """Return the borders between regions of other numbers; regions that become one have none."""
        return Borders(pairs_2E=number_N[self.pairs_2E], length_E=self.length_E)._summed()

    def _summed(self) -> Borders:
        low_E, high_E = self.pairs_2E.min(axis=0), self.pairs_2E.max(axis=0)
        differ_E = low_E != high_E
        low_E, high_E, length_E = low_E[differ_E], high_E[differ_E], self.length_E[differ_E]
        order_E = np.lexsort((high_E, low_E))
        low_E, high_E, length_E = low_E[order_E], high_E[order_E], length_E[order_E]
        if not len(low_E):
            return Borders(pairs_2E=np.zeros((2, 0), dtype=np.int64), length_E=length_E)
        first = np.flatnonzero(np.r_[True, (np.diff(low_E) != 0) | (np.diff(high_E) != 0)])
        return Borders(pairs_2E=np.stack([low_E[first], high_E[first]]), length_E=np.add.reduceat(length_E, first))


def merge_small_regions(
    class_N: NDArray[np.uint8], area_m2_N: NDArray[np.float64], borders: Borders, *, min_area_m2: float
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Merge small regions into the neighbours with which they share the longest borders, until none is small.

    A group that forms takes the class of its largest member, and joins neighbours of that class. The result does not
    depend on the order in which regions are visited, except that equal borders and areas prefer the lower number.

    Args:
        class_N: Class index of each region.
        area_m2_N: Area of each region.
        borders: Pairs of regions that touch.
        min_area_m2: Regions below are small.

    Returns:
        The new number of each region, int64, -1 for small ones that touch no other region; and the class of each new
        region. The new numbers are in the order of the old ones.
    """
    number_N = np.arange(len(class_N))
    while (small := area_m2_N < min_area_m2).any():
        target = _longest_borders(borders, area_m2_N)
        linked = np.flatnonzero(small & (target >= 0))
        if not len(linked):
            break
        group = _groups(linked, target[linked], len(class_N))
        class_N, area_m2_N = _class_of_largest(class_N, area_m2_N, group), _sums(area_m2_N, group)
        borders = borders.renumbered(group)
        one, other = borders.pairs_2E
        same = class_N[one] == class_N[other]
        united = _groups(one[same], other[same], len(class_N))
        class_N, area_m2_N = _class_of_largest(class_N, area_m2_N, united), _sums(area_m2_N, united)
        borders = borders.renumbered(united)
        number_N = united[group[number_N]]
    stays = area_m2_N >= min_area_m2
    final = np.where(stays, np.cumsum(stays) - 1, -1)
    return final[number_N], class_N[stays]


def number_by_first(values_N: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return a number for each value, by the order in which values first appear."""
    _, first, group_N = np.unique(values_N, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[group_N]


def _longest_borders(borders: Borders, area_m2_N: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the neighbour of each region with which it shares the longest border; -1 without one."""
    near = np.concatenate([borders.pairs_2E[0], borders.pairs_2E[1]])
    far = np.concatenate([borders.pairs_2E[1], borders.pairs_2E[0]])
    length = np.concatenate([borders.length_E, borders.length_E])
    order = np.lexsort((far, -area_m2_N[far], -length, near))
    near, far = near[order], far[order]
    first = np.flatnonzero(np.r_[True, np.diff(near) != 0]) if len(near) else np.zeros(0, dtype=np.int64)
    target_N = np.full(len(area_m2_N), -1, dtype=np.int64)
    target_N[near[first]] = far[first]
    return target_N


def _groups(one: NDArray[np.int64], other: NDArray[np.int64], number: int) -> NDArray[np.int64]:
    graph = sparse.coo_matrix((np.ones(len(one), np.int8), (one, other)), shape=(number, number))
    return number_by_first(connected_components(graph, directed=False)[1])


def _sums(values_N: NDArray[np.float64], group_N: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.bincount(group_N, weights=values_N).astype(np.float64)


def _class_of_largest(
    class_N: NDArray[np.uint8], area_m2_N: NDArray[np.float64], group_N: NDArray[np.int64]
) -> NDArray[np.uint8]:
    # Of values that are assigned to one place the last one stays: the largest area, then the lowest number.
    order_N = np.lexsort((-np.arange(len(class_N)), area_m2_N))
    class_of_group = np.empty(group_N.max() + 1, dtype=np.uint8)
    class_of_group[group_N[order_N]] = class_N[order_N]
    return class_of_group
