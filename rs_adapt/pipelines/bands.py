"""Change the bands of an image as a whole: to the statistics of another region, or by random gains and offsets.

Haze, sun, sensor and season change all tiles of a region alike, so both steps act on a band as a whole and leave the
layout of the image as it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from rs_adapt.datasets.sample import Sample
from rs_adapt.pipelines.reference import ReferencePool
from rs_adapt.ranges import SHARE, check_ranges
from rs_adapt.registry import TRANSFORMS

# Enough for means and standard deviations to a fraction of a grey level, and read in about a second.
_SAMPLED_IMAGES = 64
_SAMPLED_PIXELS = 4096

# Strength of the random change, set by hand; docs/project/results-pairs.md has what it gains on development pairs.
_GAIN = 0.2
_OFFSET = 20.0


@TRANSFORMS.register_module()
class BandMatch(BaseTransform):  # type: ignore[misc]
    """Shifts and scales the bands of `img` (H, W, 3, uint8) as the source region's statistics differ from the target's.

    Each band becomes `(x - mean_source) / std_source * std_target + mean_target`, with means and standard deviations of
    the whole regions: a tile of water remains as bright beside a tile of roofs as it was. Statistics come from up to 64
    images of each region, evenly spaced in the order of their names, and are read when the step is built.

    Matching assumes nothing where it is one view among others: with `prob` below 1 the model sees both colours. As a
    change of all images, it would carry different shares of water or forest over into the colours.

    Source: moments of bands as the simplest radiometric normalisation; the same formula on features is AdaIN (Huang and
    Belongie, arXiv 1703.06868, equation 8).

    Args:
        prob: Chance that an image is changed, 0 to 1.
        image_dir: Folder of the region's images, any size.
        image_suffix: Ending of their file names.
        reference_dir: Folder of the other region's images.
        reference_suffix: Ending of their file names.

    Raises:
        ConfigError: A number is out of its range.
        DataNotFound: A folder is missing or holds no such image.
        DataError: An image cannot be decoded.
    """

    def __init__(
        self, *, prob: float, image_dir: str, image_suffix: str, reference_dir: str, reference_suffix: str
    ) -> None:
        check_ranges("BandMatch", prob=(prob, SHARE))
        self.prob = prob
        mean_3, std_3 = band_statistics(ReferencePool(folder=image_dir, suffix=image_suffix))
        reference_mean_3, reference_std_3 = band_statistics(
            ReferencePool(folder=reference_dir, suffix=reference_suffix)
        )
        # A band of one value has no contrast to scale.
        self.gain_3 = np.divide(reference_std_3, std_3, out=np.ones(3), where=std_3 > 0)
        self.offset_3 = reference_mean_3 - mean_3 * self.gain_3

    def transform(self, results: Sample) -> Sample:
        """Change `img` of one sample, or leave it as it is."""
        if np.random.random() < self.prob:  # noqa: NPY002 - what mmcv's transforms draw from
            results["img"] = change_bands(results["img"], gain_3=self.gain_3, offset_3=self.offset_3)
        return results


@TRANSFORMS.register_module()
class BandJitter(BaseTransform):  # type: ignore[misc]
    """Changes brightness, contrast and colour cast of `img` (H, W, 3, uint8) at random, and turns no hue.

    About the mean of each band of the image: `(x - mean) * c * c_band + mean + o + o_band`, with
    `ln c ~ U(-0.2, 0.2)`, `ln c_band ~ U(-0.1, 0.1)`, `o ~ U(-20, 20)` and `o_band ~ U(-10, 10)` grey levels. A colour
    cast like that of another sensor or season is within it; the order of hues, by which plants differ from soil, stays.

    Args:
        prob: Chance that an image is changed, 0 to 1.

    Raises:
        ConfigError: The number is out of its range.
    """

    def __init__(self, *, prob: float) -> None:
        check_ranges("BandJitter", prob=(prob, SHARE))
        self.prob = prob

    def transform(self, results: Sample) -> Sample:
        """Change `img` of one sample, or leave it as it is."""
        if np.random.random() >= self.prob:  # noqa: NPY002 - what mmcv's transforms draw from
            return results
        uniform = np.random.uniform
        gain_3 = np.exp(uniform(-_GAIN, _GAIN) + uniform(-_GAIN / 2, _GAIN / 2, 3))
        shift_3 = uniform(-_OFFSET, _OFFSET) + uniform(-_OFFSET / 2, _OFFSET / 2, 3)
        image_HWC = results["img"]
        inside_HW = image_HWC.any(axis=2)
        if inside_HW.any():
            mean_3 = image_HWC[inside_HW].mean(axis=0)
            results["img"] = change_bands(image_HWC, gain_3=gain_3, offset_3=mean_3 - mean_3 * gain_3 + shift_3)
        return results


def change_bands(
    image_HWC: np.ndarray[Any, Any], *, gain_3: np.ndarray[Any, Any], offset_3: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """Return `gain * image + offset`, rounded, inside the footprint.

    Pixels that are 0 in all bands lie outside a scene's footprint and stay 0. Others get at least 1, so that none of
    them falls out of it.

    Args:
        image_HWC: Uint8.
        gain_3: Of each band.
        offset_3: Of each band, grey levels.

    Returns:
        (H, W, 3) uint8.
    """
    changed_HWC = np.clip(np.rint(image_HWC * gain_3.astype(np.float32) + offset_3.astype(np.float32)), 1, 255)
    changed_HWC[~image_HWC.any(axis=2)] = 0
    result_HWC: np.ndarray[Any, Any] = changed_HWC.astype(np.uint8)
    return result_HWC


def band_statistics(pool: ReferencePool) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the means and standard deviations of the bands over a folder of images, (3,) float64, BGR, grey levels.

    Of up to 64 images, evenly spaced in the order of their names, about 4096 pixels each. Pixels that are 0 in all
    bands are left out; without any other, the mean is 0 and the deviation 0.

    Args:
        pool: The images.

    Raises:
        DataError: An image cannot be decoded.
    """
    count = min(len(pool.names), _SAMPLED_IMAGES)
    positions = np.linspace(0, len(pool.names) - 1, count).round().astype(int)
    samples = []
    for position in positions:
        pixels_N3 = pool.read(pool.names[position]).reshape(-1, 3)
        pixels_N3 = pixels_N3[:: max(1, len(pixels_N3) // _SAMPLED_PIXELS)]
        samples.append(pixels_N3[pixels_N3.any(axis=1)])
    pixels_N3 = np.concatenate(samples).astype(np.float64)
    if not len(pixels_N3):
        return np.zeros(3), np.zeros(3)
    return pixels_N3.mean(axis=0), pixels_N3.std(axis=0)
