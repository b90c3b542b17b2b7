"""Put tiles back into a scene: class maps side by side, or overlapping logits blended (H/W pixels, K classes)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rs_adapt.errors import ConfigError, DataError

# Weights stay above zero, so that every covered pixel has a result, even where only a tile's rim reaches it.
WEIGHT_FLOOR = 1e-3
Blending = Literal["hann", "cosine", "flat"]


def blend_weights(tile_px: int, kind: Blending = "hann") -> NDArray[np.float32]:
    """Weights that fade from a tile's centre to its rim.

    Args:
        tile_px: Side of the tile.
        kind: "hann" (squared sine), "cosine" (sine) or "flat" (all 1). Samples lie at pixel centres.

    Returns:
        float32 weights in (0, 1], shape (tile_px, tile_px), symmetric in both directions.

    Raises:
        ConfigError: The kind is unknown.
    """
    phase = np.sin(np.pi * (np.arange(tile_px) + 0.5) / tile_px)
    sides = {"hann": phase**2, "cosine": phase, "flat": np.ones(tile_px)}
    if kind not in sides:
        raise ConfigError(f"Unknown blend weights {kind!r}. Allowed: {', '.join(sides)}.")
    side = np.maximum(sides[kind], WEIGHT_FLOOR)
    return np.outer(side, side).astype(np.float32)


def stitch(
    tiles: Iterable[tuple[int, int, NDArray[Any]]], *, height_px: int, width_px: int, fill: float
) -> NDArray[Any]:
    """Lay tiles into a scene; where tiles overlap, the later one is kept; parts beyond the edge (padding) are cut off.

    Args:
        tiles: (x0, y0, array) with arrays of shape (h, w) or (h, w, C), all of one dtype.
        height_px: Rows of the scene.
        width_px: Columns of the scene.
        fill: Value of pixels that no tile covers.

    Returns:
        Array of shape (height_px, width_px) or (height_px, width_px, C), of the tiles' dtype.

    Raises:
        DataError: There are no tiles, or one starts outside the scene.
    """
    scene: NDArray[Any] | None = None
    for x0, y0, tile in tiles:
        if not (0 <= x0 < width_px and 0 <= y0 < height_px):
            raise DataError(f"A tile at column {x0}, row {y0} lies outside a scene of {width_px} x {height_px} px.")
        if scene is None:
            scene = np.full((height_px, width_px, *tile.shape[2:]), fill, dtype=tile.dtype)
        part = tile[: height_px - y0, : width_px - x0]
        scene[y0 : y0 + part.shape[0], x0 : x0 + part.shape[1]] = part
    if scene is None:
        raise DataError("There are no tiles to put together: cut the scene first.")
    return scene


class RowBlender:
    """Weighted mean of overlapping tiles, built row by row: memory holds one band of tiles, never the whole scene.

    Add the tiles in the order of their rows (as `tile_boxes` gives them), and take finished rows whenever a row of
    tiles is complete. The weights of all tiles over a pixel are normalised to a sum of 1.

    Args:
        height_px: Rows of the scene.
        width_px: Columns of the scene.
        num_channels: Channels of a tile (classes).
        tile_px: Side of a tile.
        kind: The weights, see `blend_weights`.
    """

    def __init__(
        self,
        *,
        height_px: int,
        width_px: int,
        num_channels: int,
        tile_px: int,
        kind: Blending = "hann",
    ) -> None:
        self._height_px = height_px
        self._weights_HW = blend_weights(tile_px, kind)
        self._tile_px = tile_px
        self._top = 0
        self._sum_KHW = np.zeros((num_channels, min(tile_px, height_px), width_px), dtype=np.float32)
        self._weight_HW = np.zeros((min(tile_px, height_px), width_px), dtype=np.float32)
        # Row after the last one that a tile reaches, by column: columns without a tile cost next to nothing.
        self._bottom_W = np.zeros(width_px, dtype=np.int64)

    def add(self, x0: int, y0: int, tile_KHW: NDArray[np.float32]) -> None:
        """Add a tile of shape (K, tile_px, tile_px) with its upper left pixel at (x0, y0); padding is cut off.

        Raises:
            DataError: The tile reaches into rows that were taken already, or below the rows in progress.
        """
        row = y0 - self._top
        rows, columns = self._weight_HW.shape
        wanted = min(self._tile_px, self._height_px - y0)
        if row < 0 or row + wanted > rows:
            raise DataError(
                f"A tile at row {y0} does not fit into the rows in progress, {self._top} to {self._top + rows}: add "
                "tiles row by row, and take the finished rows before the next row of tiles."
            )
        wide = min(self._tile_px, columns - x0)
        weights_HW = self._weights_HW[:wanted, :wide]
        place = (slice(row, row + wanted), slice(x0, x0 + wide))
        for sum_HW, tile_HW in zip(self._sum_KHW, tile_KHW, strict=True):
            # One class at a time: a product of all of them would be as large as the tile.
            sum_HW[place] += tile_HW[:wanted, :wide] * weights_HW
        self._weight_HW[place] += weights_HW
        reached_W = self._bottom_W[x0 : x0 + wide]
        np.maximum(reached_W, y0 + wanted, out=reached_W)

    def take(self, until: int) -> tuple[int, NDArray[np.float32]]:
        """Finish all rows above `until` (the first row of the next tiles, or the scene's height at the end).

        Args:
            until: First row that later tiles may still touch.

        Returns:
            First finished row, and the blended values, float32, shape (K, rows, W); NaN where no tile was added.

        Raises:
            DataError: The rows go beyond those that tiles can have reached.
        """
        first, count = self._top, until - self._top
        runs = list(self.take_runs(until))
        done_KHW = np.full((len(self._sum_KHW), count, len(self._bottom_W)), np.nan, dtype=np.float32)
        for columns, part_KHW in runs:
            done_KHW[:, :, columns] = part_KHW
        return first, done_KHW

    def take_runs(self, until: int, *, most_px: int | None = None) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Finish rows as `take` does, and yield the columns with tiles alone: a scene may be wide and mostly empty.

        The rows are finished when the last stretch was taken; add no tile before.

        Args:
            until: First row that later tiles may still touch.
            most_px: Columns of a stretch, at most; None for no limit.

        Yields:
            The stretches of columns that tiles reach, from the left, each with its blended values, float32, shape (K,
            rows, columns), NaN where no tile was added.

        Raises:
            DataError: The rows go beyond those that tiles can have reached.
        """
        count = until - self._top
        if not 0 <= count <= self._weight_HW.shape[0]:
            raise DataError(
                f"Rows up to {until} cannot be taken: the rows in progress are {self._top} to "
                f"{self._top + self._weight_HW.shape[0]}."
            )
        rows = min(self._tile_px, self._height_px - until)
        for run in true_runs(self._bottom_W > self._top):
            wide = most_px or run.stop - run.start
            for start in range(run.start, run.stop, wide):
                columns = slice(start, min(start + wide, run.stop))
                with np.errstate(invalid="ignore"):
                    values_KHW = self._sum_KHW[:, :count, columns] / self._weight_HW[:count, columns]
                for band in (self._sum_KHW, self._weight_HW):
                    _move_up(band[..., columns], count)
                yield columns, values_KHW
        self._top = until
        self._sum_KHW, self._weight_HW = self._sum_KHW[:, :rows], self._weight_HW[:rows]


def true_runs(flags: NDArray[np.bool_]) -> list[slice]:
    """Return the stretches of a one-dimensional array that are True."""
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0))
    return [slice(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def _move_up(band: NDArray[np.float32], count: int) -> None:
    """Drop the first rows of a band, and open as many empty ones at its bottom."""
    remaining = band.shape[-2] - count
    band[..., :remaining, :] = band[..., count:, :]
    band[..., remaining:, :] = 0
