"""`rs-adapt compare`: the difference of two runs over the same images, from what they stored. Loads no torch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from rs_adapt.errors import ConfigError, ScoresError
from rs_adapt.scores.class_sets import class_set
from rs_adapt.scores.content import ComparisonContent, DifferenceContent, Draws, SideContent
from rs_adapt.scores.intervals import Difference, paired_difference
from rs_adapt.scores.per_image import PerImage
from rs_adapt.scores.resampling import iou_of, miou_of
from rs_adapt.scores.rescore import given, pair, plain, scored_facts
from rs_adapt.scores.stored import open_stored
from rs_adapt.scores.units import PLURAL, units_of

# What two comparable scores have in common.
_Fact = Literal["protocol", "selection", "weights", "inference"]
_SAME: tuple[_Fact, ...] = (
    "protocol",
    "selection",
    "weights",
    "inference",
)


def compare_runs(
    place_a: Path,
    place_b: Path,
    *,
    classes: str | None = None,
    ignore: str | None = None,
    selection: str | None = None,
    unit: str = "auto",
) -> ComparisonContent:
    """Compare B with A, paired by the names of their tiles.

    Args:
        place_a: A run folder, a folder that `rs-adapt eval` wrote, or one `.npz` file.
        place_b: The other one.
        classes: Words of `class_set`; None is those of the runs' protocol.
        ignore: Words of `class_set`.
        selection: Which checkpoint of both; None is each run's headline.
        unit: What is drawn for the intervals: "auto", "image" or "scene".

    Returns:
        JSON: `sentence`, `a` and `b` (where, how scored, `miou_pct`), `miou` and `classes` (B minus A in points:
        `points`, `low`, `high`, `share_above_pct`), `differ` (facts that differ), and how the intervals were made.

    Raises:
        ScoresError: Nothing is stored, or the two are not of the same images, labels and classes.
        ConfigError: Names or options are wrong.
    """
    stored_a, stored_b = open_stored(place_a, selection), open_stored(place_b, selection)
    a = stored_a.per_image
    b = aligned(a, stored_b.per_image, place_a, place_b)
    if classes is None and stored_a.classes != stored_b.classes:
        raise ConfigError(
            f"The protocols take the mean over other classes: {stored_a.classes} in {place_a}, {stored_b.classes} in "
            f"{place_b}. Say which with --classes."
        )
    chosen = class_set(a.classes, chosen=classes or stored_a.classes, ignore=ignore or "")
    units_a, units_b = units_of(a, unit), units_of(b, unit)
    estimate = paired_difference(
        chosen.counted(units_a.counts_UKK), chosen.counted(units_b.counts_UKK), scored=chosen.scored
    )
    but_for = given(classes=classes, ignore=ignore, selection=selection)
    totals = [chosen.counted(run.total_KK()[None]) for run in (a, b)]
    side_a, side_b = (
        SideContent(
            place=str(place),
            file=str(stored.file),
            **scored_facts(stored, chosen, but_for),
            miou_pct=plain(miou_of(total, chosen.scored)[0]),
        )
        for place, stored, total in zip((place_a, place_b), (stored_a, stored_b), totals, strict=True)
    )
    iou_a, iou_b = (iou_of(total)[0] for total in totals)
    miou = _plain(estimate.miou)
    draws: Draws = {
        "level": estimate.level,
        "unit": units_a.by,
        "units": estimate.units,
        "resamples": estimate.resamples,
        "seed": estimate.seed,
        "rough": estimate.rough,
    }
    return {
        "sentence": sentence(miou, draws),
        "a": side_a,
        "b": side_b,
        "differ": [key for key in _SAME if side_a[key] != side_b[key]],
        "images": len(a.tiles),
        "miou": miou,
        "classes": {
            name: {
                "a_pct": plain(iou_a[index]),
                "b_pct": plain(iou_b[index]),
                **_plain(estimate.iou[index]),
                "in_mean": index in chosen.scored,
            }
            for index, name in enumerate(chosen.classes)
            if index not in chosen.ignored
        },
        "interval": draws,
    }


def sentence(miou: DifferenceContent, draws: Draws) -> str:
    """Return the difference of mIoU as one plain sentence."""
    points, low, high = miou["points"], miou["low"], miou["high"]
    number = draws["units"]
    over = f"over {number} {PLURAL[draws['unit']] if number != 1 else draws['unit']}"
    if points is None:
        return "There is nothing to compare: a run has no value for any class in the mean."
    numbers = [value for value in (points, low, high) if value]
    # A digit more where one would show a 0 that is none.
    digits = 1 if all(abs(value) >= 0.05 for value in numbers) else 2
    distance = f"B is {abs(points):.{digits}f} points {'above' if points > 0 else 'below'} A"
    if low is None or high is None:
        return f"{distance}, {over}: too few for an interval."
    interval = f"[{low:+.{digits}f}, {high:+.{digits}f}], {100 * draws['level']:g} %, {over}"
    if low <= 0 <= high:
        return f"The two cannot be told apart: {points:+.{digits}f} {interval}."
    return f"{distance} {interval}."


def _plain(difference: Difference) -> DifferenceContent:
    share = difference.share_above
    return {
        "points": plain(difference.points),
        **pair(difference.interval),
        "share_above_pct": None if share is None else plain(100.0 * share),
    }


def aligned(a: PerImage, b: PerImage, place_a: Path, place_b: Path) -> PerImage:
    """Return B with its images in A's order and A's scenes.

    Raises:
        ScoresError: The two are not of the same classes, tiles, split or labels.
    """
    if a.classes != b.classes:
        raise ScoresError(
            f"The class lists differ: {', '.join(a.classes)} in {place_a}, {', '.join(b.classes)} in {place_b}. Only "
            "runs of one bench can be compared: score one of them on the other's with rs-adapt eval --bench."
        )
    again = "Score both on the same tiles: rs-adapt eval RUN --split ..., and compare what it writes."
    if different := set(a.tiles) ^ set(b.tiles):
        raise ScoresError(
            f"{len(different)} tiles are in one run only, such as {min(different)}: {len(a.tiles)} are in {place_a}, "
            f"{len(b.tiles)} in {place_b}. {again}"
        )
    if a.facts.get("split") != b.facts.get("split"):
        raise ScoresError(
            f"All {len(a.tiles)} tiles have the same names, but the splits differ: {a.facts.get('split')} in "
            f"{place_a}, {b.facts.get('split')} in {place_b}. {again}"
        )
    place_of = {tile: index for index, tile in enumerate(b.tiles)}
    counts_NKK = b.counts_NKK[[place_of[tile] for tile in a.tiles]]
    other = (a.counts_NKK.sum(axis=2) != counts_NKK.sum(axis=2)).any(axis=1)
    if other.any():
        raise ScoresError(
            f"{int(other.sum())} of {len(a.tiles)} tiles have other labels in the two runs, such as "
            f"{a.tiles[int(np.argmax(other))]}. {again}"
        )
    return replace(a, counts_NKK=counts_NKK, facts=b.facts)
