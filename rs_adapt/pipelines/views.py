"""Two views of an unlabelled image: the plain one, which the teacher labels, and the distorted one, for the student."""

from __future__ import annotations

from mmcv.transforms import BaseTransform

from rs_adapt.datasets.sample import Sample
from rs_adapt.datasets.steps.equal_steps import PackAtOnce
from rs_adapt.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RememberPlainView(BaseTransform):  # type: ignore[misc]
    """Stores `img` (H, W, 3, uint8) as `plain_img`, before steps that change colours but move no pixel."""

    def transform(self, results: Sample) -> Sample:
        """Return the sample with a copy of its image."""
        results["plain_img"] = results["img"].copy()
        return results


@TRANSFORMS.register_module()
class PackViews(BaseTransform):  # type: ignore[misc]
    """Packs a sample as mmsegmentation's `PackSegInputs` does, with its plain view beside `inputs`, as `plain`."""

    def __init__(self) -> None:
        self.pack = PackAtOnce()

    def transform(self, results: Sample) -> Sample:
        """Return `inputs` and `plain`, both (3, H, W) uint8, and `data_samples`."""
        packed: Sample = self.pack(results)
        packed["plain"] = self.pack({"img": results["plain_img"]})["inputs"]
        return packed
