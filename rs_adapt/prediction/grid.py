"""The tiles of a map: a grid that starts at the scene's first pixel and goes beyond its edges, in pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rs_adapt.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A part of a map from its top to its bottom, narrow enough that the sums of a row of tiles fit into memory.

    Attributes:
        index: Number of the panel, from the left, from 0.
        x0: First pixel column of the map that belongs to it.
        x1: Pixel column after its last.
        first: First column of tiles that reaches into it.
        last: Column of tiles after the last one that does.
    """

    index: int
    x0: int
    x1: int
    first: int
    last: int


@dataclass(frozen=True, kw_only=True)
class MapGrid:
    """The tiles of a map.

    Tile i of a side covers the pixels from `i * stride_px - margin_px` on, so that its middle part, `stride_px` long,
    starts at a multiple of the stride, and every pixel of the map lies away from the rim of a tile. Tiles at the edges
    reach beyond the scene, where it is mirrored. A crop of the scene that starts at a multiple of the stride therefore
    has the same tiles as the scene, except for those at its edges.

    Attributes:
        width_px: Columns of the scene.
        height_px: Rows of the scene.
        tile_px: Side of a tile.
        overlap_px: Pixels that neighbouring tiles share, 0 to half a tile.
        panel_px: Pixel columns that are predicted at a time, at most.

    Raises:
        ConfigError: The overlap is negative or more than half a tile.
    """

    width_px: int
    height_px: int
    tile_px: int
    overlap_px: int
    panel_px: int

    def __post_init__(self) -> None:
        """Check the overlap."""
        if not 0 <= self.overlap_px <= self.tile_px // 2:
            raise ConfigError(
                f"--overlap-px is {self.overlap_px}. Allowed: 0 to {self.tile_px // 2}, half of a tile of "
                f"{self.tile_px} px."
            )

    @property
    def stride_px(self) -> int:
        """Pixels from one tile to the next."""
        return self.tile_px - self.overlap_px

    @property
    def margin_px(self) -> int:
        """Pixels by which a tile starts before its middle part."""
        return self.overlap_px // 2

    @property
    def rows(self) -> int:
        """Number of rows of tiles."""
        return math.ceil(self.height_px / self.stride_px)

    @property
    def columns(self) -> int:
        """Number of columns of tiles."""
        return math.ceil(self.width_px / self.stride_px)

    def panels(self) -> list[Panel]:
        """Return the panels from left to right; their edges are edges of the middle parts of tiles."""
        fitting = self.columns if self.panel_px >= self.width_px else max(1, self.panel_px // self.stride_px)
        # Panels of equal width: the columns of tiles between two panels are predicted twice, whatever their width.
        wide = math.ceil(self.columns / math.ceil(self.columns / fitting))
        beyond = 1 if self.overlap_px else 0
        return [
            Panel(
                index=index,
                x0=first * self.stride_px,
                x1=min((first + wide) * self.stride_px, self.width_px),
                first=max(first - beyond, 0),
                last=min(first + wide + beyond, self.columns),
            )
            for index, first in enumerate(range(0, self.columns, wide))
        ]

    def finished_rows(self, row: int) -> tuple[int, int]:
        """Return the pixel rows of the map, from and to, that are complete when a row of tiles is added."""
        start = max(0, row * self.stride_px - self.margin_px)
        is_last = row == self.rows - 1
        return start, self.height_px if is_last else max(start, (row + 1) * self.stride_px - self.margin_px)

    def num_tiles(self) -> int:
        """Return how many tiles all panels have; those between two panels are predicted for both."""
        return self.rows * sum(panel.last - panel.first for panel in self.panels())


def mirrored(start: int, stop: int, size_px: int) -> NDArray[np.intp]:
    """Return the pixels that stand for positions along a side, mirrored at both ends as often as needed.

    Args:
        start: First position; may be negative.
        stop: Position after the last; may be beyond the side.
        size_px: Length of the side.

    Returns:
        Positions inside the side, 0 to `size_px - 1`; the outermost pixel is not doubled.
    """
    if size_px == 1:
        return np.zeros(stop - start, dtype=np.intp)
    period = 2 * (size_px - 1)
    folded = np.arange(start, stop, dtype=np.intp) % period
    return np.minimum(folded, period - folded)


def panel_width_px(num_bands: int, tile_px: int, *, budget_bytes: int, most_px: int) -> int:
    """Return how wide a panel may be for its sums of a row of tiles to stay within a budget.

    Args:
        num_bands: Classes that are summed up, float32.
        tile_px: Side of a tile: rows that are summed up at a time.
        budget_bytes: Memory of the sums.
        most_px: Columns of the scene.
    """
    return min(most_px, max(tile_px, budget_bytes // (4 * (num_bands + 1) * tile_px)))


def batched(positions: Sequence[int], size: int) -> list[Sequence[int]]:
    """Cut a sequence into parts of `size`; the last may be shorter."""
    return [positions[first : first + size] for first in range(0, len(positions), size)]
