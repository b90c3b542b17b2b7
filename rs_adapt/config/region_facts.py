"""The facts that a bench's file states about its source and its target; see `rs_adapt.config.facts`."""

from __future__ import annotations

from typing import NotRequired, TypedDict


class SplitFacts(TypedDict):
    """Folders of a split, relative to the data root or to the folder of prepared tiles."""

    img_dir: str
    ann_dir: str


class RegionFacts(TypedDict):
    """A region of a bench; `val` is None if the region has no labels to score on.

    `classes` and `palette` are those of its labels, in the order of their values, where source and target differ; see
    `rs_adapt.config.vocabularies`. `ann_suffix` stands in for that of the bench; `resize_px` of the target is that of
    `inference`, and the source may have its own. `class_names`: see `SceneDataset`.
    """

    region: str
    train: SplitFacts
    val: SplitFacts | None
    test: NotRequired[SplitFacts]
    bands: NotRequired[str]
    city: NotRequired[str]
    gsd_m: NotRequired[float]
    scene_pattern: NotRequired[str]
    class_names: NotRequired[dict[str, str]]
    classes: NotRequired[list[str]]
    palette: NotRequired[list[list[int]]]
    ann_suffix: NotRequired[str]
    resize_px: NotRequired[int]
