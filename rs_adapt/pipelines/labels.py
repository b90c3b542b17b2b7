"""Labels that nothing after a step of the pipeline may see: those that chose a crop, and those of unseen classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform

from rs_adapt.datasets.sample import Sample
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
