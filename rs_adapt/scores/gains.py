"""The gain of a group over its references: source-only training, the target's labels, the frozen backbone.

All values are paired by seed: a run is compared with the reference's run of the same seed. Loads no torch.

Shapes: R resamples, S seeds in common, U units, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rs_adapt.errors import ScoresError
from rs_adapt.runs.means import AVERAGED
from rs_adapt.scores.comparison import align
from rs_adapt.scores.groups import Group, RunScore
from rs_adapt.scores.intervals import RESAMPLES
from rs_adapt.scores.ranking import SEED
from rs_adapt.scores.references import differences_to_frozen, differences_to_plain, floor_of_mean
from rs_adapt.scores.resampling import drawn_sums, sums_of, zero_classes
from rs_adapt.scores.t_interval import Interval, t_interval
from rs_adapt.scores.units import units_of

# Overrides that belong to the training that a row measures; its references have none of them.
_TRAINING = ("strategy.", "bench.pipeline.")
_ADAPTER = ("model.backbone.adapter.",)

# A function of the mIoU by seed, (R, S) or (S,), of a row and of its references; returns the gain, (R,) or a number.
_Value = Callable[..., NDArray[np.float64]]


@dataclass(frozen=True, kw_only=True)
class PairedGain:
    """A gain over references, over the seeds that all runs have in common.

    Attributes:
        seeds: The seeds in common, ascending; at least one.
        by_seed: The gain of each of them; NaN where it is undefined.
        value: The gain over all of them.
        interval: 95 % t interval over resampled scenes (or images) and seeds; None without matrices of the same tiles.
    """

    seeds: tuple[int, ...]
    by_seed: tuple[float, ...]
    value: float
    interval: Interval | None


@dataclass(frozen=True, kw_only=True)
class Gains:
    """The gains of a group; None where there is no such reference, the group is the reference, or they share no seed.

    Attributes:
        over_source_only: Points of mIoU over source-only training.
        gap_closed: Percent of the gap between source-only training and training on the target's labels; also None
            where training on the target's labels is no better.
        gap_points: Points of mIoU of training on the target's labels over source-only training, over the seeds that
            the group has in common with both.
        over_frozen: Points of mIoU over the frozen backbone with a trained head, under the same training.
        refused: Groups of the right names that are no references, because their settings differ, as sentences.
    """

    over_source_only: PairedGain | None = None
    gap_closed: PairedGain | None = None
    gap_points: float | None = None
    over_frozen: PairedGain | None = None
    refused: tuple[str, ...] = ()


def gains_of(groups: Sequence[Group]) -> list[Gains]:
    """Compare every group with its references among the same groups.

    - **Source only**: setting dg, strategy `source_only`; **target supervised**: setting ss, strategy `source_only`.
      Both have the same bench, split, protocol, inference, method, backbone, head, `--untuned` and overrides; overrides
      of `strategy.*` and `bench.pipeline.*` belong to the training that is measured, so the references have none.
    - The source-only training of a **mean of trained models** is its member, whatever options that has.
    - **Frozen**: method `frozen`, with the same setting, bench, split, protocol, strategy, backbone, head, `--untuned`
      and overrides except for those of `model.backbone.adapter.*`.

    All other settings and the data are the same too, also where no option names them. A reference is not used if
    several groups match it.

    Args:
        groups: The groups of a report.

    Returns:
        One `Gains` for each group, in their order.
    """
    resampled = _Resampled(groups)
    gains = []
    for group in groups:
        refused: list[str] = []
        floor, bound = _floor_and_bound(group, groups, refused)
        frozen = _frozen(group, groups, refused)
        gains.append(
            Gains(
                over_source_only=_gain(group, [floor], _difference, resampled),
                gap_closed=_gain(group, [floor, bound], _share_closed, resampled),
                gap_points=_gap_points(group, floor, bound),
                over_frozen=_gain(group, [frozen], _difference, resampled),
                refused=tuple(refused),
            )
        )
    return gains


def _difference(own: NDArray[np.float64], floor: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the points over the floor: the mean over the last axis, the seeds."""
    return np.asarray((own - floor).mean(axis=-1))


