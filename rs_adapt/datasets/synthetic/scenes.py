"""Write the synthetic scenes as GeoTIFFs: one image and one label a scene, by region and split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rs_adapt.datasets.synthetic.layout import make_layout
from rs_adapt.datasets.synthetic.regions import IGNORE_VALUE, PALETTE, REGIONS, Region
from rs_adapt.datasets.synthetic.render import paint
from rs_adapt.datasets.synthetic.sensor import expose, footprint
from rs_adapt.datasets.synthetic.styles import random_region
from rs_adapt.errors import ConfigError
from rs_adapt.progress import OnProgress, no_progress

# To be raised whenever a change here gives other pixels: prepared folders of older versions are then made again.
GENERATOR_VERSION = 2
# The same of the scenes of random styles; weights record it, since it says which pixels they were trained on.
STYLE_GENERATOR_VERSION = 1
SPLITS = ("train", "val", "test")
SCENES = {"train": 8, "val": 3, "test": 4}
SIZE_PX = 512
# Keeps the random streams of styles apart from those of the regions, whose second word is the sum of a name's letters.
STYLE_STREAM = 1_000_000


@dataclass(frozen=True, kw_only=True)
class SceneFiles:
    """The two files of a scene."""

    region: str
    split: str
    image: Path
    label: Path


def make_scene(
    region: Region, *, seed: int, split: str, number: int, size_px: int = SIZE_PX
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw one scene; equal arguments give equal pixels, and every scene has a random stream of its own.

    Args:
        region: The region's numbers.
        seed: The set's seed, 0 or more.
        split: "train", "val" or "test".
        number: The scene's number in its split, from 0.
        size_px: Side of the scene.

    Returns:
        RGB, uint8, shape (H, W, 3), 0 in all bands outside the footprint and at least 1 inside; and class indices,
        uint8, shape (H, W), 255 outside the footprint.
    """
    stream = np.random.SeedSequence([seed, sum(region.name.encode()), SPLITS.index(split), number])
    rng = np.random.Generator(np.random.PCG64(stream))
    layout = make_layout(rng, region, size_px)
    rgb_HW3 = expose(rng, region, paint(rng, region, layout))
    classes_HW = layout.classes()
    outside_HW = ~footprint(rng, size_px)
    rgb_HW3[outside_HW] = 0
    classes_HW[outside_HW] = IGNORE_VALUE
    return rgb_HW3, classes_HW


def make_style_scene(*, seed: int, number: int, size_px: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw a scene in a random style (`random_region`), without footprint; equal arguments give equal pixels.

    Returns:
        RGB, uint8 1-255, shape (H, W, 3), and the material of each pixel, uint8, shape (H, W): see `Layout.materials`.
    """
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, STYLE_STREAM, number])))
    region = random_region(rng, f"style{number:04d}")
    layout = make_layout(rng, region, size_px)
    return expose(rng, region, paint(rng, region, layout)), layout.materials()


def write_scenes(
    root: Path,
    *,
    regions: Sequence[Region] = tuple(REGIONS.values()),
    seed: int = 0,
    scenes: Mapping[str, int] | None = None,
    size_px: int = SIZE_PX,
    on_progress: OnProgress = no_progress,
) -> list[SceneFiles]:
    """Write all scenes of some regions to `root/<region>/<split>/<region>_<split>_<nn>.tif` and `..._label.tif`.

    Images are RGB GeoTIFFs with nodata 0, labels one-band GeoTIFFs with nodata 255 and a colour table. The same
    arguments give the same bytes.

    Args:
        root: Folder to write to, made if absent.
        regions: The regions, with a name of their own each; north and south without.
        seed: Seed of the set, 0 or more.
        scenes: Number of scenes by split; None writes 8 train, 3 val and 4 test scenes a region.
        size_px: Side of a scene.
        on_progress: Called after each scene.

    Returns:
        The files, region by region and split by split.

    Raises:
        ConfigError: A split is unknown or a number is negative.
    """
    from rs_adapt.scenes import write_geotiff

    counts = dict(SCENES if scenes is None else scenes)
    if seed < 0 or not set(counts) <= set(SPLITS) or any(n < 0 for n in counts.values()):
        raise ConfigError(
            f"Cannot write synthetic scenes {counts} with seed {seed}: splits are {', '.join(SPLITS)}; seed and "
            "numbers are 0 or more."
        )
    plan = [(r, split, n) for r in regions for split in SPLITS for n in range(counts.get(split, 0))]
    written = []
    for done, (region, split, number) in enumerate(plan, start=1):
        folder = root / region.name / split
        folder.mkdir(parents=True, exist_ok=True)
        stem = f"{region.name}_{split}_{number:02d}"
        files = SceneFiles(
            region=region.name, split=split, image=folder / f"{stem}.tif", label=folder / f"{stem}_label.tif"
        )
        rgb_HW3, classes_HW = make_scene(region, seed=seed, split=split, number=number, size_px=size_px)
        # Scenes of a region lie side by side, so that they do not cover each other on a map.
        east = region.origin_m[0] + number * 1.1 * size_px * region.gsd_m
        north = region.origin_m[1] - SPLITS.index(split) * 1.1 * size_px * region.gsd_m
        place = (region.gsd_m, 0.0, east, 0.0, -region.gsd_m, north)
        crs = f"EPSG:{region.epsg}"
        write_geotiff(files.image, rgb_HW3, crs=crs, transform=place, nodata=0)
        write_geotiff(files.label, classes_HW, crs=crs, transform=place, nodata=IGNORE_VALUE, colours=PALETTE)
        written.append(files)
        on_progress("drawing synthetic scenes", done, len(plan))
    return written
