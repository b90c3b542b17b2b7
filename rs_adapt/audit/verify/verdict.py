"""Write the verdict in one sentence: the distance of the scores, and the first difference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rs_adapt.audit.verify.configuration import ConfigurationCheck, KeyDifference
from rs_adapt.audit.verify.curves import LengthCheck, ScheduleCheck
from rs_adapt.audit.verify.keys import Weight
from rs_adapt.audit.verify.scores import ScoreCheck
from rs_adapt.render.document import format_interval

_SELECTION = {"last": "last", "oracle": "best on target labels", "unknown": "checkpoint not stated"}


def write_verdict(
    score: ScoreCheck | None,
    configuration: ConfigurationCheck | None,
    length: LengthCheck | None,
    schedule: ScheduleCheck | None,
    *,
    contradictions: Sequence[str],
    word: str,
    consistent: bool,
) -> str:
    """Return the verdict as one sentence.

    Args:
        score: The headline score; None if a side has none.
        configuration: The comparison of the configurations; None if a side states none.
        length: The last iterations of both; None if a side has no iterations.
        schedule: The comparison of the learning rates; None if the logs share no iteration.
        contradictions: Scores in a result that its matrices do not give, as sentences.
        word: What to call the reference's score, such as "the published".
        consistent: Whether run and reference agree.
    """
    # A score that its own matrices contradict is compared with nothing.
    parts = [contradiction.rstrip(".") for contradiction in contradictions]
    parts.append(_distance(score, word) if score else "no score on both sides")
    if configuration is None:
        parts.append("no configuration to compare")
    elif configuration.first:
        parts.append(f"first difference: {describe_difference(configuration.first)}")
    else:
        parts.append(f"none of {len(configuration.equal)} keys differs")
    if length and not length.equal:
        parts.append(f"trained to iteration {length.here} here and {length.there} there")
    if schedule and schedule.first_iteration is not None:
        parts.append(f"the learning rate differs from iteration {schedule.first_iteration} on")
    return f"{'consistent' if consistent else 'differs'}: {'; '.join(parts)}."


def describe_difference(difference: KeyDifference) -> str:
    """Return a difference in words: key, both values, and what follows."""
    text = f"{difference.key} is {_short(difference.here)} here and {_short(difference.there)} there"
    if difference.weight is Weight.MATTERS:
        return f"{text} ({difference.consequence})"
    label = "" if difference.weight is Weight.REPLICATE else f"{difference.weight.value}: "
    return f"{text} ({label}{difference.consequence})"


def describe_selection(selection: str) -> str:
    """Return in words how a checkpoint was selected."""
    return _SELECTION[selection]


def _distance(score: ScoreCheck, word: str) -> str:
    place = "within" if score.within else "outside"
    range_text = f"{place} {format_interval(score.spread.low, score.spread.high)}"
    there = f"{word} {score.there_pct:.2f} ({describe_selection(score.selection)})"
    points = abs(score.points)
    if points < 0.005:
        return f"equal to {there}"
    side = "below" if score.points < 0 else "above"
    return f"{points:.{1 if points >= 0.95 else 2}f} points {side} {there}, {range_text}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
