"""The images of the synthetic scene classes, drawn on first use with the list of their split."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rs_adapt.datasets.scene_classes.split import PARTS, SPLIT_FILE, Scene, write_split
from rs_adapt.progress import OnProgress, no_progress

if TYPE_CHECKING:
    from rs_adapt.datasets.recipes import SyntheticClassesRecipe


def write_scene_classes(
    recipe: SyntheticClassesRecipe, building: Path, on_progress: OnProgress = no_progress
) -> dict[str, int]:
    """Draw the images of a recipe to `building/<region>/img_dir`, with `<region>/split_rs_adapt.json`.

    Args:
        recipe: Regions, seed, side and number of images of a class by part.
        building: The folder to fill.
        on_progress: Called after each image.

    Returns:
        Number of images by region.
    """
    from PIL import Image

    from rs_adapt.datasets.synthetic.scene_classes import SCENE_CLASSES, draw_scene_class
    from rs_adapt.datasets.synthetic.shifts import region_named

    numbers = [part for part in PARTS for _ in range(recipe.images.get(part, 0))]
    total, counts = len(recipe.regions) * len(SCENE_CLASSES) * len(numbers), {}
    done = 0
    for region_name in recipe.regions:
        region = region_named(region_name)
        folder = building / region_name / "img_dir"
        folder.mkdir(parents=True)
        split: dict[str, list[Scene]] = {part: [] for part in PARTS}
        for name in SCENE_CLASSES:
            for number, part in enumerate(numbers):
                file = f"{name.replace(' ', '_')}_{number:03d}.png"
                rgb_HW3 = draw_scene_class(region, name, seed=recipe.seed, number=number, size_px=recipe.size_px)
                Image.fromarray(rgb_HW3).save(folder / file)
                split[part].append(Scene(path=file, class_name=name))
                done += 1
                on_progress("drawing scene classes", done, total)
        write_split(building / region_name / SPLIT_FILE, {part: tuple(scenes) for part, scenes in split.items()})
        counts[region_name] = len(SCENE_CLASSES) * len(numbers)
    return counts
