"""Labels that were needed to choose a crop, and that nothing after it may see."""

from __future__ import annotations

from mmcv.transforms import BaseTransform

from rs_adapt.datasets.sample import Sample
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
