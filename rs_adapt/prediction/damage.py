"""Blocks of a scene that cannot be read: named, and without data on the map, where that is wanted (pixels)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from rs_adapt.errors import DataError
from rs_adapt.scenes import Box
from rs_adapt.scenes.reader import STRETCH_READ_PX

if TYPE_CHECKING:
    from rs_adapt.scenes import Scene, SceneInfo

OnUnreadable = Callable[[Box], None]
# Blocks that a remark names.
_NAMED = 5


class Pixels(Protocol):
    """A scene as it is read by window: `Scene`, or what stands between it and the model."""

    @property
    def info(self) -> SceneInfo:
        """Facts of the scene."""

    @property
    def block_size(self) -> tuple[int, int]:
        """Columns and rows of the blocks in which the pixels are stored."""

    def read_rgb(self, box: Box | None = None) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Return colours, uint8 (H, W, 3), and where there are data, bool (H, W)."""


def read_window(
    scene: Pixels, box: Box, on_unreadable: OnUnreadable | None
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Read a window as `Scene.read_rgb` does; blocks of the file that cannot be read have no data, if that is wanted.

    Args:
        scene: The open scene.
        box: The window, inside the scene.
        on_unreadable: Called with each block of the file that cannot be read; None raises the error.

    Returns:
        RGB, uint8 (H, W, 3), and whether a pixel has data, bool (H, W).

    Raises:
        DataError: The pixels cannot be decoded, and `on_unreadable` is None.
    """
    try:
        return scene.read_rgb(box)
    except DataError as error:
        if on_unreadable is None:
            raise DataError(
                f"{error} What is predicted is saved; with --skip-errors the same command continues, and blocks that "
                "cannot be read have no data on the map."
            ) from error
    halves = _halves(box, scene.block_size)
    if not halves:
        on_unreadable(_block(box, scene))
        shape = (box.y1 - box.y0, box.x1 - box.x0)
        return np.zeros((*shape, 3), np.uint8), np.zeros(shape, np.bool_)
    (image, valid), (later_image, later_valid) = (read_window(scene, half, on_unreadable) for half in halves)
    axis = 0 if halves[0].x1 == halves[1].x1 else 1
    return np.concatenate([image, later_image], axis), np.concatenate([valid, later_valid], axis)


def require_sample(scene: Scene) -> None:
    """Refuse a scene that is stretched by itself and whose blocks cannot all be read: its percentiles are unknown.

    Raises:
        DataError: The sample that the percentiles are taken from cannot be read.
    """
    longest_px = max(scene.info.width_px, scene.info.height_px)
    try:
        scene.read_valid(math.ceil(longest_px / STRETCH_READ_PX))
    except DataError as error:
        raise DataError(
            f"{error} Its percentiles cannot be taken: give the values that become black and white with --stretch "
            "LOW,HIGH."
        ) from error


def describe_unreadable(boxes: Sequence[Box]) -> str:
    """Return a sentence that names the blocks of a scene that cannot be read."""
    named = "; ".join(
        f"columns {box.x0} to {box.x1 - 1}, rows {box.y0} to {box.y1 - 1}" for box in sorted(boxes)[:_NAMED]
    )
    rest = f"; and {len(boxes) - _NAMED} more" if len(boxes) > _NAMED else ""
    blocks = "1 block cannot be read and has" if len(boxes) == 1 else f"{len(boxes)} blocks cannot be read and have"
    return f"{blocks} no data on the map: {named}{rest}."


def _halves(box: Box, block_size: tuple[int, int]) -> list[Box]:
    """Divide a window between two blocks of the file, along the side with more of them; nothing for a single block."""
    wide, high = block_size
    columns, rows = ((last - 1) // side - first // side for first, last, side in _sides(box, wide, high))
    if columns == rows == 0:
        return []
    if rows >= columns:
        middle = (box.y0 // high + (rows + 1) // 2) * high
        return [box._replace(y1=middle), box._replace(y0=middle)]
    middle = (box.x0 // wide + (columns + 1) // 2) * wide
    return [box._replace(x1=middle), box._replace(x0=middle)]


def _sides(box: Box, wide: int, high: int) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    return (box.x0, box.x1, wide), (box.y0, box.y1, high)


def _block(box: Box, scene: Pixels) -> Box:
    """Return the whole block of the file in which a window lies."""
    wide, high = scene.block_size
    x0, y0 = box.x0 // wide * wide, box.y0 // high * high
    return Box(x0, y0, min(x0 + wide, scene.info.width_px), min(y0 + high, scene.info.height_px))
