"""A raster through GDAL, read window by window (H/W pixels, C bands)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from rs_adapt.errors import DataError
from rs_adapt.scenes.drivers import SETTINGS
from rs_adapt.scenes.gdal_files import open_raster
from rs_adapt.scenes.georeference import pixel_size_m, read_georeference
from rs_adapt.scenes.masks import Nodata, equals_nodata, equals_sentinel, looks_like_alpha
from rs_adapt.scenes.mosaic import covered
from rs_adapt.scenes.orientation import Orientation, file_orientation
from rs_adapt.scenes.sampling import sample_positions, spread_windows
from rs_adapt.scenes.sources import Box, SceneInfo, require_one_band

# GDAL only warns of a jpg that ends too soon, also as part of a VRT, and fills its missing rows with grey.
_STRICT = {**SETTINGS, "GDAL_ERROR_ON_LIBJPEG_WARNING": "YES"}
_COLOURS = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
# Bands of other ways to store colours, which are not what red, green and blue show.
_FOREIGN_COLOURS = {
    ColorInterp.cyan,
    ColorInterp.magenta,
    ColorInterp.yellow,
    ColorInterp.black,
    ColorInterp.hue,
    ColorInterp.saturation,
    ColorInterp.lightness,
    ColorInterp.Y,
    ColorInterp.Cb,
    ColorInterp.Cr,
}
# Pixels of each band that a sample reads at once, at most, in whole rows.
_STRIP_PX = 1 << 22


class Raster:
    """A GDAL raster, read window by window.

    Args:
        path: The file.
        bands: Bands that are asked for as data; one of them that is marked as alpha is no mask then.
        nodata: As in `Scene`.

    Raises:
        DataError: GDAL cannot open it, or it holds no bands of real numbers.
    """

    def __init__(self, path: Path, *, bands: Sequence[int] | None = None, nodata: Nodata = None) -> None:
        self._path, self._nodata = path, nodata
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NotGeoreferencedWarning)
                self._dataset = open_raster(path)
        except (RasterioError, CPLE_BaseError) as error:
            raise DataError(f"{path} cannot be read ({error}): give a GeoTIFF, .jpg or .png file.") from error
        try:
            self._read_facts(bands or ())
        except (RasterioError, CPLE_BaseError, UnicodeDecodeError) as error:
            # GDAL opens a file whose tags are damaged, and complains as each is asked for.
            raise DataError(f"{path} cannot be read ({error}): its header is damaged, fetch it again.") from error

    def _read_facts(self, bands: Sequence[int]) -> None:
        path, dataset = self._path, self._dataset
        if not dataset.count:
            raise DataError(f"{path} is a container of several rasters: export the one that you mean as a GeoTIFF.")
        if any("complex" in dtype for dtype in dataset.dtypes):
            raise DataError(f"{path} holds complex numbers: give their magnitude, or bands of real numbers.")
        self._orientation = Orientation(dataset.width, dataset.height, file_orientation(path, dataset.driver))
        self._mask_flags = dataset.mask_flag_enums
        self._alpha = self._find_alpha(bands)
        self._data_bands = [band for band in range(1, dataset.count + 1) if band != self._alpha]
        self._palette_N4 = _palette(dataset) if len(self._data_bands) == 1 else None
        self.last_band = dataset.count if self._palette_N4 is None else 3
        self.info = self._facts()

    def _facts(self) -> SceneInfo:
        dataset, orientation = self._dataset, self._orientation
        place = read_georeference(dataset, self._path)
        width_px, height_px = orientation.shown_size
        dtype = dataset.dtypes[self._data_bands[0] - 1] if self._data_bands else dataset.dtypes[0]
        if self._palette_N4 is not None:
            dtype = "uint8"
        elif self._is_scaled(self._data_bands):
            dtype = "float32"
        return SceneInfo(
            path=self._path,
            width_px=width_px,
            height_px=height_px,
            num_bands=len(self._data_bands) if self._palette_N4 is None else 3,
            dtype=dtype,
            crs=place.crs.to_wkt() if place.crs else None,
            transform=tuple(orientation.place(place.transform))[:6],
            gsd_m=pixel_size_m(place, dataset.width, dataset.height),
            nodata=dataset.nodata if self._nodata is None else None if self._nodata == "none" else self._nodata,
            place_fault=place.fault,
        )

    @property
    def colour_bands(self) -> tuple[int, int, int]:
        """Bands that are red, green and blue where nobody chooses them.

        Raises:
            DataError: The file marks its bands as colours of a different kind.
        """
        if self._palette_N4 is not None:
            return (1, 2, 3)
        marks = self._dataset.colorinterp
        if foreign := [mark.name for mark in marks if mark in _FOREIGN_COLOURS]:
            raise DataError(
                f"{self._path} stores its colours as {', '.join(foreign)}: convert it to red, green and blue, or state "
                "which bands are shown as these (bands)."
            )
        if all(colour in marks for colour in _COLOURS):
            red, green, blue = (marks.index(colour) + 1 for colour in _COLOURS)
        elif len(self._data_bands) >= 3:
            red, green, blue = self._data_bands[:3]
        else:
            red = green = blue = self._data_bands[0]
        return red, green, blue

    @property
    def byte_range(self) -> tuple[float, float] | None:
        """What the stored values 0 and 255 mean, where all bands are of 8 bit and share a scale and an offset."""
        stored = {
            (self._dataset.dtypes[n - 1], self._dataset.scales[n - 1], self._dataset.offsets[n - 1])
            for n in self._data_bands
        }
        if len(stored) > 1 or not self._is_scaled(self._data_bands):
            return None
        ((dtype, scale, offset),) = stored
        return (offset, offset + 255 * scale) if dtype == "uint8" and scale > 0 else None

    @property
    def block_size(self) -> tuple[int, int]:
        """Columns and rows of the blocks in which the pixels are stored, as they are shown."""
        height_px, width_px = self._dataset.block_shapes[0]
        return (height_px, width_px) if self._orientation.is_swapped else (width_px, height_px)

    def close(self) -> None:
        """Close the file."""
        self._dataset.close()

    def read(self, box: Box, bands: Sequence[int]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Bands of a window with their scale and offset applied, shape (C, H, W), and the valid mask, shape (H, W)."""
        bands_CHW, valid_HW = self._read(self._orientation.stored_box(box), bands)
        return self._orientation.show(bands_CHW), self._orientation.show(valid_HW)

    def read_sample(self, bands: Sequence[int], step_px: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Every `step_px`-th pixel of every `step_px`-th row, and their valid mask, never from an overview."""
        height_px, width_px = self._dataset.shape
        rows, columns = (sample_positions(side_px, step_px) for side_px in (height_px, width_px))
        block_px = self._dataset.block_shapes[0][0]
        strip_px = min(block_px if step_px > 1 else max(block_px, 256), max(1, _STRIP_PX // width_px))
        parts, masks = [], []
        for strip in np.unique(rows // strip_px):
            of_strip = rows[rows // strip_px == strip]
            y0, y1 = int(of_strip[0]), int(of_strip[-1]) + 1
            bands_CHW, valid_HW = self._read(Box(0, y0, width_px, y1), bands)
            parts.append(bands_CHW[:, (of_strip - y0)[:, None], columns])
            masks.append(valid_HW[(of_strip - y0)[:, None], columns])
        return np.concatenate(parts, axis=1), np.concatenate(masks)

    def read_stored(self, box: Box, bands: Sequence[int]) -> NDArray[Any]:
        """Bands of a window as they are stored, shape (C, H, W): no colours of a palette, no scale and offset."""
        return self._orientation.show(self._raw(self._orientation.stored_box(box), list(bands)))

    def read_values(self, box: Box) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Class values of a window (palette images: palette indices), shape (H, W), and the valid mask."""
        require_one_band(self._path, len(self._data_bands))
        stored = self._orientation.stored_box(box)
        raw_1HW = self._raw(stored, self._data_bands)
        valid_HW = self._valid(raw_1HW, self._data_bands, stored)
        return self._orientation.show(self._scaled(raw_1HW, self._data_bands)[0]), self._orientation.show(valid_HW)

    def _read(self, box: Box, bands: Sequence[int]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        if self._palette_N4 is not None:
            raw_1HW = self._raw(box, self._data_bands)
            valid_HW = self._valid(raw_1HW, self._data_bands, box)
            rgba_HW4 = self._palette_N4[np.minimum(raw_1HW[0].astype(np.intp), len(self._palette_N4) - 1)]
            return rgba_HW4.transpose(2, 0, 1)[[band - 1 for band in bands]], valid_HW & (rgba_HW4[..., 3] > 0)
        distinct = sorted(set(bands))
        raw_CHW = self._raw(box, distinct)
        valid_HW = self._valid(raw_CHW, distinct, box)
        if self._nodata != "none":
            valid_HW &= ~equals_sentinel(raw_CHW)
        scaled_CHW = self._scaled(raw_CHW, distinct)
        return scaled_CHW if distinct == list(bands) else scaled_CHW[[distinct.index(band) for band in bands]], valid_HW

    def _raw(self, box: Box, bands: list[int], *, masks: bool = False) -> NDArray[Any]:
        dataset = self._dataset
        try:
            with rasterio.Env(**_STRICT):
                read = dataset.read_masks if masks else dataset.read
                raw_CHW: NDArray[Any] = read(bands, window=_window(box))
                return raw_CHW
        except (RasterioError, CPLE_BaseError, OSError, ValueError) as error:
            reason = error.__cause__ or error
            raise DataError(f"{self._path} cannot be read ({reason}): the file is damaged or cut off.") from error

    def _valid(self, raw_CHW: NDArray[Any], bands: list[int], box: Box) -> NDArray[np.bool_]:
        if self._nodata == "none":
            return ~equals_nodata(raw_CHW, [None] * len(bands))
        # A mask file, or a mask in the file, says more than a nodata value: GDAL leaves that out, too.
        masked = [band for band in bands if _has_own_mask(self._mask_flags[band - 1])]
        declared = [None if masked else self._dataset.nodatavals[band - 1] for band in bands]
        valid_HW = ~equals_nodata(raw_CHW, declared if self._nodata is None else [float(self._nodata)] * len(bands))
        if masked:
            valid_HW &= (self._raw(box, masked, masks=True) > 0).all(axis=0)
        if self._dataset.driver == "VRT" and (covered_HW := covered(self._path, bands, box)) is not None:
            valid_HW &= covered_HW
        if self._alpha is not None and self._alpha not in bands:
            valid_HW &= self._raw(box, [self._alpha])[0] > 0
        return valid_HW

    def _is_scaled(self, bands: Sequence[int]) -> bool:
        return any((self._dataset.scales[band - 1], self._dataset.offsets[band - 1]) != (1.0, 0.0) for band in bands)

    def _scaled(self, raw_CHW: NDArray[Any], bands: Sequence[int]) -> NDArray[Any]:
        if not self._is_scaled(bands):
            return raw_CHW
        scales, offsets = self._dataset.scales, self._dataset.offsets
        pairs = zip(raw_CHW, bands, strict=True)
        # Pixels without data may hold the largest float.
        with np.errstate(over="ignore", invalid="ignore"):
            return np.stack([raw_HW * scales[n - 1] + offsets[n - 1] for raw_HW, n in pairs]).astype(np.float32)

    def _find_alpha(self, asked: Sequence[int]) -> int | None:
        """Return the number of the band that is a transparency; None where there is none."""
        marks = self._dataset.colorinterp
        if ColorInterp.alpha not in marks or (band := marks.index(ColorInterp.alpha) + 1) in asked:
            return None
        if len(marks) == 1:
            return None
        windows = spread_windows(self._dataset.width, self._dataset.height)
        others = [number for number in range(1, len(marks) + 1) if number != band]

        def sample(bands: list[int]) -> NDArray[Any]:
            return np.concatenate([self._raw(box, bands).reshape(len(bands), -1) for box in windows], axis=1)

        return band if looks_like_alpha(sample([band])[0], lambda: sample(others)) else None


def _has_own_mask(flags: Sequence[MaskFlags]) -> bool:
    """Return whether a band has a mask that is neither an alpha band nor made of a nodata value."""
    return not {MaskFlags.alpha, MaskFlags.nodata, MaskFlags.all_valid} & {*flags}


def _palette(dataset: rasterio.DatasetReader) -> NDArray[np.uint8] | None:
    """Return the colours (red, green, blue, alpha) of the values 0, 1, 2 ... of a palette image."""
    if dataset.colorinterp[0] != ColorInterp.palette:
        return None
    try:
        colours = dataset.colormap(1)
    except ValueError:
        return None
    # Values beyond the palette are black.
    palette_N4 = np.zeros((max(colours) + 2, 4), dtype=np.uint8)
    palette_N4[-1] = (0, 0, 0, 255)
    for value, rgba in colours.items():
        palette_N4[value] = rgba
    return palette_N4


def _window(box: Box) -> Window:
    return Window(box.x0, box.y0, box.x1 - box.x0, box.y1 - box.y0)
