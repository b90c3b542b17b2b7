"""The sensor model, from the ground to the file: light, haze, blur, noise and the footprint (H/W pixels)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from rs_adapt.datasets.synthetic import fields
from rs_adapt.datasets.synthetic.fields import Field
from rs_adapt.datasets.synthetic.regions import Region


def expose(rng: np.random.Generator, region: Region, ground_HW3: Field) -> NDArray[np.uint8]:
    """Turn painted ground into 8-bit RGB, shape (H, W, 3), values 1-255 (0 is left to nodata)."""
    size_px = ground_HW3.shape[0]
    light = (1 + rng.normal(0, 0.09)) * (1 + 0.04 * fields.noise(rng, size_px, size_px / 2, 1))
    gain = np.asarray(region.gain, dtype=np.float32) / 256 * rng.normal(1, 0.035, 3).astype(np.float32)
    image = ground_HW3 * light[..., None].astype(np.float32) * gain
    haze = region.haze * np.clip(1 + 0.35 * fields.noise(rng, size_px, size_px / 3, 2), 0.2, 2)[..., None]
    image = image * (1 - haze) + np.asarray(region.haze_rgb, dtype=np.float32) * haze
    image = cv2.GaussianBlur(image.astype(np.float32), (0, 0), region.blur_px)
    image = image + region.noise * rng.standard_normal(image.shape, dtype=np.float32)
    return np.asarray(np.clip(np.round(image), 1, 255), dtype=np.uint8)


def footprint(rng: np.random.Generator, size_px: int) -> NDArray[np.bool_]:
    """Return the ground that the sensor saw, (H, W): a slightly turned quadrilateral with an uneven edge."""
    angle = rng.uniform(-0.045, 0.045)
    half = size_px / 2
    shrink = rng.uniform(0.97, 1.03, 4)
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half * shrink[:, None]
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    mask = np.zeros((size_px, size_px), dtype=np.uint8)
    cv2.fillPoly(mask, [np.round(corners @ turn + half).astype(np.int32)], 1)
    inset = np.zeros_like(mask)
    inset[3:-3, 3:-3] = 1
    return np.asarray(mask & inset, dtype=bool)
