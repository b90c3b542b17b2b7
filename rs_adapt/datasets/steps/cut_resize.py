"""A part of an enlarged or reduced image, of which the pixels beyond are not computed."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np


def rows_below(end: int, size: int, resized: int) -> int:
    """Return how many first rows (or columns) of an image the first rows of the resized image are computed from.

    Args:
        end: Number of rows of the resized image, from its first on.
        size: Rows of the image.
        resized: Rows of the resized image.
    """
    # Bilinear: a row is made of the two around its place. One more, so that none is taken for the last of the image.
    return min(size, math.ceil(end * size / resized) + 2)


def resize_upper_left(
    image_HWC: np.ndarray[Any, Any], shape: tuple[int, int], resized: tuple[int, int], end: tuple[int, int]
) -> np.ndarray[Any, Any]:
    """Return the upper left part of a resized image, bit for bit as `cv2.resize` gives it with bilinear interpolation.

    The part begins at the corner because the places between pixels depend on the distance from there.

    Args:
        image_HWC: The image, of which rows and columns beyond `rows_below` may be missing.
        shape: Height and width of the whole image.
        resized: Height and width to which the whole image would be resized.
        end: Rows and columns of the part, at most `resized`.
    """
    rows, columns = (rows_below(last, size, new) for last, size, new in zip(end, shape, resized, strict=True))
    if (rows, columns) == shape:
        return np.asarray(cv2.resize(image_HWC, resized[::-1], interpolation=cv2.INTER_LINEAR))
    # The factors of the whole, which those of the part's own sizes are not.
    down, right = resized[0] / shape[0], resized[1] / shape[1]
    part = cv2.resize(image_HWC[:rows, :columns], None, fx=right, fy=down, interpolation=cv2.INTER_LINEAR)
    return np.asarray(part)
