"""`rs-adapt compare`: the difference of two runs over the same images, from their stored matrices. Loads no torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rs_adapt.errors import ConfigError, ScoresError
from rs_adapt.render.document import format_interval
from rs_adapt.runs.data import changed_roles
from rs_adapt.runs.identity import describe_environments
from rs_adapt.runs.records import IntervalFacts, Result, TunedValues
from rs_adapt.scores.class_sets import class_set
from rs_adapt.scores.current import changes_of
from rs_adapt.scores.differences import ClassDifference, RoundedDifference, rounded
from rs_adapt.scores.intervals import paired_difference
from rs_adapt.scores.measures import MIOU, Measure, rename_keys
from rs_adapt.scores.per_image import PerImage
from rs_adapt.scores.rounding import plain
from rs_adapt.scores.scoring import Scoring, describe_scoring, list_given
from rs_adapt.scores.settings import differing_settings, run_of
from rs_adapt.scores.stored import open_stored
from rs_adapt.scores.t_interval import FORM
from rs_adapt.scores.tuning import tuned_values_of
from rs_adapt.scores.units import PLURAL, units_of

if TYPE_CHECKING:
    from pydantic import JsonValue

# Fields of `Scoring` in which two scores should agree to be comparable.
_SAME = ("protocol", "selection", "weights", "inference", "precision")
_TRAINING = ("labelled", "unlabelled")


@dataclass(frozen=True, kw_only=True)
class ComparedRun:
    """One of the two compared runs.

    Attributes:
        place: Its folder.
        file: The file of its matrices.
        scored: How they were scored.
        miou_pct: Mean IoU in percent.
        notes: Sentences of `result.json` that one has to know before trusting the score.
        contradictions: Scores of `result.json` that the matrices contradict, as sentences.
        tuned: Values tuned for bench and setting that the run used; None where that is not known.
    """

    place: str
    file: str
    scored: Scoring
    miou_pct: float | None
    notes: tuple[str, ...]
    contradictions: tuple[str, ...]
    tuned: TunedValues | None = None

    def to_json(self) -> dict[str, JsonValue]:
        """Return the run as `rs-adapt compare --json` prints it."""
        content = {"place": self.place, "file": self.file, **asdict(self.scored), "miou_pct": self.miou_pct}
        tuned = None if self.tuned is None else self.tuned.content()
        return {**content, "notes": [*self.notes], "contradictions": [*self.contradictions], "tuned": tuned}


@dataclass(frozen=True, kw_only=True)
class RunComparison:
    """Two runs over the same images. Percent and points have 3 digits.

    Attributes:
        a: The first run.
        b: The second run.
        differ: Facts in which the two scores differ: protocol, selection, weights, inference or precision.
        settings: Settings in which the two runs differ beyond their names, such as `learning rate (0.001, 0.01)`.
        environments: Versions and devices in which they differ, such as `torch 2.12.0, 2.13.0`.
        trained_on_other_data: Roles of training data that changed between the two runs of one bench and setting.
        images: Number of images.
        miou: Difference of the mean IoU.
        classes: Differences by class, without the ignored ones.
        interval: How the intervals were drawn; it has no limits of its own.
        measure: The score that stands in the place of mIoU: of classification accuracy or harmonic mean.
    """

    a: ComparedRun
    b: ComparedRun
    differ: list[str]
    trained_on_other_data: list[str]
    images: int
    miou: RoundedDifference
    classes: dict[str, ClassDifference]
    interval: IntervalFacts
    settings: list[str] = field(default_factory=list)
    environments: list[str] = field(default_factory=list)
    measure: Measure = MIOU

    @property
    def sentence(self) -> str:
        """The difference of mIoU in one plain sentence."""
        points, low, high = self.miou.points, self.miou.low, self.miou.high
        number, unit = self.interval.units, self.interval.unit
        over = f"over {number} {PLURAL[unit] if number != 1 else unit}"
        if points is None:
            return "There is nothing to compare: a run has no value for any class in the mean."
        # Two digits where one digit would show a small value as 0.
        digits = 1 if all(abs(value) >= 0.05 for value in (points, low, high) if value) else 2
        distance = f"B is {abs(points):.{digits}f} points {'above' if points > 0 else 'below'} A"
        if low is None or high is None:
            return f"{distance}, {over}: too few for an interval."
        limits = f"{format_interval(low, high, digits=digits, sign='+')}, {100 * self.interval.level:g} %, {over}"
        if low <= 0 <= high:
            return f"The two cannot be told apart: {points:+.{digits}f} {limits}."
        return f"{distance} {limits}."

    def to_json(self) -> dict[str, JsonValue]:
        """Return the content as `rs-adapt compare --json` prints it."""
        content = {
            "sentence": self.sentence,
            "a": self.a.to_json(),
            "b": self.b.to_json(),
            "differ": [*self.differ],
            "settings": [*self.settings],
            "environments": [*self.environments],
            "trained_on_other_data": [*self.trained_on_other_data],
            "images": self.images,
            "miou": asdict(self.miou),
            "classes": {name: difference.to_json() for name, difference in self.classes.items()},
            "interval": self.interval.content(),
        }
        renamed: dict[str, JsonValue] = rename_keys(content, self.measure)
        return renamed


def compare_runs(
    place_a: Path,
    place_b: Path,
    *,
    classes: str | None = None,
    ignore: str | None = None,
    selection: str | None = None,
    unit: str = "auto",
) -> RunComparison:
    """Compare B with A, paired by the names of their tiles.

    Args:
        place_a: A run folder, a folder that `rs-adapt eval` wrote, or one `.npz` file.
        place_b: The same for the other run.
        classes: The classes in the mean, as for `class_set`; None takes those of the runs' protocol.
        ignore: The ignored classes, as for `class_set`.
        selection: The selection of both checkpoints; None takes each run's headline.
        unit: The unit that the bootstrap draws: "auto", "image" or "scene".

    Raises:
        ScoresError: No matrices are stored, or images, labels or classes of the two differ.
        ConfigError: Names or options are wrong.
    """
    stored_a, stored_b = open_stored(place_a, selection), open_stored(place_b, selection)
    a = stored_a.per_image
    b = align(a, stored_b.per_image, place_a, place_b)
    if classes is None and stored_a.classes != stored_b.classes:
        raise ConfigError(
            f"The protocols take the mean over different classes: {stored_a.classes} in {place_a}, {stored_b.classes} "
            f"in {place_b}. Choose them with --classes."
        )
    # Under different rules the classes that both runs have in common are compared.
    absent = stored_a.absent if stored_a.absent == stored_b.absent else "left_out"
    chosen = class_set(
        a.classes,
        chosen=classes or stored_a.classes,
        ignore=ignore or "",
        absent=absent,
        measure=a.measure,
    )
    units_a, units_b = units_of(a, unit), units_of(b, unit)
    paired = paired_difference(
        chosen.counted(units_a.counts_UKK),
        chosen.counted(units_b.counts_UKK),
        scored=chosen.scored,
        absent=chosen.absent,
        measure=chosen.measure,
    )
    changed_by = list_given(classes=classes, ignore=ignore, selection=selection)
    totals = [chosen.counted(run.total_KK()[None]) for run in (a, b)]
    side_a, side_b = (
        ComparedRun(
            place=str(place),
            file=str(stored.file),
            scored=describe_scoring(stored, chosen, changed_by, total[0]),
            miou_pct=plain(chosen.overall(total)[0]),
            notes=(*stored.notes, *changes_of(stored)),
            contradictions=tuple(stored.contradictions),
        )
        for place, stored, total in zip((place_a, place_b), (stored_a, stored_b), totals, strict=True)
    )
    runs = [run_of(stored.file) for stored in (stored_a, stored_b)]
    known = [run for run in runs if run is not None]
    side_a, side_b = (
        replace(side, tuned=None if run is None else tuned_values_of(run))
        for side, run in zip((side_a, side_b), runs, strict=True)
    )
    iou_a, iou_b = (chosen.by_class(total)[0] for total in totals)
    return RunComparison(
        a=side_a,
        b=side_b,
        differ=[name for name in _SAME if getattr(side_a.scored, name) != getattr(side_b.scored, name)],
        trained_on_other_data=_changed_training(stored_a.result, stored_b.result),
        settings=differing_settings(*known) if len(known) == 2 else [],
        environments=describe_environments(known),
        images=len(a.tiles),
        miou=rounded(paired.miou),
        measure=chosen.measure,
        classes={
            name: ClassDifference(
                a_pct=plain(iou_a[index]),
                b_pct=plain(iou_b[index]),
                difference=rounded(paired.iou[index]),
                in_mean=index in chosen.scored,
            )
            for index, name in enumerate(chosen.classes)
            if index not in chosen.ignored
        },
        interval=IntervalFacts(
            form=FORM,
            level=paired.level,
            unit=units_a.by,
            units=paired.units,
            resamples=paired.resamples,
            seed=paired.seed,
            rough=paired.rough,
        ),
    )


def _changed_training(a: Result | None, b: Result | None) -> list[str]:
    if a is None or b is None or (a.cell.bench, a.cell.setting) != (b.cell.bench, b.cell.setting):
        return []
    changed = changed_roles(a.data, b.data)
    return [role for role in _TRAINING if role in changed]


def align(a: PerImage, b: PerImage, place_a: Path, place_b: Path) -> PerImage:
    """Return B with its images in A's order and A's scenes.

    Raises:
        ScoresError: Classes, tiles, split, labels or images of the two differ.
    """
    if a.classes != b.classes:
        raise ScoresError(
            f"The class lists differ: {', '.join(a.classes)} in {place_a}, {', '.join(b.classes)} in {place_b}. Only "
            "runs of one bench can be compared: score one of them on the other's bench with rs-adapt eval --bench."
        )
    again = "Score both on the same tiles with rs-adapt eval RUN --split ..., and compare the folders that it writes."
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
    data_a, data_b = a.facts.get("data_sha256"), b.facts.get("data_sha256")
    if None not in (data_a, data_b) and data_a != data_b:
        raise ScoresError(
            f"The images or labels of {a.facts.get('split')} were not the same when {place_a} and {place_b} were "
            f"scored (fingerprints {str(data_a)[:12]} and {str(data_b)[:12]}), so their difference has no meaning. "
            f"{again}"
        )
    place_of = {tile: index for index, tile in enumerate(b.tiles)}
    counts_NKK = b.counts_NKK[[place_of[tile] for tile in a.tiles]]
    differs_N = (a.counts_NKK.sum(axis=2) != counts_NKK.sum(axis=2)).any(axis=1)
    if differs_N.any():
        raise ScoresError(
            f"{int(differs_N.sum())} of {len(a.tiles)} tiles have different labels in the two runs, such as "
            f"{a.tiles[int(np.argmax(differs_N))]}. {again}"
        )
    return replace(a, counts_NKK=counts_NKK, facts=b.facts)
