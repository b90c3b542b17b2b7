"""A scene at a different ground size: pixels averaged or interpolated, window by window (H/W pixels)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rasterio.transform import Affine

from rs_adapt.errors import ConfigError, DataError
from rs_adapt.scenes import Box

if TYPE_CHECKING:
    from rs_adapt.scenes import Scene, SceneInfo

# Pixels may become this many times larger or smaller; beyond it nothing of the scene is left, or nothing new in it.
_MOST = 32.0
# Source pixels a side that are in memory at once.
_READ_PX = 512
# Source pixels of a band in one row of such windows: GDAL keeps them decoded, also where a file stores whole rows.
_ROW_PX = 1 << 23


class ResampledScene:
    """A scene at a different pixel size, over the same ground.

    Each pixel is a mean of the scene's, weighted by a triangle that is two pixels of the coarser one of both grids wide
    (bilinear, and without aliasing where pixels become larger). Pixels without data have no weight; a pixel has data
    where at least half of the weight has. Apart from rounding, a pixel does not depend on the window that is read.

    Args:
        scene: The scene.
        gsd_m: Ground size of a pixel in metres; rounded so that whole pixels cover the scene.

    Raises:
        DataError: The ground size of the scene's pixels is not known.
        ConfigError: It differs from the wanted size by more than 32 times.
    """

    def __init__(self, scene: Scene, gsd_m: float) -> None:
        self._scene = scene
        info = scene.info
        if info.gsd_m is None:
            raise DataError(
                f"{info.path} does not state the size of its pixels on the ground, which --gsd needs: write its "
                "reference system into the file (gdal_edit -a_srs EPSG:...), or leave out --gsd."
            )
        ratio = gsd_m / info.gsd_m
        if not 1 / _MOST <= ratio <= _MOST:
            raise ConfigError(
                f"--gsd is {gsd_m:g} m, and the pixels of {info.path} have {info.gsd_m:g} m. Allowed: up to "
                f"{_MOST:g} times larger or smaller."
            )
        width_px, height_px = (max(1, round(side_px / ratio)) for side_px in (info.width_px, info.height_px))
        self._steps = (info.width_px / width_px, info.height_px / height_px)
        transform = Affine(*info.transform) @ Affine.scale(*self._steps) if info.has_place else Affine(*info.transform)
        self.info: SceneInfo = replace(
            info,
            width_px=width_px,
            height_px=height_px,
            transform=tuple(transform)[:6],
            gsd_m=info.gsd_m * math.sqrt(self._steps[0] * self._steps[1]),
        )

    @property
    def block_size(self) -> tuple[int, int]:
        """Columns and rows that the blocks of the file have in pixels of this size, at least one."""
        columns, rows = (
            max(1, math.ceil(side_px / step)) for side_px, step in zip(self._scene.block_size, self._steps, strict=True)
        )
        return columns, rows

    def read_rgb(self, box: Box | None = None) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Return colours of a window, uint8 (H, W, 3), and where there are data, bool (H, W)."""
        box = box or Box(0, 0, self.info.width_px, self.info.height_px)
        image_HW3 = np.empty((box.y1 - box.y0, box.x1 - box.x0, 3), dtype=np.uint8)
        valid_HW = np.empty(image_HW3.shape[:2], dtype=bool)
        source_width_px = math.ceil((box.x1 - box.x0) * self._steps[0])
        source_px = (_READ_PX, min(_READ_PX, max(1, _ROW_PX // source_width_px)))
        side_x, side_y = (
            max(1, int(side_px / max(step, 1.0))) for side_px, step in zip(source_px, self._steps, strict=True)
        )
        for y0 in range(box.y0, box.y1, side_y):
            for x0 in range(box.x0, box.x1, side_x):
                part = Box(x0, y0, min(x0 + side_x, box.x1), min(y0 + side_y, box.y1))
                place = np.s_[y0 - box.y0 : part.y1 - box.y0, x0 - box.x0 : part.x1 - box.x0]
                image_HW3[place], valid_HW[place] = self._read(part)
        return image_HW3, valid_HW

    def _read(self, part: Box) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        source = self._scene.info
        x0, across_Ww = _weights(part.x0, part.x1, self._steps[0], source.width_px)
        y0, down_Hh = _weights(part.y0, part.y1, self._steps[1], source.height_px)
        image_hw3, valid_hw = self._scene.read_rgb(Box(x0, y0, x0 + across_Ww.shape[1], y0 + down_Hh.shape[1]))
        data_hw = valid_hw.astype(np.float32)
        weight_HW = down_Hh @ data_hw @ across_Ww.T
        image_HW3 = np.zeros((*weight_HW.shape, 3), dtype=np.uint8)
        with np.errstate(divide="ignore", invalid="ignore"):
            for band in range(3):
                mean_HW = down_Hh @ (image_hw3[..., band] * data_hw) @ across_Ww.T / weight_HW
                image_HW3[..., band] = np.nan_to_num(mean_HW).round().clip(0, 255)
        # Weights of a pixel sum to 1 up to rounding.
        return image_HW3, weight_HW >= 0.5 - 1e-4


def _weights(start: int, stop: int, step: float, size_px: int) -> tuple[int, NDArray[np.float32]]:
    """Return the first pixel that a run of coarser or finer ones needs, and the weights of it and those after it.

    Args:
        start: First pixel of the run.
        stop: Pixel after its last.
        step: Source pixels from one to the next.
        size_px: Source pixels in all.

    Returns:
        A position, and float32 weights, shape (stop - start, number of source pixels), each row with the sum 1.
    """
    centres_N = (np.arange(start, stop) + 0.5) * step - 0.5
    reach = max(step, 1.0)
    first = max(0, math.ceil(centres_N[0] - reach))
    last = min(size_px - 1, math.floor(centres_N[-1] + reach))
    distance_NM = np.abs(np.arange(first, last + 1) - centres_N[:, None])
    weights_NM = np.clip(1.0 - distance_NM / reach, 0.0, None)
    return first, (weights_NM / weights_NM.sum(axis=1, keepdims=True)).astype(np.float32)
