"""Rows of tiles of a scene: read by window, mirrored beyond its edges (H/W pixels)."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rs_adapt.prediction.damage import OnUnreadable, Pixels, read_window
from rs_adapt.prediction.grid import MapGrid, Panel
from rs_adapt.scenes import Box

_Value = TypeVar("_Value", np.uint8, np.bool_)


class TileRow:
    """The pixels of one row of tiles of a panel.

    Attributes:
        image_HW3: RGB, uint8, `tile_px` rows, from the first tile's first column to the last tile's last.
        valid_HW: Whether a pixel has data, bool.
    """

    def __init__(self, image_HW3: NDArray[np.uint8], valid_HW: NDArray[np.bool_], grid: MapGrid) -> None:
        self.image_HW3, self.valid_HW, self._grid = image_HW3, valid_HW, grid

    def tile(self, position: int) -> NDArray[np.uint8]:
        """Return a tile by its position in the row, RGB uint8 (tile_px, tile_px, 3)."""
        left = position * self._grid.stride_px
        return self.image_HW3[:, left : left + self._grid.tile_px]

    def is_empty(self, position: int) -> bool:
        """Return whether no pixel of a tile has data."""
        left = position * self._grid.stride_px
        return not self.valid_HW[:, left : left + self._grid.tile_px].any()


def read_tile_row(
    scene: Pixels, grid: MapGrid, panel: Panel, row: int, on_unreadable: OnUnreadable | None = None
) -> TileRow:
    """Read one row of tiles of a panel; only the pixels of the scene that it shows are read.

    Args:
        scene: The open scene.
        grid: The tiles.
        panel: The panel.
        row: Number of the row of tiles.
        on_unreadable: As in `read_window`.

    Raises:
        DataError: The pixels cannot be decoded.
    """
    left, right = grid.tile_left(panel.first), grid.tile_left(panel.last - 1) + grid.tile_px
    rows, columns = grid.scene_positions(grid.tile_top(row), left, right)
    box = Box(int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
    image_HW3, valid_HW = read_window(scene, box, on_unreadable)
    rows, columns = rows - box.y0, columns - box.x0
    return TileRow(_placed(image_HW3, rows, columns), _placed(valid_HW, rows, columns), grid)


def _placed(pixels: NDArray[_Value], rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[_Value]:
    """Return the rows and columns of a window in some order, which most often is that of the window itself."""
    for axis, positions in enumerate((rows, columns)):
        if not np.array_equal(positions, np.arange(pixels.shape[axis])):
            pixels = pixels.take(positions, axis=axis)
    return pixels
