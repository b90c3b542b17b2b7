"""`rs-adapt score`: scores, intervals and groups from stored confusion matrices. Loads no torch.

Shapes: N images, U units, K classes.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rs_adapt.errors import ConfigError
from rs_adapt.runs.records import IntervalFacts
from rs_adapt.scores.class_sets import ClassSet, class_set
from rs_adapt.scores.current import changes_of
from rs_adapt.scores.intervals import bootstrap, bootstrap_facts
from rs_adapt.scores.measures import MIOU, Measure, rename_keys
from rs_adapt.scores.resampling import sums_of, zero_classes
from rs_adapt.scores.rounding import pair, plain
from rs_adapt.scores.scoring import Scoring, describe_scoring, list_given
from rs_adapt.scores.stored import absent_of, check_protocol, classes_of, open_stored, read_protocol
from rs_adapt.scores.units import Units, units_of

if TYPE_CHECKING:
    from pydantic import JsonValue


@dataclass(frozen=True, kw_only=True)
class ClassScore:
    """IoU of a class and its interval in percent, None where there is none; and whether the class is in the mean."""

    iou_pct: float | None
    low: float | None
    high: float | None
    in_mean: bool


@dataclass(frozen=True, kw_only=True)
class UnitScore:
    """The score of an image, a scene or a city.

    Attributes:
        name: Name of the image, scene or city.
        miou_pct: Mean IoU in percent; None if no class in the mean occurs.
        classes_in_mean: Number of classes that it is the mean of: those with true pixels in the group.
        images: Number of its images.
        pixels: Number of its counted pixels.
        share_pct: Its share of all counted pixels, in percent.
    """

    name: str
    miou_pct: float | None
    classes_in_mean: int
    images: int
    pixels: int
    share_pct: float | None


@dataclass(frozen=True, kw_only=True)
class ImageScore:
    """The score of an image, and its most frequent error: pixels of `truth` predicted as `taken_for`.

    `share_pct` is the share of this error in the counted pixels; without an error the names are None.
    """

    tile: str
    miou_pct: float | None
    truth: str | None
    taken_for: str | None
    share_pct: float | None


@dataclass(frozen=True, kw_only=True)
class Rescored:
    """The scores of stored matrices. Percent has 3 digits; None where there is no value.

    Attributes:
        place: The folder or file, as given.
        file: The file of the matrices.
        scored: How the score was obtained.
        images: Number of images.
        pixels: Number of counted pixels.
        miou_pct: Mean IoU over the scored classes.
        aacc_pct: Percentage of counted pixels that are right.
        interval: Interval of `miou_pct`, and how it was drawn.
        classes: Scores by class, without the ignored ones.
        group_by: `image`, `scene` or `city`; None where no groups were requested.
        groups: Scores by group; None where none were requested.
        worst: The images with the lowest mIoU, worst first; None where none were requested.
        notes: Sentences that one has to know before trusting the score.
        contradictions: Scores of `result.json` that the matrices contradict, as sentences.
        measure: The score that stands in the place of mIoU: of classification accuracy or harmonic mean.
    """

    place: str
    file: str
    scored: Scoring
    images: int
    pixels: int
    miou_pct: float | None
    aacc_pct: float | None
    interval: IntervalFacts
    classes: dict[str, ClassScore]
    group_by: str | None
    groups: list[UnitScore] | None
    worst: list[ImageScore] | None
    notes: list[str]
    contradictions: list[str]
    measure: Measure = MIOU

    def to_json(self) -> dict[str, JsonValue]:
        """Return the content as `rs-adapt score --json` prints it."""
        measure = self.measure
        content = {name: value for name, value in asdict(self).items() if name != "measure"}
        renamed: dict[str, JsonValue] = rename_keys(content, measure)
        return renamed | {"interval": self.interval.content()}


def rescore(
    place: Path,
    *,
    classes: str | None = None,
    ignore: str | None = None,
    selection: str | None = None,
    protocol: str | None = None,
    unit: str = "auto",
    group_by: str | None = None,
    worst: int = 0,
) -> Rescored:
    """Score stored matrices again.

    Args:
        place: A run folder, a folder that `rs-adapt eval` wrote, or one `.npz` file.
        classes: The classes in the mean, as for `class_set`; None takes those of the protocol.
        ignore: The ignored classes, as for `class_set`.
        selection: The selection of the checkpoint; None takes the protocol's, else the run's headline.
        protocol: Name of a protocol, which then determines selection, classes and weights.
        unit: The unit that the bootstrap draws: "auto", "image" or "scene".
        group_by: "image", "scene" or "city" for scores by group.
        worst: Number of images with the lowest mIoU to list.

    Raises:
        ScoresError: No matrices are stored, or they do not fit the protocol.
        ConfigError: Names or options are wrong.
    """
    but_for = list_given(classes=classes, ignore=ignore, selection=selection)
    requested = None if protocol is None else read_protocol(protocol)
    if requested is not None:
        if but_for:
            raise ConfigError(
                f"--protocol {protocol} already determines what is scored: leave out {', '.join(but_for)}."
            )
        classes, selection = classes_of(requested), requested.selection or "last"
    stored = open_stored(place, selection)
    if requested is not None:
        check_protocol(stored, requested)
    absent = stored.absent if requested is None else absent_of(requested)
    chosen = class_set(
        stored.per_image.classes,
        chosen=classes or stored.classes,
        ignore=ignore or "",
        absent=absent,
        measure=stored.per_image.measure,
    )
    counts_NKK = chosen.counted(stored.per_image.counts_NKK)
    total_KK = counts_NKK.sum(axis=0)
    pixels = int(total_KK.sum())
    by_unit = units_of(stored.per_image, unit)
    counts_UKK = chosen.counted(by_unit.counts_UKK)
    drawn = bootstrap(counts_UKK, scored=chosen.scored, absent=chosen.absent, measure=chosen.measure)
    iou_K = chosen.by_class(total_KK[None])[0]
    scored = describe_scoring(stored, chosen, but_for, total_KK)
    if requested is not None:
        scored = replace(scored, protocol=f"{requested.name}-{requested.version}", but_for=[])
    return Rescored(
        place=str(place),
        file=str(stored.file),
        scored=scored,
        images=len(counts_NKK),
        pixels=pixels,
        miou_pct=plain(chosen.overall(total_KK[None])[0]),
        aacc_pct=plain(100.0 * np.trace(total_KK) / pixels if pixels else math.nan),
        interval=bootstrap_facts(drawn, unit=by_unit.by),
        classes={
            name: ClassScore(iou_pct=plain(iou_K[index]), **pair(drawn.iou[index]), in_mean=index in chosen.scored)
            for index, name in enumerate(chosen.classes)
            if index not in chosen.ignored
        },
        group_by=group_by,
        groups=None if group_by is None else _groups(units_of(stored.per_image, group_by), chosen),
        worst=_worst(stored.per_image.tiles, counts_NKK, chosen, worst) if worst else None,
        notes=[*stored.notes, *changes_of(stored)],
        contradictions=stored.contradictions,
        measure=chosen.measure,
    )


def _groups(units: Units, chosen: ClassSet) -> list[UnitScore]:
    counts_UKK = chosen.counted(units.counts_UKK)
    pixels_U = counts_UKK.sum(axis=(1, 2))
    share_U = 100.0 * pixels_U / max(int(pixels_U.sum()), 1)
    # Of the classes that the whole split has, only those of the group count in its mean, under any rule.
    sums_U3K = sums_of(counts_UKK)
    zero_K = zero_classes(sums_U3K, chosen.absent)
    iou_UK = chosen.measure.by_class(sums_U3K, zero_K)
    miou_U = chosen.measure.overall(sums_U3K, chosen.scored, zero_K)
    number_U = (~np.isnan(iou_UK[:, list(chosen.scored)])).sum(axis=1)
    return [
        UnitScore(
            name=name,
            miou_pct=plain(miou),
            classes_in_mean=int(number),
            images=int(images),
            pixels=int(pixels),
            share_pct=plain(share),
        )
        for name, miou, number, images, pixels, share in zip(
            units.names, miou_U, number_U, units.images_U, pixels_U, share_U, strict=True
        )
    ]


def _worst(tiles: tuple[str, ...], counts_NKK: NDArray[np.int64], chosen: ClassSet, number: int) -> list[ImageScore]:
    """Return the images with the lowest mIoU, worst first; images without a value are left out."""
    sums_N3K = sums_of(counts_NKK)
    miou_N = chosen.measure.overall(sums_N3K, chosen.scored, zero_classes(sums_N3K, chosen.absent))
    # NaN sorts after all numbers; equal scores keep the order of the images.
    order = np.argsort(miou_N, kind="stable")[: min(number, int((~np.isnan(miou_N)).sum()))]
    return [_image_score(tiles[index], miou_N[index], counts_NKK[index], chosen) for index in order]


def _image_score(tile: str, miou: float, counts_KK: NDArray[np.int64], chosen: ClassSet) -> ImageScore:
    errors_KK = counts_KK - np.diag(np.diag(counts_KK))
    truth, taken = np.unravel_index(int(errors_KK.argmax()), errors_KK.shape)
    most = int(errors_KK[truth, taken])
    return ImageScore(
        tile=tile,
        miou_pct=plain(miou),
        truth=chosen.classes[truth] if most else None,
        taken_for=chosen.classes[taken] if most else None,
        share_pct=plain(100.0 * most / counts_KK.sum()) if most else 0.0,
    )
