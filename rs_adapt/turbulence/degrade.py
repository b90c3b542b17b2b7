"""Low-resolution images of velocity fields, and symmetries of the plane (C components, H/W pixels, s factor).

Both operators place a coarse pixel at the centre of the s x s fine pixels that it covers, so that interpolation by the
same factor puts every value back in its place.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from rs_adapt.errors import DataError

Image = NDArray[np.floating]


class Degradation(StrEnum):
    """Operators from a fine image to a coarse one.

    `box`, the mean of s x s pixels, is what a finite-volume grid and the interrogation window of particle image
    velocimetry measure, and needs no periodic image. `spectral` keeps the modes below the coarse grid's Nyquist
    wavenumber unchanged and drops the rest: the sharp filter of large-eddy simulation, for periodic images only.
    """

    BOX = "box"
    SPECTRAL = "spectral"


def degrade(image_CHW: Image, scale: int, operator: Degradation = Degradation.BOX) -> NDArray[np.float32]:
    """Return the coarse image (C, H / s, W / s).

    Args:
        image_CHW: The fine image; periodic for `spectral`.
        scale: The factor s.
        operator: The operator.

    Raises:
        DataError: A side is not a multiple of the factor.
    """
    channels, height, width = image_CHW.shape
    if height % scale or width % scale:
        raise DataError(
            f"An image of {height} x {width} pixels has no coarse image at factor {scale}: both sides must be "
            f"multiples of it. Crop the images to {height // scale * scale} x {width // scale * scale}."
        )
    rows, columns = height // scale, width // scale
    if operator is Degradation.BOX:
        blocks = image_CHW.reshape(channels, rows, scale, columns, scale)
        return np.asarray(blocks.mean(axis=(2, 4)), np.float32)
    return np.asarray(_cut_off(image_CHW, rows, columns, shift=(scale - 1) / 2), np.float32)


def _cut_off(image_CHW: Image, rows: int, columns: int, *, shift: float) -> Image:
    height, width = image_CHW.shape[1:]
    coefficients = np.fft.fft2(image_CHW.astype(np.float64))
    ky, kx = np.fft.fftfreq(height, 1 / height), np.fft.fftfreq(width, 1 / width)
    # Values at the centres of the coarse pixels, which lie (s - 1) / 2 fine pixels from the first sample.
    phase = np.exp(2j * np.pi * shift * (ky[:, None] / height + kx[None, :] / width))
    # Rounded, because 1 / n is: of 98 rows the last wavenumber would be a little more than 49.
    coarse_y, coarse_x = (np.rint(np.fft.fftfreq(size, 1 / size)).astype(int) for size in (rows, columns))
    chosen = (coefficients * phase)[:, coarse_y[:, None], coarse_x[None, :]]
    # The mode at the Nyquist wavenumber of the coarse grid has no partner there.
    chosen[:, 2 * np.abs(coarse_y) == rows] = 0
    chosen[:, :, 2 * np.abs(coarse_x) == columns] = 0
    return np.asarray(np.fft.ifft2(chosen).real * (rows * columns / (height * width)))


def transform_plane(image_CHW: Image, *, turns: int, is_mirrored: bool) -> Image:
    """Return a velocity image (u, v, w) after quarter turns and a mirror, vectors included.

    u points along the columns (x) and v along the rows (y), as in an array of samples `[y, x]`. Divergence is carried
    along unchanged, which turning the pixels alone would not do.

    Args:
        image_CHW: The image, 3 components.
        turns: Number of quarter turns that take x to y.
        is_mirrored: Whether x is reversed before the turns.
    """
    u, v, w = image_CHW
    if is_mirrored:
        u, v, w = -u[:, ::-1], v[:, ::-1], w[:, ::-1]
    for _ in range(turns % 4):
        # The turned field at (x, y) is the vector (-v, u) of the field at (y, -x).
        u, v, w = (np.rot90(part, -1) for part in (-v, u, w))
    return np.ascontiguousarray(np.stack([u, v, w]))
