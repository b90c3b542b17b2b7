"""Steps of mmsegmentation that compute the same numbers from the same draws with less work.

Each derives from the step that it stands for, and leaves to it what it was not written for.
"""

from __future__ import annotations

from typing import Any

import cv2
import mmcv
import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmcv.transforms.utils import cache_randomness
from mmengine import fileio
from mmseg.datasets.transforms import LoadAnnotations, PackSegInputs, PhotoMetricDistortion, RandomCrop, RandomFlip

from rs_adapt.datasets.sample import Sample
from rs_adapt.datasets.steps.decoded_tiles import DecodedTiles

_Array = np.ndarray[Any, Any]
_LEVELS: _Array = np.arange(256, dtype=np.uint8)
_LEVELS.flags.writeable = False
_CV2_FLIPS = {"horizontal": 1, "vertical": 0, "diagonal": -1}


def _in_bytes(image: _Array) -> bool:
    return image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3


def in_order(image_HWC: _Array) -> _Array:
    """Return an image whose bands are a view in reverse order as an array in which they lie one after the other."""
    if _in_bytes(image_HWC) and image_HWC.strides[2] < 0:
        return np.asarray(cv2.cvtColor(image_HWC[..., ::-1], cv2.COLOR_RGB2BGR))
    return image_HWC


class LoadInOrder(LoadImageFromFile):  # type: ignore[misc]
    """`LoadImageFromFile`, whose images need no copy before OpenCV takes them."""

    def transform(self, results: Sample) -> Sample | None:
        """Return the sample with its image, or None as its parent does."""
        loaded: Sample | None = super().transform(results)
        if loaded is not None:
            loaded["img"] = in_order(loaded["img"])
        return loaded


class LoadLabels(LoadAnnotations):  # type: ignore[misc]
    """`LoadAnnotations`, which changes label values through a table of 256 entries.

    Attributes:
        decoded: Where decoded files are kept; None to decode each file whenever it is asked for.
    """

    decoded: DecodedTiles[_Array] | None = None
    reduce_zero_label: bool | None

    def _load_seg_map(self, results: Sample) -> None:
        path = results["seg_map_path"]
        label: _Array | None = None if self.decoded is None else self.decoded.find(path)
        if label is None:
            content = fileio.get(path, backend_args=self.backend_args)
            label = mmcv.imfrombytes(content, flag="unchanged", backend=self.imdecode_backend).squeeze()
            label = label.astype(np.uint8, copy=False)
            if self.decoded is not None:
                label.flags.writeable = False
                self.decoded.keep(path, label, label.nbytes)
        reduce = results["reduce_zero_label"]
        if self.reduce_zero_label is None:
            self.reduce_zero_label = reduce
        assert self.reduce_zero_label == reduce, (
            f"The data set has reduce_zero_label={reduce}, its step LoadAnnotations {self.reduce_zero_label}. "
            "Give both the same."
        )
        table: _Array = _LEVELS.copy()
        if reduce:
            # 0 is "ignore", and so is 255 already.
            table[0] = 255
            table[1:255] = _LEVELS[:254]
        if (renamed := results.get("label_map")) is not None:
            before = table.copy()
            for old, new in renamed.items():
                table[before == old] = new
        if not np.array_equal(table, _LEVELS):
            # OpenCV knows arrays of two axes at least.
            label = cv2.LUT(label, table) if label.ndim >= 2 else table[label]
        results["gt_seg_map"] = label
        results["seg_fields"].append("gt_seg_map")


