"""Compare the curves of two runs at equal iterations, without interpolation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median

from rs_adapt.audit.verify.record import Record

# mmengine multiplies the rate step by step, so that the last digits of full precision differ from the closed form.
_FULL_PRECISION = 1e-9


@dataclass(frozen=True, kw_only=True)
class ScheduleCheck:
    """Learning rates at equal iterations.

    Attributes:
        num_equal: The number of iterations in both logs.
        max_relative: The largest difference relative to the larger of the two values; 0 where both are 0.
        first_iteration: The first iteration whose difference exceeds the rounding of the logs; None if none does.
        here: The run's learning rate at `first_iteration`.
        there: The reference's learning rate at `first_iteration`.
    """

    num_equal: int
    max_relative: float
    first_iteration: int | None
    here: float | None = None
    there: float | None = None


@dataclass(frozen=True, kw_only=True)
class LossCheck:
    """Ratios of the run's loss to the reference's at equal iterations.

    Attributes:
        num_equal: Number of iterations that both logs hold.
        median_ratio: Median ratio over these iterations.
        median_ratio_end: Median ratio over the last quarter of them.
        windows: The iterations that a logged loss is averaged over, in words: in the run and in the reference.
    """

    num_equal: int
    median_ratio: float
    median_ratio_end: float
    windows: tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class LengthCheck:
    """The last iterations of two logs.

    Attributes:
        here: The run's last iteration.
        there: The reference's last iteration.
        equal: Whether they differ by less than the distance of two lines of the reference.
    """

    here: int
    there: int
    equal: bool


@dataclass(frozen=True, kw_only=True)
class ScoreCurve:
    """MIoU in percent at equal iterations: iteration, the run's, the reference's."""

    points: tuple[tuple[int, float, float], ...]


def compare_lengths(run: Record, reference: Record) -> LengthCheck | None:
    """Compare the last iterations of two logs; None if one of them has no iterations.

    The other comparisons are over the iterations that both logs hold, which are few where one of the two is a part or
    an extension of the other: equal curves over them do not make the two the same training.
    """
    here, there = _end(run), _end(reference)
    if here is None or there is None:
        return None
    # The last line of a log of mmengine may come before the last iteration.
    lines = sorted({line.iteration for line in reference.train})
    spacing = lines[-1] - lines[-2] if len(lines) > 1 else 1
    return LengthCheck(here=here, there=there, equal=abs(here - there) < spacing)


def compare_schedules(run: Record, reference: Record) -> ScheduleCheck | None:
    """Compare learning rates; None if no iteration is in both logs.

    Rates are equal if they differ by no more than half a unit of the last digit in either log.
    """
    here = {line.iteration: line.lr for line in run.train if line.lr is not None}
    there = {line.iteration: line.lr for line in reference.train if line.lr is not None}
    equal = sorted(here.keys() & there.keys())
    if not equal:
        return None
    largest, first = 0.0, None
    for iteration in equal:
        ours, theirs = here[iteration], there[iteration]
        distance, scale = abs(ours - theirs), max(abs(ours), abs(theirs))
        largest = max(largest, distance / scale if scale else 0.0)
        allowed = _rounding(ours, run.lr_digits) + _rounding(theirs, reference.lr_digits)
        if first is None and distance > allowed:
            first = iteration
    return ScheduleCheck(
        num_equal=len(equal),
        max_relative=largest,
        first_iteration=first,
        here=None if first is None else here[first],
        there=None if first is None else there[first],
    )


def compare_losses(run: Record, reference: Record) -> LossCheck | None:
    """Compare losses; None if no iteration is in both logs, or a loss is not positive."""
    here = {line.iteration: line.loss for line in run.train if line.loss is not None}
    there = {line.iteration: line.loss for line in reference.train if line.loss is not None}
    ratios = [here[it] / there[it] for it in sorted(here.keys() & there.keys()) if there[it] > 0]
    if not ratios:
        return None
    end = ratios[-max(1, len(ratios) // 4) :]
    return LossCheck(
        num_equal=len(ratios),
        median_ratio=median(ratios),
        median_ratio_end=median(end),
        windows=(run.loss_window, reference.loss_window),
    )


def compare_scores(run: Record, reference: Record) -> ScoreCurve:
    """Compare the evaluations at equal iterations; the curve is empty if there are none."""
    here = {evaluation.iteration: evaluation.miou_pct for evaluation in run.evaluations}
    there = {evaluation.iteration: evaluation.miou_pct for evaluation in reference.evaluations}
    return ScoreCurve(points=tuple((it, here[it], there[it]) for it in sorted(here.keys() & there.keys())))


def _end(record: Record) -> int | None:
    iterations = [line.iteration for line in record.train]
    iterations += [evaluation.iteration for evaluation in record.evaluations]
    return max(iterations, default=None)


def _rounding(value: float, digits: int | None) -> float:
    """Return half a unit of the last printed digit of a number with one digit before the point."""
    if digits is None:
        return _FULL_PRECISION * abs(value)
    if value == 0:
        return 0.0
    # Slightly more, because binary fractions do not represent the printed digits exactly.
    return 0.5 * 10.0 ** (math.floor(math.log10(abs(value))) - digits) * 1.001
