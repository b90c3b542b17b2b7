"""Intervals of means over seeds, and the group of a column that is clearly the best. Pure numpy.

Shapes: R resamples, U units, K classes, S runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rs_adapt.errors import ScoresError
from rs_adapt.scores.comparison import align
from rs_adapt.scores.groups import Group, matrices_of
from rs_adapt.scores.intervals import ENOUGH_UNITS, LEVEL, RESAMPLES, Interval, percentile_interval
from rs_adapt.scores.per_image import PerImage
from rs_adapt.scores.resampling import drawn_sums, iou_of_sums, mean_iou, sums_of
from rs_adapt.scores.units import PLURAL, units_of

SEED = 0

SHORT_RULE = (
    f"Bold: best of its column, and the {100 * LEVEL:.0f} % interval of its paired difference to the next best lies "
    "above 0."
)
_RULE = (
    "The best of a column is bold only if the {level:.0f} % interval of its difference to the next best lies above 0. "
    "The interval is a paired bootstrap over the stored matrices of single images: each of {resamples} resamples draws "
    "the same scenes (or images, where scenes are unknown) for both methods, and for each method as many seeds as it "
    "has; the difference is taken between the means over seeds. One seed is not compared with several. With one seed "
    "each the interval says nothing about other seeds; with two or three it says little."
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


@dataclass
class _Drawn:
    """Resamples of one group: means over drawn seeds."""

    miou_R: NDArray[np.float64]
    iou_RK: NDArray[np.float64]
    classes: tuple[str, ...] = field(default=())


def rank(groups: Sequence[Group]) -> Ranking:
    """Draw intervals for the groups of one column, and compare the best two.

    Args:
        groups: Groups of one column.
    """
    drawn, units = _draw(groups)
    miou: list[Interval | None] = [None] * len(groups)
    iou: list[dict[str, Interval | None]] = [{} for _ in groups]
    for position, resampled in drawn.items():
        miou[position] = percentile_interval(resampled.miou_R)
        iou[position] = {name: percentile_interval(resampled.iou_RK[:, k]) for k, name in enumerate(resampled.classes)}
    best, why = _best(groups, drawn)
    return Ranking(miou=miou, iou=iou, best=best, why=why, units=units)


def _best(groups: Sequence[Group], drawn: dict[int, _Drawn]) -> tuple[int | None, str]:
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
    limits = percentile_interval(drawn[first].miou_R - drawn[second].miou_R)
    if limits is None:
        return None, "the best two have no value in any resample, so nothing is bold."
    difference = f"best minus next best {points:+.2f} [{limits.low:+.2f}, {limits.high:+.2f}]"
    if limits.low <= 0:
        return None, f"{difference}, so nothing is bold."
    if seeds_first == 1:
        return first, f"{difference}, with one seed each: other seeds may give a different result."
    return first, f"{difference}."


def _count_seeds(seeds: int) -> str:
    return f"{seeds} seed{'' if seeds == 1 else 's'}"


def _draw(groups: Sequence[Group]) -> tuple[dict[int, _Drawn], str]:
    """Resample all groups with the same tiles as the first group that has matrices."""
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
        return {}, ""
    everything = np.sum([counts for runs in stored.values() for counts in runs], axis=0)
    labelled_U = everything.any(axis=(1, 2))
    num_units = int(labelled_U.sum())
    rough = f" (rough: fewer than {ENOUGH_UNITS})" if num_units < ENOUGH_UNITS else ""
    units_text = f"{num_units} {PLURAL[unit] if num_units != 1 else unit}{rough}"
    if num_units < 2:
        return {}, units_text
    flat = [sums_of(counts[labelled_U]) for runs in stored.values() for counts in runs]
    chunks = [[iou_of_sums(sums) for sums in drawn] for drawn in drawn_sums(flat, resamples=RESAMPLES, seed=SEED)]
    iou_SRK = [np.concatenate([chunk[run] for chunk in chunks]) for run in range(len(flat))]
    resampled, start = {}, 0
    for position, runs in stored.items():
        part = iou_SRK[start : start + len(runs)]
        start += len(runs)
        resampled[position] = _over_seeds(part, chosen.scored, base.classes, stream=position)
    return resampled, units_text


def _over_seeds(
    iou_SRK: Sequence[NDArray[np.float64]], scored: Sequence[int], classes: tuple[str, ...], *, stream: int
) -> _Drawn:
    """Return means over seeds, which each resample draws with replacement; a single seed is always drawn."""
    number = len(iou_SRK)
    resamples = len(iou_SRK[0])
    rng = np.random.default_rng([SEED, 1 + stream])
    times_RS = rng.multinomial(number, [1 / number] * number, size=resamples) if number > 1 else np.ones((resamples, 1))
    miou_RS = np.stack([mean_iou(iou_RK, scored) for iou_RK in iou_SRK], axis=1)
    iou_RSK = np.stack(iou_SRK, axis=1)
    return _Drawn(
        miou_R=(miou_RS * times_RS).sum(axis=1) / number,
        iou_RK=(iou_RSK * times_RS[:, :, None]).sum(axis=1) / number,
        classes=classes,
    )
