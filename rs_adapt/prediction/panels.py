"""The prediction of a map, panel by panel and strip by strip, with memory that does not grow with the scene."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rs_adapt.prediction.damage import OnUnreadable, Pixels
from rs_adapt.prediction.grid import MapGrid, Panel, batched
from rs_adapt.prediction.layers import Layer, layers_of
from rs_adapt.prediction.reading import TileRow, read_tile_row
from rs_adapt.prediction.strips import StripStore
from rs_adapt.tiles.blend import Blending, RowBlender

# From tiles, RGB uint8 (N, tile_px, tile_px, 3), to class probabilities, float32 (N, K, tile_px, tile_px).
PredictTiles = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
# The layers of the rows of a map that are complete.
_Strip = Mapping[Layer, NDArray[np.uint8 | np.float32]]
# Columns of a panel that are turned from sums to layers at a time.
_TAKEN_PX = 2048
# Rows of tiles that are read before they are needed.
_AHEAD = 2


@dataclass(frozen=True, kw_only=True)
class TileModel:
    """A model of tiles.

    Attributes:
        predict: From a batch of tiles to class probabilities.
        num_classes: K.
        batch_size: Tiles of a batch, at most.
    """

    predict: PredictTiles
    num_classes: int
    batch_size: int


def predict_panels(
    scene: Pixels,
    grid: MapGrid,
    model: TileModel,
    store: StripStore,
    *,
    layers: Sequence[Layer],
    blending: Blending,
    on_tiles: Callable[[int], None],
    on_unreadable: OnUnreadable | None = None,
) -> float:
    """Predict the strips of a map that are not stored yet.

    While the model computes, the next rows of tiles are read, and the strip before is written. Batches do not reach
    from a row of tiles into the next, so a map that was interrupted has the same batches, and the same bytes, as one
    that was not.

    Args:
        scene: The open scene; one thread reads it.
        grid: The tiles.
        model: The model.
        store: Where the strips are written.
        layers: What is stored of the probabilities.
        blending: How tiles that overlap are weighted.
        on_tiles: Called with the number of tiles that are done since the last call.
        on_unreadable: As in `read_window`, from the thread that reads.

    Returns:
        Seconds for which the model computed.

    Raises:
        DataError: The pixels cannot be decoded.
    """
    model_s = 0.0
    for panel in grid.panels():
        start = store.first_missing(panel.index, grid.rows)
        on_tiles((panel.last - panel.first) * start)
        if start == grid.rows:
            continue
        # The row of tiles above reaches into the first strip that is missing.
        first = max(start - 1, 0)
        blender = _PanelBlender(grid, panel, model.num_classes, blending, first)
        with ThreadPoolExecutor(1, "reading") as reader, ThreadPoolExecutor(1, "writing") as writer:
            taking: Future[_Strip] | None = None
            writing: Future[None] | None = None
            for row, tiles in _read_ahead(reader, scene, grid, panel, first, on_unreadable):
                started_s = time.perf_counter()
                for position, tile_KHW in _predict_row(tiles, panel, model):
                    if taking is not None:
                        # The model has predicted the first batch of this row while the row before was taken.
                        taking.result()
                        taking = None
                    blender.add(position, row, tile_KHW)
                model_s += time.perf_counter() - started_s
                if taking is not None:
                    taking.result()
                # One strip waits at most, so that memory does not grow where writing is slower than the model.
                if writing is not None:
                    writing.result()
                taking = writer.submit(blender.take, row, _in_map(tiles.valid_HW, grid, panel, row), layers)
                if row >= start:
                    on_tiles(panel.last - panel.first)
                    writing = writer.submit(_write, store, panel.index, row, taking)
            if writing is not None:
                writing.result()
    return model_s


class _PanelBlender:
    """The blended rows of a panel, in the pixels of the map.

    Args:
        grid: The tiles.
        panel: The panel.
        num_classes: K.
        blending: The weights of a tile.
        first: First row of tiles that is added.
    """

    def __init__(self, grid: MapGrid, panel: Panel, num_classes: int, blending: Blending, first: int) -> None:
        self._grid, self._panel, self._first, self._num_classes = grid, panel, first, num_classes
        stride_px, tile_px = grid.stride_px, grid.tile_px
        # The mirrored surroundings count here, so every tile lies inside.
        self._blender = RowBlender(
            height_px=(grid.rows - first - 1) * stride_px + tile_px,
            width_px=(panel.last - panel.first - 1) * stride_px + tile_px,
            num_channels=num_classes,
            tile_px=tile_px,
            kind=blending,
        )

    def add(self, position: int, row: int, tile_KHW: NDArray[np.float32]) -> None:
        """Add a tile by its position in the row of tiles, from the left."""
        self._blender.add(position * self._grid.stride_px, (row - self._first) * self._grid.stride_px, tile_KHW)

    def take(self, row: int, valid_HW: NDArray[np.bool_], layers: Sequence[Layer]) -> _Strip:
        """Return the layers of the rows of the map that are complete.

        Args:
            row: Row of tiles, from 0, whose tiles have all been added.
            valid_HW: Where these rows have data.
            layers: Which layers.
        """
        done = row - self._first + 1
        height_px = done * self._grid.stride_px
        if row == self._grid.rows - 1:
            height_px += self._grid.overlap_px
        top = self._grid.tile_top(row)
        start, stop = self._grid.finished_rows(row)
        left = self._panel.x0 - self._grid.tile_left(self._panel.first)
        width_px = self._panel.x1 - self._panel.x0
        blank = layers_of(np.zeros((self._num_classes, 1, 1), np.float32), np.zeros((1, 1), np.bool_), layers)
        strip = {layer: np.full((*value.shape[:-2], *valid_HW.shape), value.flat[0]) for layer, value in blank.items()}
        # Not all columns at once: the values of a panel would take as much memory as its sums.
        for columns, values_KHW in self._blender.take_runs(height_px, most_px=_TAKEN_PX):
            first, last = max(columns.start, left), min(columns.stop, left + width_px)
            if first < last:
                part_KHW = values_KHW[:, start - top : stop - top, first - columns.start : last - columns.start]
                inside = slice(first - left, last - left)
                for layer, values in layers_of(part_KHW, valid_HW[:, inside], layers).items():
                    strip[layer][..., inside] = values
        return strip


def _in_map(valid_HW: NDArray[np.bool_], grid: MapGrid, panel: Panel, row: int) -> NDArray[np.bool_]:
    """Cut what a strip of the map holds out of the pixels of a row of tiles."""
    top, left = grid.tile_top(row), grid.tile_left(panel.first)
    start, stop = grid.finished_rows(row)
    return valid_HW[start - top : stop - top, panel.x0 - left : panel.x1 - left]


def _read_ahead(
    reader: ThreadPoolExecutor,
    scene: Pixels,
    grid: MapGrid,
    panel: Panel,
    first: int,
    on_unreadable: OnUnreadable | None,
) -> Iterator[tuple[int, TileRow]]:
    def submit(row: int) -> tuple[int, Future[TileRow]]:
        return row, reader.submit(read_tile_row, scene, grid, panel, row, on_unreadable)

    waiting = [submit(row) for row in range(first, min(first + _AHEAD, grid.rows))]
    while waiting:
        row, reading = waiting.pop(0)
        tiles = reading.result()
        if row + _AHEAD < grid.rows:
            waiting.append(submit(row + _AHEAD))
        yield row, tiles


def _predict_row(tiles: TileRow, panel: Panel, model: TileModel) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield the tiles of a row that have data, by position."""
    positions = [position for position in range(panel.last - panel.first) if not tiles.is_empty(position)]
    for batch in batched(positions, model.batch_size):
        yield from zip(batch, model.predict(np.stack([tiles.tile(position) for position in batch])), strict=True)


def _write(store: StripStore, panel: int, row: int, taking: Future[_Strip]) -> None:
    store.write(panel, row, taking.result())
