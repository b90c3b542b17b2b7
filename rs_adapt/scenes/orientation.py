"""How a stored image is turned to be shown, as EXIF and TIFF say by a number from 1 to 8 (H/W pixels)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import ImageFileDirectory_v2
from rasterio.transform import Affine

from rs_adapt.scenes.sources import Box

ORIENTATION_TAG = 274
# Orientation -> whether rows and columns change places, and whether stored columns and rows run backwards.
_TURNS = {
    1: (False, False, False),
    2: (False, True, False),
    3: (False, True, True),
    4: (False, False, True),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


@dataclass(frozen=True)
class Orientation:
    """The way from pixels as they are shown to pixels as they are stored.

    Attributes:
        width_px: Columns as stored.
        height_px: Rows as stored.
        number: 1 to 8, as EXIF numbers them; any other number counts as 1.
    """

    width_px: int
    height_px: int
    number: int = 1

    @property
    def _turn(self) -> tuple[bool, bool, bool]:
        return _TURNS.get(self.number, _TURNS[1])

    @property
    def is_swapped(self) -> bool:
        """Whether stored rows are shown as columns."""
        return self._turn[0]

    @property
    def shown_size(self) -> tuple[int, int]:
        """Width and height as shown, in pixels."""
        size = (self.width_px, self.height_px)
        return size[::-1] if self._turn[0] else size

    def stored_box(self, box: Box) -> Box:
        """Return where the pixels of a shown window are stored."""
        swap, backward_columns, backward_rows = self._turn
        x0, y0, x1, y1 = (box.y0, box.x0, box.y1, box.x1) if swap else box
        if backward_columns:
            x0, x1 = self.width_px - x1, self.width_px - x0
        if backward_rows:
            y0, y1 = self.height_px - y1, self.height_px - y0
        return Box(x0, y0, x1, y1)

    def shown_point(self, x: float, y: float) -> tuple[float, float]:
        """Return where a point of the stored image lies in the shown one, both in pixels from the upper left corner."""
        swap, backward_columns, backward_rows = self._turn
        x = self.width_px - x if backward_columns else x
        y = self.height_px - y if backward_rows else y
        return (y, x) if swap else (x, y)

    def show(self, stored_HW: NDArray[Any]) -> NDArray[Any]:
        """Turn stored pixels, shape (..., H, W), to the way they are shown; no pixel is copied."""
        swap, backward_columns, backward_rows = self._turn
        if backward_rows:
            stored_HW = stored_HW[..., ::-1, :]
        if backward_columns:
            stored_HW = stored_HW[..., ::-1]
        return np.swapaxes(stored_HW, -1, -2) if swap else stored_HW

    def place(self, transform: Affine) -> Affine:
        """Return the transform of shown pixels to the map from that of stored pixels."""
        swap, backward_columns, backward_rows = self._turn
        turn = Affine(0, 1, 0, 1, 0, 0) if swap else Affine.identity()
        if backward_columns:
            turn = Affine(-1, 0, self.width_px, 0, 1, 0) @ turn
        if backward_rows:
            turn = Affine(1, 0, 0, 0, -1, self.height_px) @ turn
        # Without a place, there is none to turn.
        return transform if self.number == 1 or transform.is_identity else transform @ turn


def image_orientation(image: Image.Image) -> int:
    """Return the EXIF orientation of an open picture without decoding it; 1 where it has none."""
    exif = Image.Exif()
    exif.load(image.info.get("exif", b""))
    return _checked(exif.get(ORIENTATION_TAG))


def file_orientation(path: Path, driver: str) -> int:
    """Return the orientation that a raster of GDAL states, which GDAL leaves out; 1 where it has none.

    Args:
        path: The file.
        driver: Name of the GDAL driver that reads it.
    """
    if driver == "GTiff":
        return _tiff_orientation(path)
    try:
        # Opened by its class, an image of any size is taken: only its header is read.
        if driver == "JPEG":
            with JpegImageFile(path) as jpg:
                return image_orientation(jpg)
        if driver == "PNG":
            with PngImageFile(path) as png:
                return image_orientation(png)
    except (OSError, SyntaxError, ValueError):
        pass
    return 1


def stated_orientation(path: Path) -> int:
    """Return the orientation that a file states, by the ending of its name; 1 where it states none."""
    drivers = {".tif": "GTiff", ".tiff": "GTiff", ".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}
    return file_orientation(path, drivers.get(path.suffix.lower(), ""))


def _tiff_orientation(path: Path) -> int:
    try:
        with path.open("rb") as file:
            start = file.read(8)
            if start[2:3] == b"\x2b" or start[3:4] == b"\x2b":
                start += file.read(8)
            directory = ImageFileDirectory_v2(start)
            file.seek(directory.next)
            directory.load(file)
        return _checked(directory.get(ORIENTATION_TAG))
    except (OSError, SyntaxError, ValueError, KeyError, TypeError, OverflowError):
        # Another format behind the ending, or a directory that GDAL knows better how to read.
        return 1


def _checked(number: object) -> int:
    return number if isinstance(number, int) and number in _TURNS else 1
