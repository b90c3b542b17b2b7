"""The regions of a bench of your own: their scenes, splits and labels, before anything is cut."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from rs_adapt.datasets.own.layout import SceneFiles, find_scenes
from rs_adapt.datasets.own.splits import ScenePlan, split_scenes
from rs_adapt.datasets.recipes import LabelSource, SceneRegion, ScenesRecipe
from rs_adapt.errors import DataError, DataNotFound
from rs_adapt.files import file_state, is_file_or_geodatabase

ROLES = ("source", "target")


@dataclass(frozen=True, kw_only=True)
class RegionPlan:
    """A region with its role, and its scenes with their splits.

    Attributes:
        role: "source" or "target".
        region: The region.
        scenes: Its scenes.
        is_learnt: Whether labels of its training tiles are read.
    """

    role: str
    region: SceneRegion
    scenes: Sequence[ScenePlan]
    is_learnt: bool

    def labels_of(self, plan: ScenePlan) -> LabelSource | None:
        """Return how the labels of a scene are read; None where they are not needed or not there."""
        return self.region.labels if self.is_learnt or plan.split != "train" else None


def stored_size_px(scene: SceneFiles) -> tuple[int, int]:
    """Return width and height of a scene's image as it is stored; not every image is opened before it is cut.

    Raises:
        DataError: The image cannot be read.
    """
    return _size_px(scene.image, file_state(scene.image))


@lru_cache(maxsize=1 << 16)
def _size_px(image: Path, _state: tuple[int, int, int]) -> tuple[int, int]:
    from rs_adapt.scenes import stored_form

    form = stored_form(image)
    return form.width_px, form.height_px


def missing_places(recipe: ScenesRecipe, roles: Sequence[str] = ROLES) -> list[Path]:
    """Return the folders and files of regions that do not exist: images, lists, labels, areas of interest."""
    places: list[str | None] = []
    for region in (recipe.regions[role] for role in roles):
        places.append(region.files or region.images)
        if region.labels is not None:
            places += [region.labels.path, region.labels.aoi]
    return [Path(place) for place in places if place is not None and not Path(place).exists()]


def plan_regions(recipe: ScenesRecipe, tile_px: int, roles: Sequence[str] = ROLES) -> list[RegionPlan]:
    """Find the scenes of the regions, and choose those that are held out.

    Raises:
        DataNotFound, DataError: See `find_scenes` and `split_scenes`; a label is missing.
    """
    plans, folders = [], _folders(recipe)
    for role in roles:
        region = recipe.regions[role]
        scenes = find_scenes(region)
        _check_parts([file for scene in scenes for file in (scene.image, scene.label) if file is not None], folders)
        plan = RegionPlan(
            role=role,
            region=region,
            scenes=split_scenes(region, scenes, stored_size_px, tile_px),
            is_learnt=role == "source" or recipe.train_labels == role,
        )
        _require_labels(plan)
        plans.append(plan)
    return plans


def _check_parts(files: Sequence[Path], folders: Sequence[Path]) -> None:
    """Refuse VRTs whose parts lie outside of some folders."""
    vrts = [file for file in files if file.suffix.lower() == ".vrt" and file.is_file()]
    if not vrts:
        return
    # Loads rasterio.
    from rs_adapt.scenes.vrt_parts import check_parts_below

    for file in vrts:
        check_parts_below(file, folders)


def _folders(recipe: ScenesRecipe) -> list[Path]:
    """Return the folders that parts of a VRT may lie in: those of the bench, and the one that holds all of them."""
    named = [
        Path(name)
        for region in recipe.regions.values()
        for name in (region.images, region.files, region.labels.path if region.labels is not None else None)
        if name is not None
    ]
    own = [place if place.is_dir() else place.parent for place in named]
    above = Path(os.path.commonpath(own))
    # Folders on different disks have only the root in common, which holds everything.
    shared = [above] if len(above.parts) > 2 else []
    return [*own, *shared, *(Path(part) for part in recipe.parts)]


def scene_files(plans: Sequence[RegionPlan]) -> list[Path]:
    """Return all files that the tiles depend on, those among them that are read with another file."""
    from rs_adapt.scenes import files_behind

    files = []
    for plan in plans:
        files += [Path(plan.region.files)] if plan.region.files is not None else []
        for planned in plan.scenes:
            files.append(planned.scene.image)
            if (labels := plan.labels_of(planned)) is not None and planned.scene.label is not None:
                files.append(planned.scene.label)
                files += [Path(labels.aoi)] if labels.aoi is not None else []
    return files_behind(dict.fromkeys(files))


def _require_labels(plan: RegionPlan) -> None:
    needed = [planned.scene for planned in plan.scenes if plan.labels_of(planned) is not None]
    missing = [scene for scene in needed if scene.label is None or not is_file_or_geodatabase(scene.label)]
    if not missing:
        return
    label = missing[0].label
    if label is None:
        raise DataNotFound(f"{plan.region.files} lists no label of {missing[0].image}: write it behind the image.")
    if label.is_symlink():
        raise DataNotFound(f"{label} is a link to {os.readlink(label)}, which does not exist: fix or remove it.")
    if label.is_dir():
        raise DataError(f"{label} is a folder and not a label, in spite of its ending.")
    more = f" ({len(missing)} of {len(needed)} labels are missing)" if len(missing) > 1 else ""
    raise DataNotFound(
        f"There is no label {label}: every image to learn from or to score on needs one{more}."
        f"{_nearby(label, plan.region)}"
    )


def _nearby(label: Path, region: SceneRegion) -> str:
    """Return a sentence with what the folder of the labels holds instead."""
    if not label.parent.is_dir():
        flat = Path(region.labels.path) / label.name if region.labels is not None else label
        if flat.is_file():
            return (
                f" There is no folder {label.parent}, and {flat.parent} holds {label.name}: if all labels lie in one "
                f'folder, write labels.name = "*{region.labels.suffix if region.labels else ""}".'
            )
        return f" There is no folder {label.parent}."
    names = sorted(path.name for path in label.parent.iterdir() if not path.name.startswith("."))
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    shown = ", ".join(names[:3]) + more if names else "nothing"
    return f" {label.parent} holds {shown}: labels.suffix or labels.name state how labels are called."
