"""Tables and lines of `rs-adapt score` and `rs-adapt compare`, from their records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from rs_adapt.config.class_means import HIOU
from rs_adapt.render.document import format_interval, format_score
from rs_adapt.runs.data import ROLES
from rs_adapt.scores.tuning import describe_tuned
from rs_adapt.scores.units import PLURAL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rs_adapt.runs.records import IntervalFacts
    from rs_adapt.scores.comparison import RunComparison
    from rs_adapt.scores.differences import RoundedDifference
    from rs_adapt.scores.rescore import ImageScore, Rescored, UnitScore
    from rs_adapt.scores.scoring import Scoring


def classes_table(scores: Rescored) -> Table:
    """Return IoU of each class and mIoU, with intervals; classes outside the mean are marked."""
    table = _table("class", f"{scores.measure.class_title} %", _level(scores.interval))
    for name, score in scores.classes.items():
        label = name if score.in_mean else f"{name} (not in the mean)"
        table.add_row(label, format_score(score.iou_pct), format_interval(score.low, score.high))
    table.add_section()
    limits = format_interval(scores.interval.low, scores.interval.high)
    table.add_row(scores.measure.title, format_score(scores.miou_pct), limits, style="bold")
    every = "aAcc (all counted pixels)" if scores.measure.name == "miou" else "accuracy (all images)"
    table.add_row(every, format_score(scores.aacc_pct), "")
    return table


def groups_table(groups: Sequence[UnitScore], group_by: str | None, *, score_title: str = "mIoU") -> Table:
    """Return mIoU, the number of classes in it, images and share of the labelled pixels of each group."""
    table = _table(group_by or "", f"{score_title} %", "classes in it", "images", "% of labelled pixels")
    for group in groups:
        counts = (str(group.classes_in_mean), str(group.images))
        table.add_row(group.name, format_score(group.miou_pct), *counts, format_score(group.share_pct))
    return table


def worst_table(worst: Sequence[ImageScore], *, score_title: str = "mIoU") -> Table:
    """Return the images of the lowest mIoU, and the most frequent error in each."""
    table = _table("worst images", f"{score_title} %", "most frequent error", "% of its pixels")
    for image in worst:
        error = f"{image.truth} taken for {image.taken_for}" if image.truth else "none"
        table.add_row(image.tile, format_score(image.miou_pct), error, format_score(image.share_pct))
    return table


def difference_table(comparison: RunComparison) -> Table:
    """Return IoU of both runs by class, B minus A in points with interval, and the share of resamples above 0."""
    title = comparison.measure.class_title
    table = _table(
        "class", f"A: {title} %", f"B: {title} %", "B - A", _level(comparison.interval), "resamples above 0, %"
    )
    for name, score in comparison.classes.items():
        label = name if score.in_mean else f"{name} (not in the mean)"
        table.add_row(label, format_score(score.a_pct), format_score(score.b_pct), *_difference(score.difference))
    table.add_section()
    means = (format_score(run.miou_pct) for run in (comparison.a, comparison.b))
    table.add_row(comparison.measure.title, *means, *_difference(comparison.miou), style="bold")
    return table


def scoring_line(scored: Scoring) -> str:
    """Return the origin of a score as a line: split, protocol, checkpoint, weights, inference, classes in the mean."""
    protocol = scored.protocol
    exceptions = f" except for {' and '.join(scored.but_for)}" if scored.but_for else ""
    facts = [
        str(scored.split),
        "no protocol stated" if protocol is None else f"protocol {protocol.replace('_', '-')}{exceptions}",
        _checkpoint(scored),
    ]
    if scored.weights:
        facts.append(scored.weights)
    if isinstance(scored.inference, dict) and "mode" in scored.inference:
        facts.append(str(scored.inference["mode"]))
    if scored.precision not in (None, "fp32"):
        facts.append(f"precision {scored.precision}")
    return ", ".join([*facts, scored.classes if scored.mean_name == HIOU else f"mean over {scored.classes}"])


def notes(interval: IntervalFacts) -> list[str]:
    """Return the notes needed to read the intervals."""
    units = f"{interval.units} {PLURAL[interval.unit] if interval.units != 1 else interval.unit}"
    lines = []
    if interval.units < 2:
        lines.append(f"{units}: no interval.")
    elif interval.rough:
        lines.append(f"{units}: too few for more than a rough interval.")
    if interval.units >= 2:
        lines.append("An interval is the value plus and minus t standard errors of the resamples.")
    lines.append(f"Intervals reflect the choice of the scored {PLURAL[interval.unit]}, not that of the training seed.")
    return lines


def count_line(images: int, interval: IntervalFacts) -> str:
    """Return the numbers of images and units, and the sampling of the intervals, as a line."""
    units = PLURAL[interval.unit] if interval.units != 1 else interval.unit
    sampling = f"{interval.units} {units} with labels, drawn {interval.resamples} times, seed {interval.seed}"
    return f"{images} image{'' if images == 1 else 's'}. Intervals: {sampling}."


def differ_line(comparison: RunComparison) -> str | None:
    """Return the facts, other than the trained cell, that differ between two runs, as a line; None where all agree."""
    if not comparison.differ:
        return None
    a, b = comparison.a.scored, comparison.b.scored
    facts = ", ".join(f"{name} ({_fact(getattr(a, name))}, {_fact(getattr(b, name))})" for name in comparison.differ)
    return f"The two scores were made in different ways: {facts}."


def calibration_line(comparison: RunComparison) -> str | None:
    """Return the calibration errors of both sides on the compared tiles, as a line; None where neither has one."""
    errors = [side.scored.ece_pct for side in (comparison.a, comparison.b)]
    if errors == [None, None]:
        return None
    a, b = ("not measured" if error is None else f"{error:.2f} %" for error in errors)
    return f"Calibration error (ECE) on these tiles: A {a}, B {b}."


def settings_lines(comparison: RunComparison) -> list[str]:
    """Return in which settings, versions and devices two runs differ, and which uses tuned values, as lines."""
    lines = []
    if comparison.settings:
        lines.append(
            f"The two runs have different settings beyond their names (A, B): {', '.join(comparison.settings)}."
        )
    if comparison.environments:
        versions = "; ".join(comparison.environments)
        lines.append(f"The two runs had different versions or devices, which can move last digits: {versions}.")
    sides = {"A": comparison.a.tuned, "B": comparison.b.tuned}
    marked = {name: tuned for name, tuned in sides.items() if tuned is not None and tuned.values}
    lines += [f"{name} uses values tuned for the bench: {describe_tuned(tuned)}." for name, tuned in marked.items()]
    if len(marked) == 1:
        lines.append("The other does not, so the difference is not one of methods alone.")
    return lines


def changed_data_line(comparison: RunComparison) -> str | None:
    """Return which training data changed between two runs of one bench, as a line; None where none did."""
    if not comparison.trained_on_other_data:
        return None
    sets = " and ".join(ROLES[role] for role in comparison.trained_on_other_data)
    return f"The data changed between the two runs: {sets} are not the same, so the difference is not one of methods."


def _fact(value: object) -> str:
    if value is None:
        return "unknown"
    return str(value.get("mode", value)) if isinstance(value, dict) else str(value)


def _checkpoint(scored: Scoring) -> str:
    star = "*" if scored.selection == "oracle" else ""
    at = "" if scored.iter is None else f" at iteration {scored.iter}"
    label = f"{(scored.selection or '').replace('_', '-')}{star} weights{at}".strip()
    return f"{label} (*chosen with target labels, so not a result of adaptation)" if star else label


def _difference(difference: RoundedDifference) -> tuple[str, str, str]:
    points, share = difference.points, difference.share_above_pct
    limits = format_interval(difference.low, difference.high, sign="+")
    return "-" if points is None else f"{points:+.2f}", limits, "-" if share is None else f"{share:.0f}"


def _level(interval: IntervalFacts) -> str:
    return f"{100 * interval.level:g} % interval"


def _table(row_heading: str, *headings: str) -> Table:
    # Names of classes may have brackets, which rich must not read as markup.
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column(row_heading)
    for name in headings:
        table.add_column(name, justify="right")
    return table
