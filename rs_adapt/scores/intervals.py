"""Intervals of mIoU and of its differences: how far a score would move on other images. Loads no torch.

Shapes: U units, K classes, R resamples. A unit is the smallest part that can count as drawn independently of the
others: a scene, or an image where scenes are unknown. Tiles of one scene share light, season and buildings; drawing
them one by one pretends that there are more independent images than there are, and gives intervals that are too narrow.

`t_interval` says how an interval follows from the resamples. Drawing whole clusters: C. A. Field and A. H. Welsh,
"Bootstrapping clustered data", J. R. Statist. Soc. B 69 (2007), 369-390.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from rs_adapt.config.facts import AbsentClasses
from rs_adapt.runs.records import IntervalFacts
from rs_adapt.scores.class_sets import ClassSet
from rs_adapt.scores.measures import MIOU, Measure
from rs_adapt.scores.per_image import PerImage
from rs_adapt.scores.resampling import CHUNK_BYTES, drawn_sums, miou_of, sums_of, zero_classes
from rs_adapt.scores.t_interval import FORM, LEVEL, SCORES, Interval, t_interval, units_with
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
    "units_of",
]

RESAMPLES = 2000
# Fewer units say little about how units differ.
ENOUGH_UNITS = 10


@dataclass(frozen=True, kw_only=True)
class Bootstrap:
    """Intervals of one run.

    Args:
        miou: Interval of the mean over the scored classes; None with one unit or none.
        iou: Interval of each class; also None where fewer than two units hold true pixels of it. Resamples without any
            do not count for it.
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
    absent: AbsentClasses = "left_out",
    measure: Measure = MIOU,
) -> Bootstrap:
    """Return t intervals of mIoU and of the IoU of each class, over units drawn with replacement.

    Args:
        units_UKK: Pixel counts of each unit, row = truth, column = prediction.
        scored: The classes in the mean; None takes all.
        resamples: Number of resamples, each of U units.
        seed: Seed of the draws.
        level: Level of the intervals, in (0, 1).
        chunk_bytes: Memory that the draws may take at once; changes no number.
        absent: What a class without true pixels counts; see `iou_of`. One that only a resample lacks counts nothing
            in it.
        measure: The score that stands in the place of mIoU and IoU.
    """
    sums_U3K = sums_of(_counted(units_UKK, units_UKK))
    draws = _draws(len(sums_U3K), resamples, seed, level)
    if len(sums_U3K) < 2:
        return Bootstrap(miou=None, iou=(None,) * units_UKK.shape[1], **draws)
    zero_K = zero_classes(sums_U3K, absent)
    whole_13K = sums_U3K.sum(axis=0, keepdims=True)
    whole_1K = measure.by_class(whole_13K, zero_K)
    chunks = [sums for (sums,) in drawn_sums([sums_U3K], resamples=resamples, seed=seed, chunk_bytes=chunk_bytes)]
    iou_RK = np.concatenate([measure.by_class(sums, zero_K) for sums in chunks])
    miou_R = np.concatenate([measure.overall(sums, scored, zero_K) for sums in chunks])
    miou = float(measure.overall(whole_13K, scored, zero_K)[0])
    parts_K = zip(whole_1K[0].tolist(), iou_RK.T, units_with(sums_U3K), strict=True)
    return Bootstrap(
        miou=t_interval(miou, [(miou_R, len(sums_U3K))], level, limits=SCORES),
        iou=tuple(t_interval(iou, [(iou_R, number)], level, limits=SCORES) for iou, iou_R, number in parts_K),
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
    absent: AbsentClasses = "left_out",
    measure: Measure = MIOU,
) -> PairedDifference:
    """Return B minus A with t intervals; each resample draws the same units for both.

    A unit that is hard is hard for both runs, and its effect cancels; so the interval is narrower than the intervals of
    the single runs suggest. A class that a resample lacks is left out of both sides.

    Args:
        a_UKK: Pixel counts of run A by unit.
        b_UKK: Pixel counts of run B for the same units in the same order.
        scored: See `bootstrap`.
        resamples: See `bootstrap`.
        seed: See `bootstrap`.
        level: See `bootstrap`.
        chunk_bytes: See `bootstrap`.
        absent: See `bootstrap`.
        measure: See `bootstrap`.
    """
    assert a_UKK.shape == b_UKK.shape
    pair = [sums_of(_counted(units, a_UKK + b_UKK)) for units in (a_UKK, b_UKK)]
    # Both runs have the same true pixels.
    zero_K = zero_classes(pair[0], absent)
    sums_a, sums_b = (sums.sum(axis=0, keepdims=True) for sums in pair)
    miou = float((measure.overall(sums_b, scored, zero_K) - measure.overall(sums_a, scored, zero_K))[0])
    iou_K = (measure.by_class(sums_b, zero_K) - measure.by_class(sums_a, zero_K))[0].tolist()
    draws = _draws(len(pair[0]), resamples, seed, level)
    if len(pair[0]) < 2:
        undrawn = [Difference(points=points, interval=None, share_above=None) for points in (miou, *iou_K)]
        return PairedDifference(miou=undrawn[0], iou=tuple(undrawn[1:]), **draws)
    miou_drawn, iou_drawn = [], []
    for sums_a, sums_b in drawn_sums(pair, resamples=resamples, seed=seed, chunk_bytes=chunk_bytes):
        miou_drawn.append(measure.overall(sums_b, scored, zero_K) - measure.overall(sums_a, scored, zero_K))
        iou_drawn.append(measure.by_class(sums_b, zero_K) - measure.by_class(sums_a, zero_K))
    return PairedDifference(
        miou=_difference(miou, np.concatenate(miou_drawn), len(pair[0]), level),
        iou=tuple(
            _difference(points, drawn, number, level)
            for points, drawn, number in zip(iou_K, np.concatenate(iou_drawn).T, units_with(pair[0]), strict=True)
        ),
        **draws,
    )


def interval_facts(per_image: PerImage, chosen: ClassSet | None = None) -> IntervalFacts:
    """Return the interval of mIoU for `result.json`.

    Args:
        per_image: The matrices.
        chosen: The classes in the mean; None takes all.

    Returns:
        `low` and `high` in percent, 3 digits; None with one unit.
    """
    units = units_of(per_image)
    chosen = chosen or ClassSet(classes=per_image.classes, scored=tuple(range(len(per_image.classes))))
    counts_UKK = chosen.counted(units.counts_UKK)
    drawn = bootstrap(counts_UKK, scored=chosen.scored, absent=chosen.absent, measure=chosen.measure)
    return bootstrap_facts(drawn, unit=units.by)


def bootstrap_facts(drawn: Bootstrap, *, unit: str) -> IntervalFacts:
    """Return the interval of mIoU as it is stored: percent with 3 digits; None with one unit.

    Args:
        drawn: The intervals.
        unit: The unit that was drawn: "scene" or "image".
    """
    return IntervalFacts(
        low=None if drawn.miou is None else round(drawn.miou.low, 3),
        high=None if drawn.miou is None else round(drawn.miou.high, 3),
        form=FORM,
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


def _difference(points: float, drawn_R: NDArray[np.float64], num_units: int, level: float) -> Difference:
    defined = drawn_R[~np.isnan(drawn_R)]
    interval = t_interval(points, [(defined, num_units)], level)
    share = None if interval is None else float((defined > 0).mean())
    return Difference(points=points, interval=interval, share_above=share)
