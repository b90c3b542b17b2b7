"""A jpg, png or bmp, decoded whole by PIL (H/W pixels, C bands)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rs_adapt.errors import DataError
from rs_adapt.pictures import open_picture
from rs_adapt.scenes.georeference import pixel_size_m, plain_georeference
from rs_adapt.scenes.masks import Nodata, equals_nodata, looks_like_alpha
from rs_adapt.scenes.orientation import Orientation, image_orientation
from rs_adapt.scenes.sampling import sample_positions
from rs_adapt.scenes.sources import Box, SceneInfo, require_one_band

PLAIN_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
PNG = b"\x89PNG"
# Modes of PIL with values deeper than 8 bit start with these.
DEEP = "IF"
# Modes of PIL with an alpha channel.
_ALPHA_MODES = ("LA", "La", "PA", "RGBA", "RGBa")
# Larger images are read by windows through GDAL: decoding this one takes about 300 MiB.
MAX_PX = 1 << 25


class PlainImage:
    """A jpg, png or bmp, decoded whole by PIL, which refuses truncated files (GDAL fills their missing rows with grey).

    Args:
        path: The file.
        bands: Bands that are asked for as data: the alpha channel, number 4, is no mask then.
        nodata: As in `Scene`.

    Raises:
        DataError: It cannot be decoded.
    """

    def __init__(self, path: Path, *, bands: Sequence[int] | None = None, nodata: Nodata = None) -> None:
        self._path = path
        try:
            with open_picture(path) as image:
                image.load()
                number, mode = image_orientation(image), image.mode
                channels_CHW, alpha_HW, values_HW = _decode(image, path)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise DataError(f"{path} cannot be read ({error}): the file is damaged, fetch it again.") from error
        height_px, width_px = channels_CHW.shape[1:]
        orientation = Orientation(width_px, height_px, number)
        is_mask = False
        if alpha_HW is not None and 4 not in (bands or ()):
            # Transparent colours and values, as of a palette, are no band that could hold measurements.
            is_mask = mode not in _ALPHA_MODES or looks_like_alpha(alpha_HW, lambda: channels_CHW)
        if alpha_HW is not None and not is_mask:
            channels_CHW = np.concatenate([channels_CHW, alpha_HW[None]])
        self._bands_CHW = orientation.show(channels_CHW)
        self._values_HW = None if values_HW is None else orientation.show(values_HW)
        self._num_value_bands = (1 if values_HW is not None else 3) + (alpha_HW is not None and not is_mask)
        alpha = orientation.show(alpha_HW) if is_mask and alpha_HW is not None else None
        self._opaque_HW = None if alpha is None or nodata == "none" else alpha > 0
        self._nodata = None if nodata == "none" else nodata
        self.last_band = len(self._bands_CHW) + is_mask
        place = plain_georeference(path)
        self.info = SceneInfo(
            path=path,
            width_px=orientation.shown_size[0],
            height_px=orientation.shown_size[1],
            num_bands=len(self._bands_CHW),
            dtype=str(channels_CHW.dtype),
            crs=place.crs.to_wkt() if place.crs else None,
            transform=tuple(orientation.place(place.transform))[:6],
            gsd_m=pixel_size_m(place, width_px, height_px),
            nodata=self._nodata,
            place_fault=place.fault,
        )

    @property
    def colour_bands(self) -> tuple[int, int, int]:
        """Bands that are red, green and blue where nobody chooses them."""
        return (1, 2, 3) if self.info.num_bands >= 3 else (1, 1, 1)

    @property
    def block_size(self) -> tuple[int, int]:
        """Columns and rows of the image, which is one block."""
        return self.info.width_px, self.info.height_px

    def close(self) -> None:
        """Nothing is open."""

    def read(self, box: Box, bands: Sequence[int]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Bands of a window, shape (C, H, W), and the valid mask, shape (H, W)."""
        part_CHW = self.read_stored(box, bands)
        return part_CHW, self._valid(part_CHW, (slice(box.y0, box.y1), slice(box.x0, box.x1)))

    def read_stored(self, box: Box, bands: Sequence[int]) -> NDArray[Any]:
        """Bands of a window as they are stored, shape (C, H, W)."""
        return self._bands_CHW[[band - 1 for band in bands], box.y0 : box.y1, box.x0 : box.x1]

    def read_sample(self, bands: Sequence[int], step_px: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Every `step_px`-th pixel of every `step_px`-th row, and their valid mask."""
        rows, columns = (sample_positions(side_px, step_px) for side_px in self._bands_CHW.shape[1:])
        few = (rows[:, None], columns)
        sample_CHW = self._bands_CHW[[band - 1 for band in bands]][(slice(None), *few)]
        return sample_CHW, self._valid(sample_CHW, few)

    def read_values(self, box: Box) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Class values of a window, shape (H, W), and the valid mask."""
        require_one_band(self._path, self._num_value_bands)
        window = (slice(box.y0, box.y1), slice(box.x0, box.x1))
        assert self._values_HW is not None
        values_HW = self._values_HW[window]
        return values_HW, self._valid(values_HW[None], window)

    def _valid(self, bands_CHW: NDArray[Any], pixels: tuple[Any, Any]) -> NDArray[np.bool_]:
        valid_HW = ~equals_nodata(bands_CHW, [self._nodata] * len(bands_CHW))
        return valid_HW if self._opaque_HW is None else valid_HW & self._opaque_HW[pixels]


def is_plain(path: Path) -> bool:
    """Return whether PIL reads a file losslessly: a jpg, png or bmp, but no 16-bit colour png."""
    if path.suffix.lower() != ".png":
        return path.suffix.lower() in PLAIN_SUFFIXES
    depth, kind = _png_kind(path)
    return not (depth == 16 and kind != 0)


def _decode(image: Image.Image, path: Path) -> tuple[NDArray[Any], NDArray[Any] | None, NDArray[Any] | None]:
    """Return the colours of a picture (C, H, W), its transparency, and its values where it has one band of them."""
    has_alpha = "A" in image.getbands() or "transparency" in image.info
    if image.mode[0] in DEEP:
        values_HW = np.array(image)
        key = image.info.get("transparency")
        alpha_HW = None if key is None else np.where(values_HW == key, 0, 255).astype(np.uint8)
        return values_HW[None], alpha_HW, values_HW
    values: NDArray[Any] | None = None
    if image.mode in ("P", "L", "1"):
        values = np.array(image)
        values = values.astype(np.uint8) if values.dtype == bool else values
        if image.mode == "L" and (depth := _png_kind(path)[0]) in (2, 4):
            # PIL widens shallow greys to 0..255.
            values = values // (255 // (2**depth - 1))
    elif image.mode in ("LA", "PA"):
        values = np.array(image)[..., 0]
    if not has_alpha:
        return np.array(image.convert("RGB")).transpose(2, 0, 1), None, values
    rgba_4HW = np.array(image.convert("RGBA")).transpose(2, 0, 1)
    return rgba_4HW[:3], rgba_4HW[3], values


def _png_kind(path: Path) -> tuple[int, int]:
    """Return the bits and the colour type of a png; (0, 0) for another file."""
    with path.open("rb") as file:
        start = file.read(26)
    return (start[24], start[25]) if start.startswith(PNG) and len(start) == 26 else (0, 0)
