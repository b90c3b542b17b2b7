"""Sources of a scene's pixels: a plain jpg/png through PIL, or a raster through GDAL (H/W pixels, C bands)."""

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

from rs_adapt.errors import DataError

PLAIN_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
METRES_PER_DEGREE = 111_320.0
PNG = b"\x89PNG"
# Modes of PIL with values deeper than 8 bit start with these.
DEEP = "IF"


class Box(NamedTuple):
    """A window in pixels: columns x0 to x1 and rows y0 to y1, the ends not included."""

    x0: int
    y0: int
    x1: int
    y1: int


@dataclass(frozen=True, kw_only=True)
class SceneInfo:
    """Facts of a raster.

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


class PlainImage:
    """A jpg or png, decoded whole by PIL, which refuses truncated files (GDAL fills their missing rows with grey)."""

    def __init__(self, path: Path) -> None:
        try:
            with Image.open(path) as image:
                image.load()
                self._indices = np.array(image) if image.mode in ("P", "L", "1") or image.mode[0] in DEEP else None
                has_alpha = "A" in image.getbands() or "transparency" in image.info
                if has_alpha:
                    rgba_HW4 = np.array(image.convert("RGBA"))
                    self._valid, pixels_HWC = rgba_HW4[..., 3] > 0, rgba_HW4[..., :3]
                else:
                    deep = image.mode[0] in DEEP
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
        """Bands of a window, shape (C, H, W), and the valid mask, shape (H, W)."""
        part_CHW = self._bands_CHW[[band - 1 for band in bands], box.y0 : box.y1, box.x0 : box.x1]
        return part_CHW, self._valid[box.y0 : box.y1, box.x0 : box.x1].copy()

    def read_small(self, bands: Sequence[int], step_px: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Every `step_px`-th pixel of every `step_px`-th row, and their valid mask."""
        few = (slice(None, None, step_px),) * 2
        return self._bands_CHW[([band - 1 for band in bands], *few)], self._valid[few]

    def read_values(self, box: Box) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Class values of a window, shape (H, W), and the valid mask."""
        if self._indices is None:
            raise DataError(f"{self.info.path} is a colour image: class values need one band, or a colour legend.")
        values_HW = self._indices.astype(np.uint8) if self._indices.dtype == bool else self._indices
        return values_HW[box.y0 : box.y1, box.x0 : box.x1], self._valid[box.y0 : box.y1, box.x0 : box.x1].copy()


class Raster:
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
        """Close the file."""
        self._dataset.close()

    def read(self, box: Box, bands: Sequence[int]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Bands of a window, shape (C, H, W), and the valid mask, shape (H, W)."""
        return self._read(bands, {"window": _window(box)})

    def read_small(self, bands: Sequence[int], step_px: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Every `step_px`-th pixel of every `step_px`-th row, and their valid mask."""
        height, width = (math.ceil(side / step_px) for side in self._dataset.shape)
        return self._read(bands, {"out_shape": (height, width)})

    def read_values(self, box: Box) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Class values of a window, shape (H, W), and the valid mask."""
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


def is_plain(path: Path) -> bool:
    """Return whether PIL reads a file losslessly: a jpg, png or bmp, but no 16-bit colour png."""
    if path.suffix.lower() != ".png":
        return path.suffix.lower() in PLAIN_SUFFIXES
    with path.open("rb") as file:
        start = file.read(26)
    depth, kind = start[24:25], start[25:26]
    return not (start.startswith(PNG) and depth == b"\x10" and kind != b"\x00")


def stored_form(path: Path) -> tuple[str, int, int]:
    """Type of the values, width and height of an image, without decoding its pixels where the file allows it.

    Raises:
        DataError: The file is not a readable image.
    """
    if is_plain(path):
        try:
            with Image.open(path) as image:
                return ("deep" if image.mode[0] in DEEP else "uint8"), image.width, image.height
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise DataError(f"{path} cannot be read ({error}): the file is damaged, fetch it again.") from error
    raster = Raster(path)
    raster.close()
    return raster.info.dtype, raster.info.width_px, raster.info.height_px
