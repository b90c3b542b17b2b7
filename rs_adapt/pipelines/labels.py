"""Labels that nothing after a step may see (of drawn crops, of unseen classes), and numbers of labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform

from rs_adapt.datasets.sample import Sample
from rs_adapt.errors import ConfigError, DataError
from rs_adapt.ranges import BYTE, check_numbers, check_ranges
from rs_adapt.registry import TRANSFORMS


@TRANSFORMS.register_module()
class ForgetLabels(BaseTransform):  # type: ignore[misc]
    """Takes the label (`gt_seg_map`) out of a sample.

    A protocol that draws crops of the target by its labels reads them for that and nothing else.
    """

    def transform(self, results: Sample) -> Sample:
        """Return the sample without its label."""
        results.pop("gt_seg_map", None)
        results.pop("seg_map_path", None)
        results["seg_fields"] = [name for name in results.get("seg_fields", []) if name != "gt_seg_map"]
        return results


@TRANSFORMS.register_module()
class IgnoreClasses(BaseTransform):  # type: ignore[misc]
    """Gives the pixels of some classes the value of pixels without label, as if nobody had labelled them.

    Args:
        classes: Numbers of the classes, 0 to 255, as they are after `reduce_zero_label`.
        ignore_index: Label value of pixels without label, 0 to 255.
    """

    # Neither reads nor changes the image.
    labels_only = True

    def __init__(self, *, classes: Sequence[int], ignore_index: int = 255) -> None:
        check_numbers("IgnoreClasses", BYTE, {"classes": classes})
        check_ranges("IgnoreClasses", ignore_index=(ignore_index, BYTE))
        self.classes, self.ignore_index = list(classes), ignore_index

    def transform(self, results: Sample) -> Sample:
        """Return the sample with these labels (`gt_seg_map`, (H, W), integers) ignored."""
        label_HW = results["gt_seg_map"]
        results["gt_seg_map"] = np.where(np.isin(label_HW, self.classes), self.ignore_index, label_HW).astype(
            label_HW.dtype
        )
        return results


@TRANSFORMS.register_module()
class RenumberClasses(BaseTransform):  # type: ignore[misc]
    """Gives the classes of a data set the numbers that they have in a longer list, with classes of other data sets.

    Args:
        numbers: The new number of class 0, 1, ..., as they are after `reduce_zero_label`; each from 0 to 255, and not
            `ignore_index`.
        ignore_index: Label value of pixels without label, which stays, 0 to 255.
    """

    # Neither reads nor changes the image.
    labels_only = True

    def __init__(self, *, numbers: Sequence[int], ignore_index: int = 255) -> None:
        check_numbers("RenumberClasses", BYTE, {"numbers": numbers})
        check_ranges("RenumberClasses", ignore_index=(ignore_index, BYTE))
        if ignore_index in numbers:
            raise ConfigError(f"RenumberClasses: numbers holds {ignore_index}, which stands for pixels without label.")
        self.numbers, self.ignore_index = list(numbers), ignore_index

    def transform(self, results: Sample) -> Sample:
        """Return the sample with these labels (`gt_seg_map`, (H, W), integers) renumbered.

        Raises:
            DataError: A label is neither a class of the data set nor `ignore_index`.
        """
        label_HW = results["gt_seg_map"]
        outside = (label_HW >= len(self.numbers)) & (label_HW != self.ignore_index)
        if outside.any():
            raise DataError(
                f"{results['seg_map_path']} holds the class {int(label_HW[outside][0])}, but its data set has the "
                f"classes 0 to {len(self.numbers) - 1}. Prepare the tiles again."
            )
        table = np.full(256, self.ignore_index, label_HW.dtype)
        table[: len(self.numbers)] = self.numbers
        results["gt_seg_map"] = table[label_HW]
        return results
