"""Where the image of a caption is, and its pixels as CLIP sees them. Loads no torch.

Shapes: H/W pixels.
"""

from __future__ import annotations

import io
import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rs_adapt import limits
from rs_adapt.errors import DataError, DataNotFound
from rs_adapt.pictures import open_picture

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


@dataclass(frozen=True, kw_only=True)
class ImagePlace:
    """The place of an image: a file, a part of a tar, or a part of either image.

    Attributes:
        path: The file, or the tar.
        member: Name of the image in the tar; empty for a file of its own.
        offset: First byte of the image in the tar.
        size: Its bytes in the tar.
        box: Left, top, width and height of the part that is looked at, px; None for all of it.
    """

    path: Path
    member: str = ""
    offset: int = 0
    size: int = 0
    box: tuple[int, int, int, int] | None = None

    def whole(self) -> ImagePlace:
        """Return the place of the whole image."""
        return replace(self, box=None)

    def __str__(self) -> str:
        """Return the file's name for messages."""
        return f"{self.path}/{self.member}" if self.member else str(self.path)


def read_square(place: ImagePlace, side_px: int, *, crop: random.Random | None = None) -> NDArray[np.uint8]:
    """Return an image as CLIP sees it: the shorter side resized (bicubic) and the middle square cut, RGB (H, W, 3).

    Args:
        place: Where the image is.
        side_px: Side of the square.
        crop: Draws a square of 90 to 100 % of the shorter side's area anywhere in the image instead of the middle one,
            as CLIP is fine-tuned; None for the middle. There is no flip, because captions say left and right.

    Raises:
        DataNotFound: There is no such file.
        DataError: It is no image, or damaged; names the file.
    """
    try:
        with open_picture(io.BytesIO(read_content(place))) as picture:
            image = picture.convert("RGB")
    except FileNotFoundError as failure:
        raise DataNotFound(
            f"There is no image {place}. Check the folder of images and the paths in the list."
        ) from failure
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as failure:
        raise DataError(
            f"{place} cannot be read as an image ({failure}): replace it, or leave it out of the list."
        ) from failure
    if place.box is not None:
        x, y, width, height = place.box
        right, bottom = min(x + width, image.width), min(y + height, image.height)
        if not (0 <= x < right and 0 <= y < bottom):
            raise DataError(f"{place}: the part {place.box} lies outside the image: correct the list.")
        image = image.crop((x, y, right, bottom))
    shorter = min(image.size)
    side = shorter if crop is None else max(1, round(shorter * crop.uniform(0.9, 1.0) ** 0.5))
    left, top = (image.width - side) / 2, (image.height - side) / 2
    if crop is not None:
        left, top = crop.randint(0, image.width - side), crop.randint(0, image.height - side)
    square = image.resize((side_px, side_px), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side))
    pixels: NDArray[Any] = np.asarray(square)
    return pixels


def read_content(place: ImagePlace) -> bytes:
    """Return the bytes of an image's file, or of its part of a tar.

    Raises:
        OSError: It is missing, cannot be read, or is larger than `limits.ZIPPED_IMAGE_BYTES`.
    """
    size = place.size if place.member else place.path.stat().st_size
    if size > limits.ZIPPED_IMAGE_BYTES:
        raise OSError(f"it has {size / 2**20:.0f} MiB, and {limits.ZIPPED_IMAGE_BYTES / 2**20:.0f} are allowed")
    with place.path.open("rb") as file:
        file.seek(place.offset)
        return file.read(size)
