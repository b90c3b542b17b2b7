"""Colour images to learn super-resolution from: those of a region of a bench, or files of your own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from rs_adapt.config import axes, paths
from rs_adapt.config.tasks import SEGMENTATION, task_of
from rs_adapt.datasets.prepare import ensure_prepared
from rs_adapt.datasets.tile_files import list_tiles
from rs_adapt.errors import ConfigError, DataError, DataNotFound
from rs_adapt.pictures import open_picture
from rs_adapt.progress import OnProgress, no_progress
from rs_adapt.turbulence.storage import SPLITS, Split

if TYPE_CHECKING:
    from rs_adapt.config.facts import BenchFacts


class RegionImagesRecipe(BaseModel):
    """Images of a region of a bench, `kind = "region_images"`; its labels are not read.

    Attributes:
        kind: The kind of recipe.
        bench: Bench of segmentation, as a file of the axis is called, or a TOML file.
        region: The region; the finer one of the two is the one that shows what the coarser one lacks.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["region_images"]
    bench: str
    region: Literal["source", "target"]


class ImageFilesRecipe(BaseModel):
    """Colour images of your own, `kind = "image_files"`.

    Attributes:
        kind: The kind of recipe.
        files: By split, patterns below the data root. Each file is one image.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["image_files"]
    files: dict[Split, tuple[str, ...]]


def region_bench(recipe: RegionImagesRecipe) -> BenchFacts:
    """Return the facts of the bench of a recipe.

    Raises:
        UnknownName: There is no such bench.
        ConfigError: It is no bench of segmentation.
    """
    facts = axes.bench_facts(axes.find("bench", recipe.bench))
    if (task := task_of(facts).name) != SEGMENTATION:
        raise ConfigError(
            f"bench.prepare.bench is {recipe.bench}, whose task is {task}. Allowed: a bench of segmentation, whose "
            "images have a ground size."
        )
    return facts


def find_region_images(
    recipe: RegionImagesRecipe, data_root: Path, on_progress: OnProgress = no_progress
) -> dict[Split, list[tuple[Path, ...]]]:
    """Return the image files of a region by split, after its tiles are made where the bench makes them itself.

    A region without tiles for `test` is scored on those for `val`.

    Raises:
        DataNotFound, DataError: The images are missing or damaged.
        UnknownName, ConfigError: See `region_bench`.
    """
    facts = region_bench(recipe)
    root = data_root
    if facts["prepare"]:
        root = paths.prepared_dir(facts, data_root)
        ensure_prepared(
            prepare=facts["prepare"],
            bench=dict(facts),
            data_root=data_root,
            out_dir=root,
            on_progress=on_progress,
            roles=(recipe.region,),
        )
    region: Mapping[str, object] = dict(facts[recipe.region])
    folders = {split: region[split] for split in SPLITS if region.get(split)}
    if "test" not in folders and "val" in folders:
        folders["test"] = folders.pop("val")
    found: dict[Split, list[tuple[Path, ...]]] = {}
    for split in SPLITS:
        if not isinstance(folder := folders.get(split), Mapping):
            continue
        images = root / str(folder["img_dir"])
        tiles = list_tiles({"img_dir": images, "img_suffix": facts["img_suffix"]})
        if not tiles:
            raise DataNotFound(f"{images} holds no *{facts['img_suffix']} images, which {recipe.bench} names.")
        found[split] = [(tile.image,) for tile in tiles]
    return found


def read_colours(path: Path) -> NDArray[np.uint8]:
    """Return an image as a stack of one, (3, 1, H, W): red, green, blue.

    Raises:
        DataError: The file is damaged, or no picture of 8 bit.
    """
    try:
        with open_picture(path) as image:
            if image.mode not in ("RGB", "RGBA", "P", "L"):
                raise DataError(f"{path} has the mode {image.mode}. Allowed: pictures of 8 bit in colour or grey.")
            colours_HW3 = np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError) as error:
        raise DataError(f"{path} cannot be read ({error}): the file is damaged, or no picture.") from error
    return np.ascontiguousarray(colours_HW3.transpose(2, 0, 1)[:, None])
