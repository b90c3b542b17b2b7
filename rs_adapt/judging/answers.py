"""From labels of sampled points to the difference of two accuracies, with an interval.

W_h is the share of the area in stratum h (`same`: both maps give one class, `differ`: they do not), n_h its number of
points.

- Accuracy of a map: sum of W_h p_h, with p_h the share of the points at which it is right; its variance is the sum of
  W_h^2 p_h (1 - p_h) / (n_h - 1) (Cochran, Sampling Techniques, 1977, section 5.3; Olofsson et al., Remote Sensing of
  Environment 148, 2014, equation 5). The interval is the normal one.
- Difference: at a point of `same` both are right or both are wrong, so the difference there is 0 and known. What
  remains is W_d (n_r - n_a) / n_d, with n_r (n_a) the number of points of `differ` at which RUN (AGAINST) alone is
  right. Its interval is W_d times that of a difference of paired proportions by Bonett and Price (Journal of
  Educational and Behavioral Statistics 37, 2012): with one point added to n_r and to n_a and two to n_d, so that it is
  not empty where all points answer alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rs_adapt.judging.sample import STRATA, Sample, SamplePoint

LEVEL = 0.95
_Z = 1.959963984540054


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A value in percent of the area, or points of it, with a 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return value and interval."""
        return f"{self.value:.1f} % [{self.low:.1f}, {self.high:.1f}]"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The accuracies of two maps, estimated from points that somebody labelled.

    Attributes:
        difference: Accuracy of RUN minus that of AGAINST, in points.
        run: Accuracy of RUN in percent.
        against: Accuracy of AGAINST in percent.
        num_points: Points by stratum.
        run_alone: Points where the maps differ at which RUN is right.
        against_alone: Points where the maps differ at which AGAINST is right.
        neither: Points where the maps differ at which neither is right.
    """

    difference: Estimate
    run: Estimate
    against: Estimate
    num_points: Mapping[str, int]
    run_alone: int
    against_alone: int
    neither: int

    @property
    def sentences(self) -> tuple[str, ...]:
        """What the labels show."""
        low, high, value = self.difference.low, self.difference.high, self.difference.value
        better = "RUN" if value > 0 else "AGAINST"
        decision = (
            f"{better} is the better map of these images, if the labels are right."
            if low > 0 or high < 0
            else "The interval contains 0: these points do not decide which map is better. More points narrow it, with "
            "the square root of their number."
        )
        return (
            f"RUN minus AGAINST: {value:+.2f} points of accuracy, 95 % interval {low:+.2f} to {high:+.2f}. {decision}",
            f"Of the {self.num_points['differ']} points where the maps differ, RUN is right at {self.run_alone}, "
            f"AGAINST at {self.against_alone}, neither at {self.neither}.",
            f"Accuracy of RUN: {self.run}; of AGAINST: {self.against} (95 % intervals).",
            "All of this holds for the images from which the points were drawn, and for no other place or date.",
        )

    def to_json(self) -> dict[str, Any]:
        """Return all numbers and sentences."""
        return {**asdict(self), "level": LEVEL, "sentences": list(self.sentences)}


def estimate(sample: Sample, labels: Mapping[int, int]) -> Verdict:
    """Return what labels of all points tell about both maps.

    Args:
        sample: The points; two or more in each stratum.
        labels: True class of each point, by its number.
    """
    total = sum(sample.pixels.values())
    weight = {stratum: sample.pixels[stratum] / total for stratum in STRATA}
    sizes = {stratum: sample.size(stratum) for stratum in STRATA}
    differ = [point for point in sample.points if point.stratum == "differ"]
    run_alone = sum(labels[point.id] == point.run for point in differ)
    against_alone = sum(labels[point.id] == point.against for point in differ)
    return Verdict(
        difference=_difference(weight["differ"], run_alone, against_alone, len(differ)),
        run=_accuracy(sample, weight, sizes, lambda point: labels[point.id] == point.run),
        against=_accuracy(sample, weight, sizes, lambda point: labels[point.id] == point.against),
        num_points=sizes,
        run_alone=run_alone,
        against_alone=against_alone,
        neither=len(differ) - run_alone - against_alone,
    )


def _difference(weight: float, run_alone: int, against_alone: int, num_points: int) -> Estimate:
    run_share, against_share = (run_alone + 1) / (num_points + 2), (against_alone + 1) / (num_points + 2)
    centre = run_share - against_share
    half = _Z * math.sqrt((run_share + against_share - centre**2) / (num_points + 2))
    low, high = max(centre - half, -1.0), min(centre + half, 1.0)
    value = (run_alone - against_alone) / num_points
    return Estimate(value=100 * weight * value, low=100 * weight * low, high=100 * weight * high)


def _accuracy(
    sample: Sample, weight: Mapping[str, float], sizes: Mapping[str, int], is_right: Callable[[SamplePoint], bool]
) -> Estimate:
    value = variance = 0.0
    for stratum in STRATA:
        share = sum(is_right(point) for point in sample.points if point.stratum == stratum) / sizes[stratum]
        value += weight[stratum] * share
        variance += weight[stratum] ** 2 * share * (1 - share) / (sizes[stratum] - 1)
    half = _Z * math.sqrt(variance)
    return Estimate(value=100 * value, low=100 * max(value - half, 0.0), high=100 * min(value + half, 1.0))
