"""Measures of a reconstructed velocity image beside the true one (C components, H/W pixels); torch-free.

All take `(C, H, W)` arrays in the same unit, and none depends on that unit except through a stated range.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from rs_adapt.errors import DataError

Image = NDArray[np.floating]

# Gaussian window of SSIM (Wang et al., IEEE TIP 13(4), 2004): 11 x 11, deviation 1.5, constants 0.01 and 0.03.
SSIM_WINDOW_PX = 11
_SSIM_SIGMA_PX = 1.5
_SSIM_K = 0.01, 0.03
# Where the rounding of float32 begins.
MAX_PSNR_DB = 140.0
# Shells below this part of the true image's energy are rounding, as beyond the dealiased modes of a simulation.
SPECTRUM_FLOOR = 1e-8


@dataclass(frozen=True, kw_only=True)
class Measures:
    """Measures of one image.

    Attributes:
        psnr_db: Peak signal-to-noise ratio, decibels, over all components.
        ssim: Structural similarity, mean of the components.
        divergence: RMS of the difference of in-plane divergences over the RMS of the true in-plane velocity gradient;
            None of colours, and where the true velocity is the same everywhere.
        spectrum_dex: RMS over wavenumbers of the difference of log10 energy spectra, all wavenumbers; None where the
            true image has one value, such as a tile without data.
        resolved_dex: The same up to the coarse grid's Nyquist wavenumber.
        subgrid_dex: The same beyond it; None where the true image has no energy there.
    """

    psnr_db: float
    ssim: float
    divergence: float | None
    spectrum_dex: float | None
    resolved_dex: float | None
    subgrid_dex: float | None


def measure(
    image_CHW: Image,
    truth_CHW: Image,
    *,
    scale: int,
    value_range: float,
    is_periodic: bool,
    is_velocity: bool = True,
) -> Measures:
    """Return all measures of an image.

    Args:
        image_CHW: The reconstructed image.
        truth_CHW: The true one.
        scale: Factor between the sides of true and coarse image.
        value_range: Largest minus smallest value of the training images: the peak of PSNR and the range of SSIM.
        is_periodic: Whether the images continue at their borders; see `energy_spectrum`.
        is_velocity: Whether the first two components are a velocity in the image's plane, which has a divergence.

    Raises:
        DataError: See `ssim`.
    """
    image, truth = np.asarray(image_CHW, np.float64), np.asarray(truth_CHW, np.float64)
    resolved, subgrid = spectrum_distances(image, truth, scale=scale, is_periodic=is_periodic)
    every = np.concatenate([resolved, subgrid])
    return Measures(
        psnr_db=psnr_db(image, truth, value_range),
        ssim=ssim(image, truth, value_range),
        divergence=divergence_error(image, truth) if is_velocity else None,
        spectrum_dex=_rms(every),
        resolved_dex=_rms(resolved),
        subgrid_dex=_rms(subgrid),
    )


def psnr_db(image_CHW: Image, truth_CHW: Image, value_range: float) -> float:
    """Return `10 log10(range^2 / MSE)`, at most `MAX_PSNR_DB`, which equal images have."""
    mse = float(((image_CHW - truth_CHW) ** 2).mean())
    least = value_range**2 * 10 ** (-MAX_PSNR_DB / 10)
    return 10 * math.log10(value_range**2 / max(mse, least))


def ssim(image_CHW: Image, truth_CHW: Image, value_range: float) -> float:
    """Return the structural similarity, mean over the windows that lie inside the image and over components.

    Raises:
        DataError: The image is smaller than the window.
    """
    if min(image_CHW.shape[1:]) < SSIM_WINDOW_PX:
        raise DataError(
            f"SSIM needs images of at least {SSIM_WINDOW_PX} x {SSIM_WINDOW_PX} pixels; this one has "
            f"{image_CHW.shape[1]} x {image_CHW.shape[2]}."
        )
    half = SSIM_WINDOW_PX // 2

    def blur(values_CHW: Image) -> Image:
        sigma = (0, _SSIM_SIGMA_PX, _SSIM_SIGMA_PX)
        radius = (0, half, half)
        return np.asarray(ndimage.gaussian_filter(values_CHW, sigma, radius=radius)[:, half:-half, half:-half])

    c1, c2 = ((k * value_range) ** 2 for k in _SSIM_K)
    mean_a, mean_b = blur(image_CHW), blur(truth_CHW)
    var_a, var_b = blur(image_CHW**2) - mean_a**2, blur(truth_CHW**2) - mean_b**2
    covariance = blur(image_CHW * truth_CHW) - mean_a * mean_b
    likeness = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return float((likeness / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))).mean())


def divergence_error(image_CHW: Image, truth_CHW: Image) -> float | None:
    """Return the RMS of `div(image) - div(truth)` over the RMS of the true in-plane gradient of (u, v).

    A slice through a three-dimensional incompressible flow has `du/dx + dv/dy = -dw/dz`, so the difference is the
    divergence that the image has between the true neighbouring slices; through a two-dimensional one it is the
    image's own. Central differences on the pixels inside the border; 0 is exact. None where the truth has no gradient.
    """
    difference, scale = _gradients(image_CHW - truth_CHW), _gradients(truth_CHW)
    divergence = difference[0] + difference[3]
    squares = float(sum((part**2).mean() for part in scale))
    return float(np.sqrt((divergence**2).mean() / squares)) if squares else None


def _gradients(image_CHW: Image) -> tuple[Image, Image, Image, Image]:
    """Return du/dx, du/dy, dv/dx, dv/dy a pixel, (H - 2, W - 2)."""
    u, v = image_CHW[:2]
    du_dx, dv_dx = ((part[1:-1, 2:] - part[1:-1, :-2]) / 2 for part in (u, v))
    du_dy, dv_dy = ((part[2:, 1:-1] - part[:-2, 1:-1]) / 2 for part in (u, v))
    return du_dx, du_dy, dv_dx, dv_dy


def energy_spectrum(image_CHW: Image, *, is_periodic: bool) -> Image:
    """Return the energy in shells of the wavenumber 0, 1, ..., min(H, W) // 2 of the image's plane, all components.

    A shell k holds the modes with `|k| in [k - 1/2, k + 1/2)`, wavenumbers counted over the shorter side. The sum over
    all modes is `<u^2> / 2`. An image that is not periodic is freed of its mean and multiplied by a Hann window.
    """
    height, width = image_CHW.shape[1:]
    image = np.asarray(image_CHW, np.float64)
    if not is_periodic:
        window_HW = np.hanning(height)[:, None] * np.hanning(width)[None, :]
        image = (image - image.mean(axis=(1, 2), keepdims=True)) * window_HW / np.sqrt((window_HW**2).mean())
    energy_HW = 0.5 * (np.abs(np.fft.fft2(image) / (height * width)) ** 2).sum(axis=0)
    shorter = min(height, width)
    ky, kx = np.fft.fftfreq(height) * shorter, np.fft.fftfreq(width) * shorter
    shell_HW = np.floor(np.hypot(ky[:, None], kx[None, :]) + 0.5).astype(int)
    energy = np.bincount(shell_HW.ravel(), energy_HW.ravel())[: shorter // 2 + 1]
    return np.asarray(energy, np.float64)


def spectrum_distances(image_CHW: Image, truth_CHW: Image, *, scale: int, is_periodic: bool) -> tuple[Image, Image]:
    """Return the differences of log10 energy spectra at resolved and at subgrid wavenumbers.

    Resolved are those from 1 to the coarse grid's Nyquist wavenumber. Shells in which the true image has less than
    `SPECTRUM_FLOOR` of its energy are left out.
    """
    image, truth = (energy_spectrum(part, is_periodic=is_periodic) for part in (image_CHW, truth_CHW))
    wavenumbers = np.arange(truth.size)
    floor = SPECTRUM_FLOOR * truth.sum()
    counted = (wavenumbers >= 1) & (truth > floor)
    if not counted.any():
        return np.zeros(0), np.zeros(0)
    # An image without any energy in a shell is as far off as the floor is.
    distance = np.log10(np.maximum(image, floor * 1e-4)) - np.log10(np.maximum(truth, floor))
    is_resolved = wavenumbers <= min(truth_CHW.shape[1:]) / scale / 2
    return distance[counted & is_resolved], distance[counted & ~is_resolved]


def _rms(values: Image) -> float | None:
    return float(np.sqrt((values**2).mean())) if values.size else None
