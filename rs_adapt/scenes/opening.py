"""Open a scene's file: small jpg, png and bmp through PIL, everything else through GDAL."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from rs_adapt.errors import DataError, DataNotFound
from rs_adapt.pictures import open_picture
from rs_adapt.scenes import plain
from rs_adapt.scenes.masks import Nodata
from rs_adapt.scenes.orientation import Orientation, image_orientation
from rs_adapt.scenes.plain import PlainImage
from rs_adapt.scenes.raster import Raster


class StoredForm(NamedTuple):
    """The way an image is stored: type of its values (`deep` for a plain image of more than 8 bit), bands; its size.

    The size is that of the image as it is shown; see `Orientation`. `byte_range` is what 0 and 255 mean in an image of
    8 bit that scale and offset turn into fractions; None for all others.
    """

    dtype: str
    width_px: int
    height_px: int
    num_bands: int
    byte_range: tuple[float, float] | None = None


def open_source(path: Path, *, bands: Sequence[int] | None = None, nodata: Nodata = None) -> PlainImage | Raster:
    """Open the file of a scene.

    Raises:
        DataNotFound: There is no such file.
        DataError: It cannot be read.
    """
    require_file(path)
    if _is_read_whole(path):
        return PlainImage(path, bands=bands, nodata=nodata)
    return Raster(path, bands=bands, nodata=nodata)


def require_file(path: Path) -> None:
    """Refuse a path that is no file.

    Raises:
        DataNotFound: There is nothing, a folder, or a link to nowhere.
    """
    if path.is_file():
        return
    if path.is_dir():
        raise DataNotFound(f"{path} is a folder, and a scene is a file: rename it, or choose files by pattern.")
    if path.is_symlink():
        raise DataNotFound(f"{path} is a link to {path.readlink()}, which does not exist: fix or remove the link.")
    raise DataNotFound(f"There is no scene {path}: check the path.")


def stored_form(path: Path) -> StoredForm:
    """Return the way an image is stored, without decoding its pixels where the file allows it.

    Raises:
        DataNotFound: There is no such file.
        DataError: It is not a readable image.
    """
    require_file(path)
    if _is_read_whole(path):
        with open_picture(path) as image:
            deep = image.mode[0] in plain.DEEP
            size_px = Orientation(image.width, image.height, image_orientation(image)).shown_size
            return StoredForm("deep" if deep else "uint8", *size_px, 1 if deep else 3)
    raster = Raster(path)
    byte_range = raster.byte_range
    raster.close()
    info = raster.info
    return StoredForm(info.dtype, info.width_px, info.height_px, info.num_bands, byte_range)


def _is_read_whole(path: Path) -> bool:
    """Return whether PIL reads a file: a jpg, png or bmp that is not large, whatever its ending promises.

    Raises:
        DataError: Neither PIL nor GDAL can open it.
    """
    if not plain.is_plain(path):
        return False
    try:
        with warnings.catch_warnings():
            # PIL warns of large images, and refuses still larger ones; both are read through GDAL.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with open_picture(path) as image:
                return image.width * image.height <= plain.MAX_PX
    except Image.DecompressionBombError:
        return False
    except (OSError, SyntaxError, ValueError) as error:
        try:
            Raster(path).close()
        except DataError:
            raise DataError(f"{path} cannot be read ({error}): the file is damaged, fetch it again.") from error
        return False
