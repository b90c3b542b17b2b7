"""The tiles of a map: a grid that is fixed to map coordinates and goes beyond the scene's edges, in pixels."""

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
    """The tiles of a map, of a whole scene or of a window of it.

    Tile i of a side covers the scene's pixels from `i * stride_px - margin_px - phase_px` on. Its middle part is
    `stride_px` long, and the middle parts lie side by side, so that every pixel of the map lies away from the rim of a
    tile. Tiles at the edges reach beyond the scene, where it is mirrored. A map of a window has the tiles that the map
    of the scene has there. A crop of the scene has them except at its edges, if its phase follows from its place
    (`rs_adapt.prediction.place.grid_phase`).

    Attributes:
        width_px: Columns of the map.
        height_px: Rows of the map.
        tile_px: Side of a tile.
        overlap_px: Pixels that neighbouring tiles share, 0 to half a tile.
        panel_px: Pixel columns that are predicted at a time, at most.
        x0_px: Column of the scene that is the map's first.
        y0_px: Row of the scene that is the map's first.
        scene_px: Columns and rows of the scene; None where the map is of all of it.
        phase_px: Columns and rows of the first tile's middle part that lie before the scene, 0 to `stride_px - 1`.

    Raises:
        ConfigError: The overlap is negative or more than half a tile.
    """

    width_px: int
    height_px: int
    tile_px: int
    overlap_px: int
    panel_px: int
    x0_px: int = 0
    y0_px: int = 0
    scene_px: tuple[int, int] | None = None
    phase_px: tuple[int, int] = (0, 0)

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
        return len(self._tile_rows)

    def panels(self) -> list[Panel]:
        """Return the panels from left to right; their edges are edges of the middle parts of tiles."""
        # Columns of middle parts; further tiles reach into the map from both sides.
        map_start = self.x0_px + self.phase_px[0]
        first = map_start // self.stride_px
        columns = math.ceil((map_start + self.width_px) / self.stride_px) - first
        fitting = columns if self.panel_px >= self.width_px else max(1, self.panel_px // self.stride_px)
        # Panels of equal width: the columns of tiles between two panels are predicted twice, whatever their width.
        wide = math.ceil(columns / math.ceil(columns / fitting))
        beyond = 1 if self.overlap_px else 0
        tiles = self._tiles(0, self.x0_px, self.width_px)
        return [
            Panel(
                index=index,
                x0=max(start * self.stride_px - map_start, 0),
                x1=min((start + wide) * self.stride_px - map_start, self.width_px),
                first=max(start - beyond, tiles.start),
                last=min(start + wide + beyond, tiles.stop),
            )
            for index, start in enumerate(range(first, first + columns, wide))
        ]

    def tile_left(self, column: int) -> int:
        """Return the map's pixel column at which a column of tiles starts; may be negative."""
        return column * self.stride_px - self.margin_px - self.phase_px[0] - self.x0_px

    def tile_top(self, row: int) -> int:
        """Return the map's pixel row at which a row of tiles starts; may be negative."""
        return (self._tile_rows.start + row) * self.stride_px - self.margin_px - self.phase_px[1] - self.y0_px

    def finished_rows(self, row: int) -> tuple[int, int]:
        """Return the pixel rows of the map, from and to, that are complete when a row of tiles is added; may be none.

        Args:
            row: Row of tiles, from 0.
        """
        start = max(0, self.tile_top(row))
        return start, self.height_px if row == self.rows - 1 else max(start, self.tile_top(row + 1))

    def num_tiles(self) -> int:
        """Return how many tiles all panels have; those between two panels are predicted for both."""
        return self.rows * sum(panel.last - panel.first for panel in self.panels())

    def scene_positions(self, top: int, left: int, right: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the scene's rows and columns that a row of tiles shows, mirrored beyond its edges.

        Args:
            top: First pixel row of the tiles, in the map.
            left: First pixel column of the first tile, in the map.
            right: Pixel column after the last tile.
        """
        width_px, height_px = self._scene_px
        y0, x0 = self.y0_px, self.x0_px
        return mirrored(top + y0, top + y0 + self.tile_px, height_px), mirrored(left + x0, right + x0, width_px)

    @property
    def _scene_px(self) -> tuple[int, int]:
        return (self.width_px, self.height_px) if self.scene_px is None else self.scene_px

    @property
    def _tile_rows(self) -> range:
        return self._tiles(1, self.y0_px, self.height_px)

    def _tiles(self, side: int, start_px: int, size_px: int) -> range:
        """Return the numbers of the scene's tiles, along side 0 or 1, that show a pixel of the map."""
        phase_px = self.phase_px[side]
        start = start_px + phase_px
        first = (start + self.margin_px - self.tile_px) // self.stride_px + 1
        last = math.ceil(min(start + size_px + self.margin_px, phase_px + self._scene_px[side]) / self.stride_px)
        return range(max(first, 0), last)


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