def _share_closed(
    own: NDArray[np.float64], floor: NDArray[np.float64], bound: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the percentage of the gap: mean gain over mean gap along the last axis, the seeds; NaN without a gap."""
    gap = np.asarray((bound - floor).mean(axis=-1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(gap > 0, 100 * (own - floor).mean(axis=-1) / gap, np.nan))


def _gap_points(group: Group, floor: Group | None, bound: Group | None) -> float | None:
    """Return the points between floor and bound over the seeds in common with a row; None where one is missing."""
    common = _in_common(group, [floor, bound])
    if common is None:
        return None
    (_, of_floor, of_bound), seeds = common
    return float(_difference(_miou_of(of_bound, seeds), _miou_of(of_floor, seeds)))


def _gain(
    group: Group, references: Sequence[Group | None], value_of: _Value, resampled: _Resampled
) -> PairedGain | None:
    common = _in_common(group, references)
    if common is None:
        return None
    runs, seeds = common
    miou_S = [_miou_of(run, seeds) for run in runs]
    value = float(value_of(*miou_S))
    if np.isnan(value):
        return None
    by_seed = tuple(float(value_of(*(values[k : k + 1] for values in miou_S))) for k in range(len(seeds)))
    drawn = [resampled.miou_RS([run[seed] for seed in seeds]) for run in runs]
    complete = [miou_RS for miou_RS in drawn if miou_RS is not None]
    limits = None
    if len(complete) == len(drawn):
        over_units = (value_of(*complete), resampled.num_units(runs[0][seeds[0]]))
        limits = t_interval(value, [over_units, (value_of(*_draw_seeds(miou_S)), len(seeds))])
    return PairedGain(seeds=tuple(seeds), by_seed=by_seed, value=value, interval=limits)


def _in_common(group: Group, references: Sequence[Group | None]) -> tuple[list[dict[int, RunScore]], list[int]] | None:
    """Return the runs of a row and its references by seed, and the seeds of them all; None without one to compare."""
    present = [reference for reference in references if reference is not None]
    # The floor has no gain over itself. The upper bound has one: it closes the whole gap.
    if len(present) < len(references) or present[0] is group:
        return None
    runs = [_by_seed(member) for member in (group, *present)]
    seeds = sorted(set.intersection(*(set(run) for run in runs)))
    return (runs, seeds) if seeds else None


def _miou_of(run: Mapping[int, RunScore], seeds: Sequence[int]) -> NDArray[np.float64]:
    """Return the mIoU by seed, (S,)."""
    return np.array([run[seed].miou_pct for seed in seeds], dtype=np.float64)


def _draw_seeds(miou_S: Sequence[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """Return the scores of seeds drawn with replacement (R, S), the same seeds for the row and for its references."""
    number = len(miou_S[0])
    picked_RS = np.random.default_rng([SEED, number]).integers(0, number, size=(RESAMPLES, number))
    return [values_S[picked_RS] for values_S in miou_S]


def _by_seed(group: Group) -> dict[int, RunScore]:
    return {score.run.seed: score for score in group.scores if score.miou_pct is not None}


def _floor_and_bound(group: Group, groups: Sequence[Group], refused: list[str]) -> tuple[Group | None, Group | None]:
    if any(score.run.status == AVERAGED for score in group.scores):
        floor = floor_of_mean(group, groups)
        return floor, None if floor is None else _plain_training(floor, groups, "ss", refused)
    floor, bound = (_plain_training(group, groups, setting, refused) for setting in ("dg", "ss"))
    return floor, bound


def _plain_training(group: Group, groups: Sequence[Group], setting: str, refused: list[str]) -> Group | None:
    """Return the training without a strategy in a setting: `dg` is the floor, `ss` the bound."""
    named = [other for other in groups if _is_plain(other, setting) and _bench_key(other) == _bench_key(group)]
    return _only(group, named, differences_to_plain, refused)


def _frozen(group: Group, groups: Sequence[Group], refused: list[str]) -> Group | None:
    if group.row.method == "frozen":
        return None
    named = [other for other in groups if other.row.method == "frozen" and _method_key(other) == _method_key(group)]
    return _only(group, named, differences_to_frozen, refused)


def _only(
    group: Group,
    named: Sequence[Group],
    differences: Callable[[Group, Group], list[str]],
    refused: list[str],
) -> Group | None:
    """Return the one group of the right names that also has the settings of a row; None if there is none or several."""
    found = {position: differences(group, other) for position, other in enumerate(named) if other is not group}
    same = [other for position, other in enumerate(named) if not found.get(position)]
    if not same:
        refused += [
            f"{group.scores[0].run.name.rpartition(' / ')[0]} is not compared with "
            f"{named[position].scores[0].run.name.rpartition(' / ')[0]}, which was made with other settings: "
            f"{', '.join(texts)}."
            for position, texts in found.items()
        ]
    return same[0] if len(same) == 1 else None


def _is_plain(group: Group, setting: str) -> bool:
    """Return whether a group is the plain training of a setting: no strategy, and no override of strategy or images."""
    row = group.row
    plain = not any(text.startswith(_TRAINING) for text in row.overrides)
    return group.column.setting == setting and row.strategy == "source_only" and plain


def _bench_key(group: Group) -> tuple[object, ...]:
    """Return all in which a group must agree with its source-only and supervised references."""
    row, column = group.row, group.column
    inference = column.seen.rpartition("; ")[2]
    others = tuple(text for text in row.overrides if not text.startswith(_TRAINING))
    place = (column.bench, column.split, column.facts, inference)
    return *place, row.method, row.backbone, row.head, row.tuned, row.untuned, others


def _method_key(group: Group) -> tuple[object, ...]:
    """Return all in which a group must agree with its frozen reference."""
    row = group.row
    others = tuple(text for text in row.overrides if not text.startswith(_ADAPTER))
    return group.column, row.strategy, row.backbone, row.head, row.untuned, others


class _Resampled:
    """MIoU of runs over resampled units; all runs of the same tiles share the draws."""

    def __init__(self, groups: Sequence[Group]) -> None:
        self._miou_R: dict[int, NDArray[np.float64]] = {}
        self._num_units: dict[int, int] = {}
        by_place: dict[tuple[str, str, tuple[str, ...]], list[RunScore]] = {}
        for group in groups:
            column = group.column
            by_place.setdefault((column.bench, column.split, column.facts), []).extend(group.scores)
        for scores in by_place.values():
            self._draw(scores)

    def miou_RS(self, scores: Sequence[RunScore]) -> NDArray[np.float64] | None:
        """Return the resampled mIoU of runs (R, S) in percent; None unless all have matrices of the same tiles."""
        if not all(id(score) in self._miou_R for score in scores):
            return None
        return np.stack([self._miou_R[id(score)] for score in scores], axis=1)

    def num_units(self, score: RunScore) -> int:
        """Return the number of units that were drawn for a run."""
        return self._num_units[id(score)]

    def _draw(self, scores: Sequence[RunScore]) -> None:
        base = next((score for score in scores if score.per_image is not None and score.chosen is not None), None)
        if base is None or base.per_image is None or base.chosen is None:
            return
        used, counts = [], []
        for score in scores:
            if score.per_image is None:
                continue
            try:
                same = align(base.per_image, score.per_image, base.run.folder, score.run.folder)
            except ScoresError:
                continue
            used.append(score)
            counts.append(units_of(same).counts_UKK)
        labelled_U = np.sum(counts, axis=0).any(axis=(1, 2))
        if labelled_U.sum() < 2:
            return
        sums = [sums_of(counts_UKK[labelled_U]) for counts_UKK in counts]
        # All runs have the same true pixels.
        zero_K = zero_classes(sums[0], base.chosen.absent)
        overall, scored = base.chosen.measure.overall, base.chosen.scored
        chunks = [
            [overall(run_sums, scored, zero_K) for run_sums in drawn]
            for drawn in drawn_sums(sums, resamples=RESAMPLES, seed=SEED)
        ]
        for position, score in enumerate(used):
            self._miou_R[id(score)] = np.concatenate([chunk[position] for chunk in chunks])
            self._num_units[id(score)] = int(labelled_U.sum())
