"""Which scenes of a region train and which are held out: by name, by area, or one scene divided into blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import combinations
from typing import Literal

from rs_adapt.datasets.own.layout import SceneFiles
from rs_adapt.datasets.recipes import SceneRegion
from rs_adapt.errors import DataError, DataNotFound

Split = Literal["train", "val", "divided"]
# Factors of `val_share` between which the area of whole scenes may lie.
_NEAR_ENOUGH = (0.6, 1.75)
# All choices of scenes are compared for so few of them.
_FEW_SCENES = 12
# Tiles along the longest side from which on a scene may be divided instead of choosing among scenes.
_DIVISIBLE_TILES = 4
_LARGEST_SHARE = 0.5


@dataclass(frozen=True, kw_only=True)
class ScenePlan:
    """A scene and its split.

    Attributes:
        scene: Its files.
        split: "divided" where blocks of it are held out.
        share: Share of a divided scene that is held out, 0 to 1.
    """

    scene: SceneFiles
    split: Split
    share: float = 0.0


def split_scenes(
    region: SceneRegion, scenes: Sequence[SceneFiles], size_px: Callable[[SceneFiles], tuple[int, int]], tile_px: int
) -> list[ScenePlan]:
    """Return the split of each scene.

    `val` names scenes. With `val_share`, as many scenes as that share of their number are held out, evenly spread in
    the order of names, if their area is near that share; else the scenes whose area comes nearest; and where that is
    not near enough, blocks of the largest scene. A single scene is divided into blocks.

    Args:
        region: The region; without labels all of its scenes train.
        scenes: Its scenes, sorted by name.
        size_px: Gives width and height of a scene; asked only where they decide.
        tile_px: Side of a tile.

    Raises:
        DataNotFound: `val` names no scene.
        DataError: `val` names all scenes.
    """
    share = region.val_share
    if region.labels is None or (not region.val and not share):
        held: set[SceneFiles] = set()
    elif region.val:
        held = _by_pattern(region, scenes)
    else:
        assert share is not None
        sizes_px = [size_px(scene) for scene in scenes] if len(scenes) > 1 else [(1, 1)]
        areas = [width_px * height_px for width_px, height_px in sizes_px]
        chosen = _by_area(areas, share)
        if chosen is None or not _is_near(chosen, areas, share):
            largest = max(range(len(scenes)), key=areas.__getitem__)
            if chosen is None or max(sizes_px[largest]) >= _DIVISIBLE_TILES * tile_px:
                part = min(_LARGEST_SHARE, share * sum(areas) / areas[largest]) if len(scenes) > 1 else share
                return [
                    ScenePlan(scene=scene, split="divided", share=part)
                    if index == largest
                    else ScenePlan(scene=scene, split="train")
                    for index, scene in enumerate(scenes)
                ]
        held = {scenes[index] for index in chosen}
    return [ScenePlan(scene=scene, split="val" if scene in held else "train") for scene in scenes]


def _by_pattern(region: SceneRegion, scenes: Sequence[SceneFiles]) -> set[SceneFiles]:
    place = region.files or region.images
    held = set()
    for pattern in region.val:
        fitting = [
            scene
            for scene in scenes
            if any(fnmatchcase(name, pattern) for name in (scene.name, scene.image.stem, scene.image.name))
        ]
        if not fitting:
            raise DataNotFound(f"{place} holds no image {pattern!r}, which val names (names without their ending).")
        held |= {*fitting}
    if len(held) == len(scenes):
        raise DataError(f"{place}: val names all {len(scenes)} images, so none is left to train on.")
    return held


def _by_area(areas: Sequence[int], share: float) -> list[int] | None:
    """Return the positions of the scenes to hold out; None for a single scene."""
    number = len(areas)
    if number == 1:
        return None
    count = min(number - 1, max(1, round(number * share)))
    # Spread evenly, so that neighbours in the order of names do not all go to one side.
    spread = sorted({round((index + 0.5) * number / count - 0.5) for index in range(count)})
    if _is_near(spread, areas, share):
        return spread
    wanted = share * sum(areas)
    if number <= _FEW_SCENES:
        choices = [list(choice) for size in range(1, number) for choice in combinations(range(number), size)]
        return min(choices, key=lambda choice: abs(sum(areas[index] for index in choice) - wanted))
    chosen: list[int] = []
    for index in sorted(range(number), key=lambda index: -areas[index]):
        if sum(areas[other] for other in chosen) + areas[index] <= wanted:
            chosen.append(index)
    return sorted(chosen) or [min(range(number), key=areas.__getitem__)]


def _is_near(chosen: Sequence[int], areas: Sequence[int], share: float) -> bool:
    part = sum(areas[index] for index in chosen) / sum(areas)
    return _NEAR_ENOUGH[0] * share <= part <= _NEAR_ENOUGH[1] * share
