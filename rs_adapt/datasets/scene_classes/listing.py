"""The images that a set of scene classes reads, from its settings. Loads no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rs_adapt.config.names import normalize
from rs_adapt.datasets.scene_classes.split import Scene, draw_shots, read_split
from rs_adapt.datasets.spreading import evenly_spread
from rs_adapt.errors import DataError


def list_scenes(settings: Mapping[str, Any]) -> list[tuple[Scene, int]]:
    """Return the images of a set with the index of their class, in the order in which `SceneDataset` holds them.

    Args:
        settings: The arguments of `SceneDataset`.

    Raises:
        DataNotFound: There is no list of the split.
        DataError: The list is damaged, names a class that the bench does not have, or has no image of a class or fewer
            than shots.
    """
    name, classes = str(settings["name"]), list(settings["classes"])
    split = read_split(Path(settings["split_file"]), how_to_get=str(settings.get("how_to_get", "")))
    names: Mapping[str, str] | None = settings.get("class_names")
    numbers = {plain(names.get(one, one) if names else one): number for number, one in enumerate(classes)}
    scenes = list(split[settings["part"]])
    if names is None:
        others = {plain(one) for one in settings.get("other_classes", ())}
        scenes = [scene for scene in scenes if plain(scene.class_name) not in others]
    else:
        scenes = [scene for scene in scenes if plain(scene.class_name) in numbers]
    if unknown := [scene for scene in scenes if plain(scene.class_name) not in numbers]:
        raise DataError(
            f"{name}: {settings['split_file']} holds images of the class {unknown[0].class_name!r}, which the bench "
            f"does not have. Its classes: {', '.join(classes)}."
        )
    present = {numbers[plain(scene.class_name)] for scene in scenes}
    if missing := [one for number, one in enumerate(classes) if number not in present]:
        raise DataError(
            f"{name}: {settings['split_file']} has no image of the class {missing[0]!r} for {settings['part']}. Add "
            "images, or take the class out of bench.classes."
        )
    shots = settings.get("shots")
    if shots is not None:
        scenes = list(draw_shots(scenes, shots, seed=settings["seed"], name=name))
    spread = settings.get("spread")
    if spread is not None and spread < len(scenes):
        scenes = [scenes[index] for index in evenly_spread(len(scenes), spread)]
    return [(scene, numbers[plain(scene.class_name)]) for scene in scenes]


def plain(name: str) -> str:
    """Return a class name without what spellings of it differ in: `denseresidential` of `Dense_Residential`."""
    return normalize(name).replace("_", "").replace(" ", "")
