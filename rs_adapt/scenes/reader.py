"""Read a scene by window: GeoTIFF through rasterio, plain jpg/png through PIL (H/W pixels, C bands)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import rasterio
from numpy.typing import NDArray
from PIL import Image
from rasterio.enums import ColorInterp, Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from rs_adapt.errors import DataError, DataNotFound

PLAIN_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
METRES_PER_DEGREE = 111_320.0
# Scenes that are not 8-bit are stretched between these percentiles of a decimated read (band by band).
STRETCH_PCT = (2.0, 98.0)
STRETCH_READ_PX = 1024


class Box(NamedTuple):
    """A window in pixels: columns x0 to x1 and rows y0 to y1, the ends not included."""

    x0: int
    y0: int
    x1: int
    y1: int


@dataclass(frozen=True, kw_only=True)
class SceneInfo:
    """What a raster says about itself.

    `transform` holds the six numbers (a, b, c, d, e, f) of the affine pixel -> map transform, x = a*col + b*row + c and
    y = d*col + e*row + f. `crs` is the WKT of the reference system; `gsd_m` the ground size of a pixel in metres. Both
    are None where the raster has no georeference.
    """

    path: Path
    width_px: int
    height_px: int
    num_bands: int
    dtype: str
    crs: str | None
    transform: tuple[float, float, float, float, float, float]
    gsd_m: float | None
    nodata: float | None


class Scene:
    """An open raster; use it as a context manager.

    Args:
        path: a GeoTIFF (or any GDAL raster), or a plain .jpg / .png image without a georeference.
        bands: 1-based numbers of the bands that become red, green and blue. None takes the first three; a raster of
            one or two bands is shown in grey.
        stretch: values of the file that become 0 and 255, for scenes that must be shown alike. None leaves 8-bit scenes
            as they are and stretches others between their own percentiles.

    Raises:
        DataNotFound: the file does not exist.
        DataError: the file is not a readable image, is truncated, or has no such band.
    """

    def __init__(
        self, path: Path, *, bands: Sequence[int] | None = None, stretch: Sequence[float] | None = None
    ) -> None:
        self._source: _PlainImage | _Raster
        if not path.is_file():
            raise DataNotFound(f"There is no scene {path}: check the path.")
        self._source = _PlainImage(path) if path.suffix.lower() in PLAIN_SUFFIXES else _Raster(path)
        self.info = self._source.info
        count = self.info.num_bands
        self._bands = tuple(bands) if bands is not None else ((1, 2, 3) if count >= 3 else (1, 1, 1))
        if len(self._bands) != 3 or not all(1 <= band <= count for band in self._bands):
            self.close()
            raise DataError(f"{path} has bands 1 to {count}; given were {self._bands}. Name three of them.")
        self._fixed = stretch is not None
        self._stretch: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None
        if stretch is not None:
            low, high = stretch
            self._stretch = (np.full(3, low, dtype=np.float32), np.full(3, high, dtype=np.float32))

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
            box: the window in pixels, inside the scene; None reads all of it.

        Returns:
            Colours, uint8, shape (H, W, 3), and the valid mask, bool, shape (H, W): False where the nodata value, the
            mask band or the alpha band says that there is no image. Without a given stretch 8-bit scenes keep their
            values, and others are stretched linearly between the 2nd and 98th percentile of the whole scene, by band.

        Raises:
            DataError: the pixels cannot be decoded (truncated file).
        """
        bands_CHW, valid_HW = self._source.read(box or self.box, self._bands)
        if bands_CHW.dtype != np.uint8 or self._fixed:
            low_C, high_C = self._stretch_range()
            spread_C = np.maximum(high_C - low_C, 1e-6)
            scaled_CHW = (bands_CHW.astype(np.float32) - low_C[:, None, None]) / spread_C[:, None, None]
            bands_CHW = (np.nan_to_num(scaled_CHW).clip(0.0, 1.0) * 255.0).round().astype(np.uint8)
        return np.ascontiguousarray(bands_CHW.transpose(1, 2, 0)), valid_HW

    def read_classes(self, box: Box | None = None) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Read a window of a label raster whose first band holds class values (palette images: palette indices).

        Args:
            box: the window in pixels, inside the scene; None reads all of it.

        Returns:
            Class values, uint8, shape (H, W), and the valid mask, bool, shape (H, W).

        Raises:
            DataError: the raster has three colour bands, or values outside 0-255.
        """
        values_HW, valid_HW = self._source.read_values(box or self.box)
        if values_HW.dtype != np.uint8:
            bad = values_HW[valid_HW & ((values_HW < 0) | (values_HW > 255) | (values_HW % 1 != 0))]
            if bad.size:
                raise DataError(f"{self.info.path} holds the label value {bad[0]}: class values are whole, 0 to 255.")
            values_HW = np.where(valid_HW, values_HW, 0).astype(np.uint8)
        return values_HW, valid_HW

    def read_stored(self, box: Box, bands: Sequence[int]) -> NDArray[np.uint8]:
        """Read bands of a window as they are stored, whatever a mask, an alpha band or a nodata value says of them.

        Args:
            box: the window in pixels, inside the scene.
            bands: 1-based numbers; a band that is marked as alpha counts, too.

        Returns:
            Values, uint8, shape (H, W, C).

        Raises:
            DataError: the raster is not of 8 bit, has no such band, or cannot be decoded.
        """
        try:
            bands_CHW, _ = self._source.read(box, bands)
        except IndexError as error:
            raise DataError(f"{self.info.path} lacks one of the bands {list(bands)}.") from error
        if bands_CHW.dtype != np.uint8:
            raise DataError(f"{self.info.path} holds values of type {bands_CHW.dtype}; needed is uint8.")
        return np.ascontiguousarray(bands_CHW.transpose(1, 2, 0))

    def _stretch_range(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        if self._stretch is None:
            bands_CHW, valid_HW = self._source.read_small(self._bands)
            valid_CN = bands_CHW[:, valid_HW].astype(np.float32)
            if valid_CN.shape[1] == 0:
                valid_CN = np.zeros((3, 1), dtype=np.float32)
            low_C, high_C = np.nanpercentile(valid_CN, STRETCH_PCT, axis=1).astype(np.float32)
            self._stretch = (low_C, high_C)
        return self._stretch


class _PlainImage:
    """A jpg or png, decoded whole by PIL, which refuses truncated files (GDAL fills their missing rows with grey)."""

    def __init__(self, path: Path) -> None:
        try:
            with Image.open(path) as image:
                image.load()
                self._indices = np.array(image) if image.mode in ("P", "L", "1") or image.mode[0] in "IF" else None
                has_alpha = "A" in image.getbands() or "transparency" in image.info
                if has_alpha:
                    rgba_HW4 = np.array(image.convert("RGBA"))
                    self._valid, pixels_HWC = rgba_HW4[..., 3] > 0, rgba_HW4[..., :3]
                else:
                    deep = image.mode[0] in "IF"
                    pixels_HWC = np.array(image)[..., None] if deep else np.array(image.convert("RGB"))
                    self._valid = np.ones(pixels_HWC.shape[:2], dtype=bool)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise DataError(f"{path} cannot be read ({error}): the file is damaged, fetch it again.") from error
        self._bands_CHW = pixels_HWC.transpose(2, 0, 1)
        height_px, width_px = self._valid.shape
        self.info = SceneInfo(
            path=path,
            width_px=width_px,
            height_px=height_px,
            num_bands=self._bands_CHW.shape[0],
            dtype=str(pixels_HWC.dtype),
            crs=None,
            transform=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
            gsd_m=None,
            nodata=None,
        )

    def close(self) -> None:
        """Nothing is open."""

    def read(self, box: Box, bands: Sequence[int]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        part_CHW = self._bands_CHW[[band - 1 for band in bands], box.y0 : box.y1, box.x0 : box.x1]
        return part_CHW, self._valid[box.y0 : box.y1, box.x0 : box.x1].copy()

    def read_small(self, bands: Sequence[int]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        step = max(1, max(self._valid.shape) // STRETCH_READ_PX)
        return self._bands_CHW[[band - 1 for band in bands], ::step, ::step], self._valid[::step, ::step]

    def read_values(self, box: Box) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        if self._indices is None:
            raise DataError(f"{self.info.path} is a colour image: class values need one band, or a colour legend.")
        values_HW = self._indices.astype(np.uint8) if self._indices.dtype == bool else self._indices
        return values_HW[box.y0 : box.y1, box.x0 : box.x1], self._valid[box.y0 : box.y1, box.x0 : box.x1].copy()


class _Raster:
    """A GDAL raster, read window by window."""

    def __init__(self, path: Path) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NotGeoreferencedWarning)
                self._dataset = rasterio.open(path)
        except RasterioError as error:
            raise DataError(f"{path} cannot be read ({error}): give a GeoTIFF, .jpg or .png file.") from error
        dataset = self._dataset
        # An alpha band is a mask, not a colour.
        num_bands = sum(kind != ColorInterp.alpha for kind in dataset.colorinterp)
        self.info = SceneInfo(
            path=path,
            width_px=dataset.width,
            height_px=dataset.height,
            num_bands=num_bands,
            dtype=dataset.dtypes[0],
            crs=dataset.crs.to_wkt() if dataset.crs else None,
            transform=tuple(dataset.transform)[:6],
            gsd_m=_gsd_m(dataset),
            nodata=dataset.nodata,
        )

    def close(self) -> None:
        self._dataset.close()

    def read(self, box: Box, bands: Sequence[int]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        return self._read(bands, {"window": _window(box)})

    def read_small(self, bands: Sequence[int]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        shrink = max(1.0, max(self._dataset.shape) / STRETCH_READ_PX)
        shape = (max(1, int(self._dataset.height / shrink)), max(1, int(self._dataset.width / shrink)))
        return self._read(bands, {"out_shape": shape})

    def read_values(self, box: Box) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        if self.info.num_bands >= 3:
            raise DataError(f"{self.info.path} is a colour image: class values need one band, or a colour legend.")
        values_1HW, valid_HW = self._read((1,), {"window": _window(box)})
        return values_1HW[0], valid_HW

    def _read(self, bands: Sequence[int], where: dict[str, Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        mask_where = dict(where)
        if "out_shape" in where:
            where = {"out_shape": (len(bands), *where["out_shape"]), "resampling": Resampling.nearest}
        try:
            bands_CHW = self._dataset.read(list(bands), **where)
            valid_HW = self._dataset.dataset_mask(**mask_where) > 0
        except (RasterioError, OSError, ValueError) as error:
            raise DataError(f"{self.info.path} cannot be read ({error}): the file is damaged or cut off.") from error
        return bands_CHW, valid_HW


def _window(box: Box) -> Window:
    return Window(box.x0, box.y0, box.x1 - box.x0, box.y1 - box.y0)


def _gsd_m(dataset: rasterio.DatasetReader) -> float | None:
    """Side of a square with the pixel's ground area; degrees are turned to metres at the scene's centre."""
    if dataset.crs is None:
        return None
    t = dataset.transform
    side = math.sqrt(abs(t.a * t.e - t.b * t.d))
    if dataset.crs.is_geographic:
        latitude = t.d * dataset.width / 2 + t.e * dataset.height / 2 + t.f
        return side * METRES_PER_DEGREE * math.sqrt(max(math.cos(math.radians(latitude)), 0.0))
    return side * float(dataset.crs.linear_units_factor[1])
