"""Intervals of means over seeds, and the group of a column that is clearly the best. Pure numpy.

Shapes: R resamples, U units, K classes, S runs (the seeds of a group).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rs_adapt.errors import ScoresError
from rs_adapt.render.document import format_interval
from rs_adapt.scores.comparison import align
from rs_adapt.scores.groups import Group, matrices_of
from rs_adapt.scores.intervals import ENOUGH_UNITS, RESAMPLES
from rs_adapt.scores.per_image import PerImage
from rs_adapt.scores.resampling import drawn_sums, sums_of, zero_classes
from rs_adapt.scores.t_interval import LEVEL, SCORES, Interval, t_interval, units_with
from rs_adapt.scores.tuning import MIXED
from rs_adapt.scores.units import PLURAL, units_of

SEED = 0

SHORT_RULE = (
    f"Bold: best of its column, and the {100 * LEVEL:.0f} % t interval of its paired difference to the next best lies "
    "above 0."
)
_RULE = (
    "The best of a column is bold only if the {level:.0f} % interval of its difference to the next best lies above 0. "
    "It is a t interval of the difference between the means over seeds, from the stored matrices of single images: "
    "{resamples} resamples draw the same scenes (or images, where scenes are unknown) for both methods, {resamples} "
    "more draw the seeds of each, and the variances add up. One seed is not compared with several. With one seed each "
    "the interval says nothing about other seeds; with two or three it is wide."
)


def rule() -> str:
    """Return the rule for bold in words."""
    return _RULE.format(level=100 * LEVEL, resamples=RESAMPLES)


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """The intervals of one column, and its best group.

    Attributes:
        miou: Interval of each group's mean over seeds, in the order of the groups; None without matrices or with
            fewer than two units.
        iou: The same by class.
        best: Position of the group that is clearly best; None where there is none.
        why: The comparison of the best two, in one sentence.
        units: The number of drawn scenes or images, in words.
    """

    miou: Sequence[Interval | None]
    iou: Sequence[dict[str, Interval | None]]
    best: int | None = None
    why: str = ""
    units: str = ""


@dataclass(frozen=True, kw_only=True)
class _Drawn:
    """The runs of one group, over all units and resampled; mIoU is the last column, after the K classes.

    Attributes:
        whole_S: Scores of the runs over all units, (S, K + 1).
        units_R: Means over all runs, over resampled units, (R, K + 1).
        seeds_R: Means over resampled runs, over all units, (R, K + 1).
        num_units: Number of units that hold each class, and of all.
    """

    whole_S: NDArray[np.float64]
    units_R: NDArray[np.float64]
    seeds_R: NDArray[np.float64]
    num_units: tuple[int, ...]

    def interval(self, column: int) -> Interval | None:
        """Return the interval of the mean over seeds of a class or, for -1, of mIoU; None where one unit holds it."""
        if self.num_units[column] < 2:
            return None
        sources = [self.over_units(column), self.over_seeds(column)]
        return t_interval(float(self.whole_S[:, column].mean()), sources, limits=SCORES)

    def over_units(self, column: int = -1) -> tuple[NDArray[np.float64], int]:
        """Return the resampled means of a class or of mIoU, and the number of units that were drawn."""
        return self.units_R[:, column], self.num_units[column]

    def over_seeds(self, column: int = -1) -> tuple[NDArray[np.float64], int]:
        """Return the means over resampled seeds, and the number of seeds."""
        return self.seeds_R[:, column], len(self.whole_S)


def rank(groups: Sequence[Group]) -> Ranking:
    """Draw intervals for the groups of one column, and compare the best two.

    Args:
        groups: Groups of one column.
    """
    drawn, classes, units = _draw(groups)
    miou: list[Interval | None] = [None] * len(groups)
    iou: list[dict[str, Interval | None]] = [{} for _ in groups]
    for position, resampled in drawn.items():
        miou[position] = resampled.interval(-1)
        iou[position] = {name: resampled.interval(k) for k, name in enumerate(classes)}
    best, why = _best(groups, drawn)
    return Ranking(miou=miou, iou=iou, best=best, why=why, units=units)


def _best(groups: Sequence[Group], drawn: dict[int, _Drawn]) -> tuple[int | None, str]:
    if len({group.row.tuned for group in groups if group.mean is not None}) > 1:
        return None, MIXED
    scored = [(group.mean, position) for position, group in enumerate(groups) if group.mean is not None]
    order = [position for _, position in sorted(scored, key=lambda pair: (-(pair[0] or 0.0), pair[1]))]
    if len(order) < 2:
        return None, "there is only one method, so nothing is bold."
    first, second = order[:2]
    if first not in drawn or second not in drawn:
        return None, (
            "the best two cannot be compared, so nothing is bold: their matrices are missing or cover different tiles, "
            "or there is only one unit."
        )
    seeds_first, seeds_second = (len(groups[position].scores) for position in (first, second))
    if 1 in (seeds_first, seeds_second) and seeds_first != seeds_second:
        return (
            None,
            f"the best has {_count_seeds(seeds_first)} and the next best {_count_seeds(seeds_second)}, so nothing is "
            "bold.",
        )
    points = (groups[first].mean or 0.0) - (groups[second].mean or 0.0)
    a, b = drawn[first], drawn[second]
    (units_a, num_units), (units_b, _) = a.over_units(), b.over_units()
    limits = t_interval(points, [(units_a - units_b, num_units), a.over_seeds(), b.over_seeds()])
    if limits is None:
        return None, "the best two have no value in any resample, so nothing is bold."
    difference = f"best minus next best {points:+.2f} {format_interval(limits.low, limits.high, sign='+')}"
    if limits.low <= 0:
        return None, f"{difference}, so nothing is bold."
    if seeds_first == 1:
        return first, f"{difference}, with one seed each: other seeds may give a different result."
    return first, f"{difference}."


def _count_seeds(seeds: int) -> str:
    return f"{seeds} seed{'' if seeds == 1 else 's'}"


def _draw(groups: Sequence[Group]) -> tuple[dict[int, _Drawn], tuple[str, ...], str]:
    """Resample all groups with the same tiles as the first group that has matrices.

    Returns:
        The resamples by position of the group, the K classes, and the number of drawn units in words.
    """
    stored: dict[int, list[NDArray[Any]]] = {}
    base: PerImage | None = None
    chosen, unit, num_units = None, "image", 0
    for position, group in enumerate(groups):
        pairs = matrices_of(group)
        if not pairs:
            continue
        if base is None:
            base, chosen = pairs[0]
        try:
            same = [align(base, run, group.scores[0].run.folder, group.scores[0].run.folder) for run, _ in pairs]
        except ScoresError:
            continue
        units = [units_of(run) for run in same]
        unit, num_units = units[0].by, len(units[0].names)
        stored[position] = [run_units.counts_UKK for run_units in units]
    if base is None or chosen is None:
        return {}, (), ""
    everything = np.sum([counts for runs in stored.values() for counts in runs], axis=0)
    labelled_U = everything.any(axis=(1, 2))
    num_units = int(labelled_U.sum())
    rough = f" (rough: fewer than {ENOUGH_UNITS})" if num_units < ENOUGH_UNITS else ""
    units_text = f"{num_units} {PLURAL[unit] if num_units != 1 else unit}{rough}"
    if num_units < 2:
        return {}, (), units_text
    flat = [sums_of(counts[labelled_U]) for runs in stored.values() for counts in runs]
    # All runs have the same true pixels.
    zero_K, num_with = zero_classes(flat[0], chosen.absent), (*units_with(flat[0]), num_units)

    def scores_of_sums(sums_B3K: NDArray[np.float64]) -> NDArray[np.float64]:
        measure = chosen.measure
        iou_BK, miou_B = measure.by_class(sums_B3K, zero_K), measure.overall(sums_B3K, chosen.scored, zero_K)
        return np.concatenate([iou_BK, miou_B[:, None]], axis=1)

    chunks = [[scores_of_sums(sums) for sums in drawn] for drawn in drawn_sums(flat, resamples=RESAMPLES, seed=SEED)]
    scores_SR = [np.concatenate([chunk[run] for chunk in chunks]) for run in range(len(flat))]
    whole_S = [scores_of_sums(sums.sum(axis=0, keepdims=True))[0] for sums in flat]
    resampled, start = {}, 0
    for position, runs in stored.items():
        part = slice(start, start + len(runs))
        start += len(runs)
        whole = np.stack(whole_S[part])
        resampled[position] = _Drawn(
            whole_S=whole,
            units_R=np.mean(scores_SR[part], axis=0),
            seeds_R=_draw_seeds(whole, stream=position),
            num_units=num_with,
        )
    return resampled, base.classes, units_text


def _draw_seeds(whole_S: NDArray[np.float64], *, stream: int) -> NDArray[np.float64]:
    """Return means over seeds that are drawn with replacement, (R, K + 1), of scores (S, K + 1)."""
    number = len(whole_S)
    times_RS = np.random.default_rng([SEED, 1 + stream]).multinomial(number, [1 / number] * number, size=RESAMPLES)
    return np.asarray(times_RS @ whole_S / number)
