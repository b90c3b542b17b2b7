"""Measures of reconstructed velocity images as a metric of mmengine."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from mmengine.evaluator import BaseMetric

from rs_adapt.registry import METRICS
from rs_adapt.superresolution.model import Reconstruction
from rs_adapt.turbulence.image_scores import ImageScore, mean_measures
from rs_adapt.turbulence.measures import measure


@METRICS.register_module()
class FlowMetric(BaseMetric):  # type: ignore[misc]
    """Means over images of `rs_adapt.turbulence.measures`; the scores of single images stay in `by_image`.

    Args:
        scale: Factor of super-resolution.
        value_range: Peak of PSNR, in the unit of the images; set before an evaluation.
        is_periodic: Whether images continue at their borders; set before an evaluation.
        is_velocity: Whether images are velocities and no colours; set before an evaluation.
        collect_device: See mmengine's `BaseMetric`.
        prefix: Prefix of the scores' names, which mmengine adds.
    """

    # mmengine warns of a metric without one.
    default_prefix = ""

    def __init__(
        self,
        *,
        scale: int,
        value_range: float = 1.0,
        is_periodic: bool = True,
        is_velocity: bool = True,
        collect_device: str = "cpu",
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.scale, self.value_range = scale, value_range
        self.is_periodic, self.is_velocity = is_periodic, is_velocity
        self.by_image: tuple[ImageScore, ...] = ()

    def process(self, data_batch: Any, data_samples: Sequence[Reconstruction]) -> None:
        """Measure the images of a batch."""
        for sample in data_samples:
            measures = measure(
                sample.image_3HW,
                sample.truth_3HW,
                scale=self.scale,
                value_range=self.value_range,
                is_periodic=self.is_periodic,
                is_velocity=self.is_velocity,
            )
            self.results.append(ImageScore(name=sample.name, snapshot=sample.snapshot, **dataclasses.asdict(measures)))

    def compute_metrics(self, results: list[ImageScore]) -> dict[str, float]:
        """Return the means over all images."""
        self.by_image = tuple(results)
        return mean_measures(self.by_image)