class CropByLabels(RandomCrop):  # type: ignore[misc]
    """`RandomCrop`, which counts the labels of a crop without sorting them."""

    @cache_randomness  # type: ignore[untyped-decorator]
    def crop_bbox(self, results: Sample) -> tuple[int, int, int, int]:
        """Return first and last row and column of a crop, drawn until no class fills too much of it."""
        return self.draw(results["img"].shape[:2], results.get("gt_seg_map"))

    def draw(self, shape: tuple[int, int], label_HW: _Array | None) -> tuple[int, int, int, int]:
        """Draw a crop from an image.

        Args:
            shape: Height and width.
            label_HW: Labels, uint8, or any integers; read where `cat_max_ratio` is below 1.
        """
        box = self._draw_box(shape)
        if self.cat_max_ratio < 1:
            for _ in range(10):
                if self._is_varied(self.crop(label_HW, box)):
                    break
                box = self._draw_box(shape)
        return box

    def _draw_box(self, shape: tuple[int, int]) -> tuple[int, int, int, int]:
        (height, width), (rows, columns) = shape, self.crop_size
        top = np.random.randint(0, max(height - rows, 0) + 1)  # noqa: NPY002 - what mmcv's transforms draw from
        left = np.random.randint(0, max(width - columns, 0) + 1)  # noqa: NPY002
        return top, top + rows, left, left + columns

    def _is_varied(self, label_HW: _Array) -> bool:
        # Counts up to 2^24 are exact in the float32 in which OpenCV gives them.
        if label_HW.dtype == np.uint8 and label_HW.ndim == 2 and 0 < label_HW.size <= 1 << 24:
            counts = cv2.calcHist([label_HW], [0], None, [256], [0, 256]).ravel()
            if 0 <= self.ignore_index < 256:
                counts[self.ignore_index] = 0
            counts = counts[counts > 0].astype(np.int64)
        else:
            labels, counts = np.unique(label_HW, return_counts=True)
            counts = counts[labels != self.ignore_index]
        return len(counts) > 1 and bool(np.max(counts) / np.sum(counts) < self.cat_max_ratio)


class FlipAtOnce(RandomFlip):  # type: ignore[misc]
    """`RandomFlip`, which gives images that are contiguous, so that no later step copies them for that."""

    def _flip(self, results: Sample) -> None:
        fields = [name for name in results.get("seg_fields", []) if results.get(name) is not None]
        arrays = [results["img"], *(results[name] for name in fields)]
        if self.swap_seg_labels or "gt_bboxes" in results or any(array.dtype != np.uint8 for array in arrays):
            super()._flip(results)
            return
        for name in ("img", *fields):
            results[name] = cv2.flip(results[name], _CV2_FLIPS[results["flip_direction"]])
        if fields:
            results["swap_seg_labels"] = self.swap_seg_labels


class DistortInBytes(PhotoMetricDistortion):  # type: ignore[misc]
    """`PhotoMetricDistortion`, which changes 256 levels in place of all pixels: bytes in, bytes out.

    Brightness and contrast are one table where no colour step is between them. Saturation and hue need the colours in
    HSV, each from bytes and back to bytes as in the original, since rounding in between is part of its numbers.
    """

    def transform(self, results: Sample) -> Sample:
        """Return the sample with its image distorted."""
        image = results["img"]
        if not _in_bytes(image):
            distorted: Sample = super().transform(results)
            return distorted
        levels = self.brightness(_LEVELS)
        contrast_first = np.random.randint(2) == 1  # noqa: NPY002 - what mmcv's transforms draw from
        if contrast_first:
            levels = self.contrast(levels)
        if np.random.randint(2):  # noqa: NPY002
            factor = np.random.uniform(self.saturation_lower, self.saturation_upper)  # noqa: NPY002
            image = _change_hsv(_apply(levels, image), 1, self.convert(_LEVELS, alpha=factor))
            levels = _LEVELS
        if np.random.randint(2):  # noqa: NPY002
            step = np.random.randint(-self.hue_delta, self.hue_delta)  # noqa: NPY002
            image = _change_hsv(_apply(levels, image), 0, ((_LEVELS.astype(int) + step) % 180).astype(np.uint8))
            levels = _LEVELS
        if not contrast_first:
            levels = self.contrast(levels)
        results["img"] = _apply(levels, image)
        return results


def _apply(levels: _Array, image: _Array) -> _Array:
    return image if levels is _LEVELS else np.asarray(cv2.LUT(image, levels))


def _change_hsv(image_HWC: _Array, channel: int, levels: _Array) -> _Array:
    hsv_HWC = cv2.cvtColor(image_HWC, cv2.COLOR_BGR2HSV)
    cv2.insertChannel(cv2.LUT(cv2.extractChannel(hsv_HWC, channel), levels), hsv_HWC, channel)
    return np.asarray(cv2.cvtColor(hsv_HWC, cv2.COLOR_HSV2BGR))


class PackAtOnce(PackSegInputs):  # type: ignore[misc]
    """`PackSegInputs`, which splits an image into its bands with OpenCV."""

    def transform(self, results: Sample) -> Sample:
        """Return `inputs` and `data_samples`."""
        if "img" in results and _in_bytes(image := results["img"]):
            bands_CHW = np.empty((3, *image.shape[:2]), np.uint8)
            cv2.split(image, list(bands_CHW))
            # The parent turns the axes back, and finds nothing to copy.
            results = {**results, "img": bands_CHW.transpose(1, 2, 0)}
        packed: Sample = super().transform(results)
        return packed
