"""Bootstrap intervals of mIoU and of its differences: how far a score would move on other images. Pure numpy.

Shapes: U units, K classes, R resamples. A unit is the smallest part that can count as drawn independently of the
others: a scene, or an image where scenes are unknown. Tiles of one scene share light, season and buildings; drawing
them one by one pretends that there are more independent images than there are, and gives intervals that are too narrow.

Percentile bootstrap: B. Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7 (1979), 1-26;
B. Efron and R. Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13. Drawing whole clusters: C. A. Field
and A. H. Welsh, "Bootstrapping clustered data", J. R. Statist. Soc. B 69 (2007), 369-390. Few clusters make
intervals too narrow: A. C. Cameron, J. B. Gelbach and D. L. Miller, "Bootstrap-based improvements for inference with
clustered errors", Review of Economics and Statistics 90 (2008), 414-427.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from rs_adapt.runs.records import IntervalFacts
from rs_adapt.scores.per_image import PerImage
from rs_adapt.scores.resampling import CHUNK_BYTES, drawn_sums, iou_of_sums, mean_iou, miou_of, sums_of
from rs_adapt.scores.units import Units, units_of

__all__ = [
    "Bootstrap",
    "Difference",
    "Interval",
    "PairedDifference",
    "Units",
    "bootstrap",
    "interval_facts",
    "miou_of",
    "paired_difference",
    "percentile_interval",
    "units_of",
]

RESAMPLES = 2000
LEVEL = 0.95
# Fewer units say little about how units differ.
ENOUGH_UNITS = 10


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An interval from `low` to `high`, in percent; that of a difference in points."""

    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Bootstrap:
    """Intervals of one run.

    Args:
        miou: Interval of the mean over the scored classes; None with one unit or none.
        iou: Interval of each class; also None where a class has no value in any resample. Resamples in which a (rare)
            class has no value do not count for it.
        units: Number of units with a counted pixel; only these are drawn.
        resamples: Number of resamples.
        seed: Seed of the draws.
        level: Level of the interval, in (0, 1).
        rough: Whether there are fewer than 10 units.
    """

    miou: Interval | None
    iou: tuple[Interval | None, ...]
    units: int
    resamples: int
    seed: int
    level: float
    rough: bool


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A difference of two runs in points: as scored, its interval, and the share of resamples above 0, in [0, 1].

    `points` is NaN where one of the runs has no value; `interval` and `share_above` are None then, and with one unit.
    """

    points: float
    interval: Interval | None
    share_above: float | None


@dataclass(frozen=True, kw_only=True)
class PairedDifference:
    """B minus A over the same units: `miou` and, by class, `iou`; the rest as in `Bootstrap`."""

    miou: Difference
    iou: tuple[Difference, ...]
    units: int
    resamples: int
    seed: int
    level: float
    rough: bool


def bootstrap(
    units_UKK: NDArray[Any],
    *,
    scored: Sequence[int] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
    chunk_bytes: int = CHUNK_BYTES,
) -> Bootstrap:
    """Return percentile intervals of mIoU and of the IoU of each class, over units drawn with replacement.

    Args:
        units_UKK: Pixel counts of each unit, row = truth, column = prediction.
        scored: Indices of the classes in the mean; None takes all.
        resamples: Number of resamples, each of U units.
        seed: Seed of the draws.
        level: Level of the intervals, in (0, 1).
        chunk_bytes: Memory that the draws may take at once; changes no number.
    """
    sums_U3K = sums_of(_counted(units_UKK, units_UKK))
    draws = _draws(len(sums_U3K), resamples, seed, level)
    if len(sums_U3K) < 2:
        return Bootstrap(miou=None, iou=(None,) * units_UKK.shape[1], **draws)
    chunks = drawn_sums([sums_U3K], resamples=resamples, seed=seed, chunk_bytes=chunk_bytes)
    iou_RK = np.concatenate([iou_of_sums(sums) for (sums,) in chunks])
    return Bootstrap(
        miou=percentile_interval(mean_iou(iou_RK, scored), level),
        iou=tuple(percentile_interval(iou_R, level) for iou_R in iou_RK.T),
        **draws,
    )


def paired_difference(
    a_UKK: NDArray[Any],
    b_UKK: NDArray[Any],
    *,
    scored: Sequence[int] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
    chunk_bytes: int = CHUNK_BYTES,
) -> PairedDifference:
    """Return B minus A with percentile intervals; each resample draws the same units for both.

    A unit that is hard is hard for both runs, and its effect cancels; so the interval is narrower than the intervals of
    the single runs suggest.

    Args:
        a_UKK: Pixel counts of run A by unit.
        b_UKK: Pixel counts of run B for the same units in the same order.
        scored: See `bootstrap`.
        resamples: See `bootstrap`.
        seed: See `bootstrap`.
        level: See `bootstrap`.
        chunk_bytes: See `bootstrap`.
    """
    assert a_UKK.shape == b_UKK.shape
    pair = [sums_of(_counted(units, a_UKK + b_UKK)) for units in (a_UKK, b_UKK)]
    whole_a, whole_b = (iou_of_sums(sums.sum(axis=0, keepdims=True)) for sums in pair)
    miou = float((mean_iou(whole_b, scored) - mean_iou(whole_a, scored))[0])
    iou_K = (whole_b - whole_a)[0].tolist()
    draws = _draws(len(pair[0]), resamples, seed, level)
    if len(pair[0]) < 2:
        undrawn = [Difference(points=points, interval=None, share_above=None) for points in (miou, *iou_K)]
        return PairedDifference(miou=undrawn[0], iou=tuple(undrawn[1:]), **draws)
    miou_drawn, iou_drawn = [], []
    for sums_a, sums_b in drawn_sums(pair, resamples=resamples, seed=seed, chunk_bytes=chunk_bytes):
        iou_a, iou_b = iou_of_sums(sums_a), iou_of_sums(sums_b)
        miou_drawn.append(mean_iou(iou_b, scored) - mean_iou(iou_a, scored))
        iou_drawn.append(iou_b - iou_a)
    return PairedDifference(
        miou=_difference(miou, np.concatenate(miou_drawn), level),
        iou=tuple(
            _difference(points, drawn, level) for points, drawn in zip(iou_K, np.concatenate(iou_drawn).T, strict=True)
        ),
        **draws,
    )


def interval_facts(per_image: PerImage, scored: Sequence[int] | None = None) -> IntervalFacts:
    """Return the interval of mIoU for `result.json`.

    Args:
        per_image: The matrices.
        scored: Indices of the classes in the mean; None takes all.

    Returns:
        `low` and `high` in percent, 3 digits; None with one unit.
    """
    units = units_of(per_image)
    return bootstrap_facts(bootstrap(units.counts_UKK, scored=scored), unit=units.by)


def bootstrap_facts(drawn: Bootstrap, *, unit: str) -> IntervalFacts:
    """Return the interval of mIoU as it is stored: percent with 3 digits; None with one unit.

    Args:
        drawn: The intervals.
        unit: The unit that was drawn: "scene" or "image".
    """
    return IntervalFacts(
        low=None if drawn.miou is None else round(drawn.miou.low, 3),
        high=None if drawn.miou is None else round(drawn.miou.high, 3),
        level=drawn.level,
        unit=unit,
        units=drawn.units,
        resamples=drawn.resamples,
        seed=drawn.seed,
        rough=drawn.rough,
    )


def _counted(units_UKK: NDArray[Any], pixels_UKK: NDArray[Any]) -> NDArray[Any]:
    """Return the units that hold a counted pixel: an image without labels says nothing about the score."""
    counted: NDArray[Any] = units_UKK[pixels_UKK.any(axis=(1, 2))]
    return counted


class _Draws(TypedDict):
    """The fields that `Bootstrap` and `PairedDifference` have in common."""

    units: int
    resamples: int
    seed: int
    level: float
    rough: bool


def _draws(num_units: int, resamples: int, seed: int, level: float) -> _Draws:
    rough = num_units < ENOUGH_UNITS
    return {"units": num_units, "resamples": resamples, "seed": seed, "level": level, "rough": rough}


def percentile_interval(values_R: NDArray[np.float64], level: float = LEVEL) -> Interval | None:
    """Return the interval that holds the middle part of the resamples with a value; None where no resample has one.

    Args:
        values_R: One value a resample; NaN where it has none.
        level: The share of the resamples inside the interval, in (0, 1).
    """
    defined = values_R[~np.isnan(values_R)]
    if not defined.size:
        return None
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(low=float(low), high=float(high))


def _difference(points: float, drawn_R: NDArray[np.float64], level: float) -> Difference:
    defined = drawn_R[~np.isnan(drawn_R)]
    interval = None if np.isnan(points) else percentile_interval(defined, level)
    share = None if interval is None else float((defined > 0).mean())
    return Difference(points=points, interval=interval, share_above=share)
