"""Mix an image with a random convolution of itself: texture and colour change at random, shapes stay.

Shapes: H/W pixels, k kernel side, O/I bands out and in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from rs_adapt.datasets.sample import Sample
from rs_adapt.ranges import POSITIVE, SHARE, Range, check_numbers, check_ranges
from rs_adapt.registry import TRANSFORMS

# The paper's pool of kernel sides, pixels.
KERNEL_SIDES = (1, 3, 5, 7)
_GREY = Range(least=0, most=255)


@TRANSFORMS.register_module()
class RandomConvolution(BaseTransform):  # type: ignore[misc]
    """Mixes `img` (H, W, 3, uint8 or float) with a random convolution of itself.

    `x' = a x + (1 - a) (w * x)` with `a ~ U(0, 1)`, a kernel side k drawn evenly from 1, 3, 5 and 7 and weights
    `w ~ N(0, 1 / (3 k^2))` of shape (3, 3, k, k): the mixing variant of RandConv (Xu et al., Robust and Generalizable
    Visual Representation Learning via Random Convolutions, arXiv 2007.13003). One draw for each image.

    `x` is the normalised image, since the variance of the weights is the one that keeps the variance of an image with
    mean 0; of grey levels from 0 to 255 the convolution would be mostly a random offset. The result is given back in
    grey levels as float32, neither rounded nor clipped, for the preprocessor to normalise: the step belongs behind all
    that expect grey levels from 0 to 255. Beyond the image's border x is 0, the mean colour.

    Departs from the paper: pixels that are 0 in all bands lie outside a scene's footprint and stay 0; kernels are drawn
    for an image, not for a batch, so that a sample depends on seed and position alone; no consistency loss.

    Args:
        prob: Chance that an image is changed, 0 to 1.
        mean: The mean of the normalisation, RGB, grey levels.
        std: The standard deviation of the normalisation, RGB, grey levels, above 0.

    Raises:
        ConfigError: A number is out of its range.
    """

    def __init__(self, *, prob: float, mean: Sequence[float], std: Sequence[float]) -> None:
        check_ranges("RandomConvolution", prob=(prob, SHARE))
        check_numbers("RandomConvolution", _GREY, {"mean": mean}, length=3)
        check_numbers("RandomConvolution", POSITIVE, {"std": std}, length=3)
        self.prob = prob
        # Images are BGR here.
        self.mean_3, self.std_3 = (np.asarray(values, np.float32)[::-1] for values in (mean, std))

    def transform(self, results: Sample) -> Sample:
        """Change `img` of one sample, to float32, or leave it as it is."""
        if np.random.random() >= self.prob:  # noqa: NPY002 - what mmcv's transforms draw from
            return results
        image_HWC = results["img"]
        kernel_OIkk = draw_kernel()
        share = np.float32(np.random.random())  # noqa: NPY002
        normalised_HWC = (image_HWC.astype(np.float32) - self.mean_3) / self.std_3
        mixed_HWC = share * normalised_HWC + (1 - share) * convolve(normalised_HWC, kernel_OIkk)
        mixed_HWC = mixed_HWC * self.std_3 + self.mean_3
        mixed_HWC[~image_HWC.any(axis=2)] = 0
        results["img"] = mixed_HWC
        return results


def draw_kernel() -> np.ndarray[Any, Any]:
    """Return weights (3, 3, k, k), float32, of a random convolution, from numpy's global generator."""
    side_px = int(np.random.choice(KERNEL_SIDES))  # noqa: NPY002
    scale = 1 / np.sqrt(3 * side_px**2)
    kernel_OIkk: np.ndarray[Any, Any] = np.random.normal(0, scale, (3, 3, side_px, side_px))  # noqa: NPY002
    return kernel_OIkk.astype(np.float32)


def convolve(image_HWI: np.ndarray[Any, Any], kernel_OIkk: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the convolution of an image as neural networks know it, without flipped kernels and with zeros around it.

    Args:
        image_HWI: Float32.
        kernel_OIkk: Float32, k odd.

    Returns:
        (H, W, O) float32.
    """
    bands = [np.ascontiguousarray(band_HW) for band_HW in np.moveaxis(image_HWI, 2, 0)]

    def filtered(band_HW: np.ndarray[Any, Any], kernel_kk: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        result_HW: np.ndarray[Any, Any] = cv2.filter2D(band_HW, -1, kernel_kk, borderType=cv2.BORDER_CONSTANT)
        return result_HW

    return np.stack(
        [
            np.sum([filtered(band_HW, kernel_kk) for band_HW, kernel_kk in zip(bands, kernel_Ikk, strict=True)], axis=0)
            for kernel_Ikk in kernel_OIkk
        ],
        axis=2,
    )
