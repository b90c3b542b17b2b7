"""Read a scene by window: GeoTIFF through rasterio, plain jpg/png through PIL (H/W pixels, C bands)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rs_adapt.errors import DataError, DataNotFound
from rs_adapt.scenes.sources import Box, PlainImage, Raster, is_plain

# Scenes that are not 8-bit are stretched between these percentiles of a decimated read (band by band).
STRETCH_PCT = (2.0, 98.0)
STRETCH_READ_PX = 1024


class Scene:
    """An open raster; use it as a context manager.

    Args:
        path: A GeoTIFF (or any GDAL raster), or a plain .jpg / .png image without a georeference.
        bands: 1-based numbers of the bands that become red, green and blue. None takes the first three; a raster of
            one or two bands is shown in grey.
        stretch: Values of the file that become 0 and 255, one pair each for red, green and blue, for scenes that must
            be shown alike. None leaves 8-bit scenes as they are and stretches others between their own percentiles.
        nodata: Value of pixels without data, in place of the one that the file declares; "none" for a scene whose
            pixels all have data. None for the file's.

    Raises:
        DataNotFound: The file does not exist.
        DataError: The file is not a readable image, is truncated, or has no such band.
    """

    def __init__(
        self,
        path: Path,
        *,
        bands: Sequence[int] | None = None,
        stretch: Sequence[Sequence[float]] | None = None,
        nodata: float | Literal["none"] | None = None,
    ) -> None:
        self._source: PlainImage | Raster
        if not path.is_file():
            raise DataNotFound(f"There is no scene {path}: check the path.")
        self._source = PlainImage(path) if is_plain(path) else Raster(path)
        self.info = self._source.info
        count = self.info.num_bands
        self._bands = tuple(bands) if bands is not None else ((1, 2, 3) if count >= 3 else (1, 1, 1))
        if len(self._bands) != 3 or not all(1 <= band <= count for band in self._bands):
            self.close()
            raise DataError(f"{path} has bands 1 to {count}, but {self._bands} were given. Name three of them.")
        self._nodata = nodata
        self._fixed = stretch is not None
        self._stretch: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None
        if stretch is not None:
            low_C, high_C = np.asarray(stretch, dtype=np.float32).T
            self._stretch = (low_C, high_C)

    def __enter__(self) -> Scene:
        """Return the scene itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._source.close()

    @property
    def box(self) -> Box:
        """The window that covers the whole scene."""
        return Box(0, 0, self.info.width_px, self.info.height_px)

    def read_rgb(self, box: Box | None = None) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Read a window as 8-bit RGB.

        Args:
            box: The window in pixels, inside the scene; None reads all of it.

        Returns:
            Colours, uint8, shape (H, W, 3), and the valid mask, bool, shape (H, W): False where the nodata value, the
            mask band or the alpha band says that there is no image, or a value is not a number. Without a given stretch
            8-bit scenes keep their values, and others are stretched linearly between the 2nd and 98th percentile of the
            whole scene, by band.

        Raises:
            DataError: The pixels cannot be decoded (truncated file).
        """
        bands_CHW, valid_HW = self._masked(*self._source.read(box or self.box, self._bands))
        if bands_CHW.dtype.kind == "f":
            valid_HW &= np.isfinite(bands_CHW).all(axis=0)
        if bands_CHW.dtype != np.uint8 or self._fixed:
            low_C, high_C = self._stretch_range()
            spread_C = np.maximum(high_C - low_C, 1e-6)
            scaled_CHW = (bands_CHW.astype(np.float32) - low_C[:, None, None]) / spread_C[:, None, None]
            bands_CHW = (np.nan_to_num(scaled_CHW).clip(0.0, 1.0) * 255.0).round().astype(np.uint8)
        return np.ascontiguousarray(bands_CHW.transpose(1, 2, 0)), valid_HW

    def read_classes(self, box: Box | None = None) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Read a window of a label raster whose first band holds class values (palette images: palette indices).

        Args:
            box: The window in pixels, inside the scene; None reads all of it.

        Returns:
            Class values, uint8, shape (H, W), and the valid mask, bool, shape (H, W).

        Raises:
            DataError: The raster has three colour bands, or values outside 0-255.
        """
        values_HW, valid_HW = self._source.read_values(box or self.box)
        valid_HW = self._masked(values_HW[None], valid_HW)[1]
        if values_HW.dtype != np.uint8:
            bad = values_HW[valid_HW & ((values_HW < 0) | (values_HW > 255) | (values_HW % 1 != 0))]
            if bad.size:
                raise DataError(f"{self.info.path} holds the label value {bad[0]}: class values are whole, 0 to 255.")
            values_HW = np.where(valid_HW, values_HW, 0).astype(np.uint8)
        return values_HW, valid_HW

    def read_stored(self, box: Box, bands: Sequence[int]) -> NDArray[np.uint8]:
        """Read bands of a window as they are stored, whatever a mask, an alpha band or a nodata value says of them.

        Args:
            box: The window in pixels, inside the scene.
            bands: 1-based numbers; a band that is marked as alpha counts, too.

        Returns:
            Values, uint8, shape (H, W, C).

        Raises:
            DataError: The raster is not of 8 bit, has no such band, or cannot be decoded.
        """
        try:
            bands_CHW, _ = self._source.read(box, bands)
        except IndexError as error:
            raise DataError(f"{self.info.path} lacks one of the bands {list(bands)}.") from error
        if bands_CHW.dtype != np.uint8:
            raise DataError(f"{self.info.path} holds values of type {bands_CHW.dtype}; needed is uint8.")
        return np.ascontiguousarray(bands_CHW.transpose(1, 2, 0))

    def read_valid(self, step_px: int) -> NDArray[Any]:
        """Read every `step_px`-th pixel of every `step_px`-th row, as stored, and keep those that are valid.

        Returns:
            Values, shape (3, N), in the file's type: finite, and neither nodata nor masked.

        Raises:
            DataError: The pixels cannot be decoded.
        """
        bands_CHW, valid_HW = self._masked(*self._source.read_small(self._bands, step_px))
        valid_CN = bands_CHW[:, valid_HW]
        return valid_CN[:, np.isfinite(valid_CN).all(axis=0)]

    def _masked(self, bands_CHW: NDArray[Any], valid_HW: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        if self._nodata is None:
            return bands_CHW, valid_HW
        if self._nodata == "none":
            return bands_CHW, np.ones_like(valid_HW)
        return bands_CHW, ~(bands_CHW == self._nodata).all(axis=0)

    def _stretch_range(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        if self._stretch is None:
            longest_px = max(self.info.width_px, self.info.height_px)
            valid_CN = self.read_valid(math.ceil(longest_px / STRETCH_READ_PX)).astype(np.float32)
            if valid_CN.shape[1] == 0:
                valid_CN = np.zeros((3, 1), dtype=np.float32)
            low_C, high_C = np.percentile(valid_CN, STRETCH_PCT, axis=1).astype(np.float32)
            self._stretch = (low_C, high_C)
        return self._stretch
