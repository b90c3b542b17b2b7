"""The types of the JSON of `rs-adapt score` and `rs-adapt compare`; shares, scores and ends of intervals in percent."""

from __future__ import annotations

from typing import TypedDict


class Ends(TypedDict):
    """The ends of an interval; None without one."""

    low: float | None
    high: float | None


class Draws(TypedDict):
    """How intervals were drawn; `units` counts the scenes or images (`unit`) with labels, `rough` means few of them."""

    level: float
    unit: str
    units: int
    resamples: int
    seed: int
    rough: bool


class DrawnInterval(Draws):
    """The interval of an mIoU, and how it was drawn."""

    low: float | None
    high: float | None


class ScoredContent(TypedDict):
    """How a score was obtained; `but_for` lists the options that replaced parts of the protocol."""

    split: str | None
    bench: str | None
    protocol: str | None
    but_for: list[str]
    selection: str | None
    iter: int | None
    weights: str | None
    inference: object
    classes: str
    classes_scored: list[str]
    classes_ignored: list[str]


class ClassScore(Ends):
    """IoU of a class with its interval, and whether the class is in the mean."""

    iou_pct: float | None
    in_mean: bool


class GroupScore(TypedDict):
    """MIoU of a group of images, and its share of the labelled pixels."""

    name: str
    miou_pct: float | None
    images: int
    pixels: int
    share_pct: float | None


class LargestError(TypedDict):
    """The most frequent error in an image: true class, predicted class, share of the image's labelled pixels."""

    truth: str | None
    taken_for: str | None
    share_pct: float | None


class ImageScore(LargestError):
    """MIoU of an image and its most frequent error."""

    tile: str
    miou_pct: float | None


class ScoreContent(TypedDict):
    """The JSON of `rs-adapt score`."""

    place: str
    file: str
    scored: ScoredContent
    images: int
    pixels: int
    miou_pct: float | None
    aacc_pct: float | None
    interval: DrawnInterval
    classes: dict[str, ClassScore]
    group_by: str | None
    groups: list[GroupScore] | None
    worst: list[ImageScore] | None


class DifferenceContent(Ends):
    """B minus A in points with its interval, and the share of resamples above 0."""

    points: float | None
    share_above_pct: float | None


class ClassDifference(DifferenceContent):
    """IoU of a class in both runs, and its difference."""

    a_pct: float | None
    b_pct: float | None
    in_mean: bool


class SideContent(ScoredContent):
    """One of the two runs of a comparison."""

    place: str
    file: str
    miou_pct: float | None


class ComparisonContent(TypedDict):
    """The JSON of `rs-adapt compare`; `differ` lists the facts in which the two scores were obtained differently."""

    sentence: str
    a: SideContent
    b: SideContent
    differ: list[str]
    images: int
    miou: DifferenceContent
    classes: dict[str, ClassDifference]
    interval: Draws
