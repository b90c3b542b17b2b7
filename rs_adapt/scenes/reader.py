"""Read a scene by window as 8-bit RGB, class values or painted colours (H/W pixels, C bands)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rs_adapt.errors import DataError
from rs_adapt.scenes.masks import Nodata
from rs_adapt.scenes.opening import open_source
from rs_adapt.scenes.sampling import percentile_ranges
from rs_adapt.scenes.sources import Box

# Of a scene that is stretched by itself, about this many pixels a side are looked at.
STRETCH_READ_PX = 1024
# Floats that are larger cannot be told from their neighbours.
_LARGEST_CODE = 2.0**53


class Scene:
    """An open raster; use it as a context manager.

    Args:
        path: A GeoTIFF (or any GDAL raster), or a .jpg / .png image with or without a world file.
        bands: 1-based numbers of the bands that become red, green and blue. None takes those that the file marks as
            such, else the first three; a raster of one or two bands is shown in grey, a palette in its colours. A band
            that is marked as alpha is data if it is named here, or if its values are not those of a transparency.
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
        nodata: Nodata = None,
    ) -> None:
        self._source = open_source(path, bands=bands, nodata=nodata)
        self.info = self._source.info
        self._bands = tuple(bands) if bands is not None else self._source.colour_bands
        last = self._source.last_band
        if len(self._bands) != 3 or not all(1 <= band <= last for band in self._bands):
            self.close()
            raise DataError(f"{path} has bands 1 to {last}, but {self._bands} were given. Name three of them.")
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

    @property
    def block_size(self) -> tuple[int, int]:
        """Columns and rows of the blocks in which the file stores its pixels."""
        return self._source.block_size

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
        bands_CHW, valid_HW = self._source.read(box or self.box, self._bands)
        if bands_CHW.dtype != np.uint8 or self._fixed:
            low_C, high_C = self._stretch_range()
            spread_C = np.maximum(high_C - low_C, 1e-6)
            # Pixels without data may hold the smallest float, or none.
            with np.errstate(over="ignore", invalid="ignore"):
                scaled_CHW = (bands_CHW.astype(np.float32) - low_C[:, None, None]) / spread_C[:, None, None]
            bands_CHW = (np.nan_to_num(scaled_CHW).clip(0.0, 1.0) * 255.0).round().astype(np.uint8)
        return np.ascontiguousarray(bands_CHW.transpose(1, 2, 0)), valid_HW

    def read_classes(self, box: Box | None = None) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Read a window of a label raster whose one band holds class values (palette images: palette indices).

        Args:
            box: The window in pixels, inside the scene; None reads all of it.

        Returns:
            Class values, uint8, shape (H, W), and the valid mask, bool, shape (H, W).

        Raises:
            DataError: The raster has several bands, or values outside 0-255.
        """
        codes_HW, valid_HW = self.read_codes(box)
        bad = codes_HW[valid_HW & ((codes_HW < 0) | (codes_HW > 255))]
        if bad.size:
            raise DataError(f"{self.info.path} holds the label value {bad[0]}: class values are whole, 0 to 255.")
        return codes_HW.astype(np.uint8), valid_HW

    def read_codes(self, box: Box | None = None) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Read a window of a label raster whose one band holds whole numbers of any size and sign.

        Args:
            box: The window in pixels, inside the scene; None reads all of it.

        Returns:
            Numbers, int64, shape (H, W), and the valid mask, bool, shape (H, W). Integers keep their value where they
            are not valid; numbers that are not finite are 0 there.

        Raises:
            DataError: The raster has several bands, or fractions.
        """
        values_HW, valid_HW = self._source.read_values(box or self.box)
        if values_HW.dtype.kind == "f":
            valid_N = values_HW[valid_HW]
            bad = valid_N[valid_N % 1 != 0]
            if bad.size:
                raise DataError(f"{self.info.path} holds the label value {bad[0]:g}: class values are whole numbers.")
            values_HW = np.where(np.abs(values_HW) < _LARGEST_CODE, values_HW, 0)
        return values_HW.astype(np.int64), valid_HW

    def read_colours(self, box: Box | None = None) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Read a window of a painted label: its colours as they are, never stretched.

        Args:
            box: The window in pixels, inside the scene; None reads all of it.

        Returns:
            Colours, uint8, shape (H, W, 3), and the valid mask, bool, shape (H, W). Colours of 16 bit that were widened
            from 8 (multiples of 257) are narrowed again.

        Raises:
            DataError: The raster holds what is no colour of 8 bit.
        """
        bands_CHW, valid_HW = self._source.read(box or self.box, self._bands)
        if bands_CHW.dtype != np.uint8:
            bands_CHW = np.where(valid_HW, bands_CHW, 0)
            is_wide_CHW = (bands_CHW > 255) & (bands_CHW % 257 == 0) & (bands_CHW <= 65535)
            bands_CHW = np.where(is_wide_CHW, bands_CHW // 257, bands_CHW)
            bad = bands_CHW[(bands_CHW < 0) | (bands_CHW > 255) | (bands_CHW % 1 != 0)]
            if bad.size:
                raise DataError(
                    f"{self.info.path} holds {bad[0]:g} in a band: colours are whole numbers, 0 to 255. Is it a label "
                    'of kind = "values"?'
                )
        return np.ascontiguousarray(bands_CHW.transpose(1, 2, 0).astype(np.uint8)), valid_HW

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
            bands_CHW = self._source.read_stored(box, bands)
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
        bands_CHW, valid_HW = self._source.read_sample(self._bands, step_px)
        return bands_CHW[:, valid_HW]

    def _stretch_range(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        if self._stretch is None:
            longest_px = max(self.info.width_px, self.info.height_px)
            valid_CN = self.read_valid(math.ceil(longest_px / STRETCH_READ_PX)).astype(np.float32)
            # Without any valid pixel nothing is shown, whatever the range is.
            ranges = (
                percentile_ranges(valid_CN, str(self.info.path), of_scene=True) if valid_CN.size else [[0.0, 1.0]] * 3
            )
            low_C, high_C = np.asarray(ranges, dtype=np.float32).T
            self._stretch = (low_C, high_C)
        return self._stretch
