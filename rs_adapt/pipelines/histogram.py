"""Match the histograms of an image to those of a reference, band by band."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from rs_adapt.datasets.sample import Sample
from rs_adapt.pipelines.reference import ReferencePool
from rs_adapt.ranges import SHARE, check_ranges
from rs_adapt.registry import TRANSFORMS


@TRANSFORMS.register_module()
class HistogramMatch(BaseTransform):  # type: ignore[misc]
    """Gives `img` (H, W, 3, uint8) the histograms of a random reference image.

    Args:
        prob: Chance that an image is changed, 0 to 1.
        reference_dir: Folder of the reference images, of any size.
        reference_suffix: Ending of their file names.

    Raises:
        ConfigError: A number is out of its range.
        DataNotFound: The folder is missing or holds no such image.
    """

    def __init__(self, *, prob: float, reference_dir: str, reference_suffix: str) -> None:
        check_ranges("HistogramMatch", prob=(prob, SHARE))
        self.prob = prob
        self.references = ReferencePool(folder=reference_dir, suffix=reference_suffix)

    def transform(self, results: Sample) -> Sample:
        """Change `img` of one sample, or leave it as it is.

        Raises:
            DataError: A reference image cannot be decoded.
        """
        if np.random.random() < self.prob:  # noqa: NPY002 - what mmcv's transforms draw from
            results["img"] = match_histogram(results["img"], self.references.draw())
        return results


def match_histogram(image_HWC: np.ndarray[Any, Any], reference_HWC: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the image whose share of pixels up to each value is the reference's, as near as 256 values allow.

    A value v becomes the smallest r with CDF_reference(r) >= CDF_image(v). Pixels that are 0 in all bands lie outside
    a scene's footprint: they stay 0 and count in neither histogram. A reference without any other pixel changes
    nothing.

    Source: histogram specification (Gonzalez and Woods, Digital Image Processing, section on histogram matching).

    Args:
        image_HWC: Uint8.
        reference_HWC: Uint8, of any size and as many bands.

    Returns:
        (H, W, C) uint8.
    """
    inside_HW, reference_inside_HW = image_HWC.any(axis=2), reference_HWC.any(axis=2)
    if not reference_inside_HW.any():
        return image_HWC
    matched_HWC = np.zeros_like(image_HWC)
    for band in range(image_HWC.shape[2]):
        values = image_HWC[inside_HW, band]
        up_to = _counts_up_to(values)
        reference_up_to = _counts_up_to(reference_HWC[reference_inside_HW, band])
        # Both shares times both numbers of pixels: whole numbers, so that equal shares compare as equal.
        table = np.searchsorted(reference_up_to * up_to[-1], up_to * reference_up_to[-1]).astype(np.uint8)
        matched_HWC[inside_HW, band] = table[values]
    return matched_HWC


def _counts_up_to(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return for each of the 256 values how many pixels are not above it."""
    return np.cumsum(np.bincount(values, minlength=256))
