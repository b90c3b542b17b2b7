"""Tiles of your own scenes: any size, labelled or not, cut for training and scoring."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from rs_adapt.datasets.own.stretch import stretch_of_region, write_stretch
from rs_adapt.datasets.recipes import LabelSource, SceneRegion, ScenesRecipe, TileFacts
from rs_adapt.errors import DataError, DataNotFound
from rs_adapt.files import write_json
from rs_adapt.progress import OnProgress

if TYPE_CHECKING:
    from rs_adapt.tiles import Tile

IMAGE_SUFFIXES = (".tif", ".tiff", ".jp2", ".vrt", ".jpg", ".jpeg", ".png", ".bmp")
# In a prepared folder: pixels of the labels before and after translation.
SHARES_FILE = "label_shares.json"


def scene_files(recipe: ScenesRecipe) -> list[Path]:
    """Return all files that the tiles depend on.

    Raises:
        DataNotFound, DataError: See `make_from_scenes`.
    """
    from rs_adapt.datasets.own.translation import label_file

    files = []
    for role, region in recipe.regions.items():
        for image, split in _split_images(region).items():
            files.append(image)
            if (labels := _labels_to_read(region, role, split)) is not None:
                files.append(label_file(labels, image))
    return list(dict.fromkeys(files))


def make_from_scenes(recipe: ScenesRecipe, bench: TileFacts, building: Path, on_progress: OnProgress) -> dict[str, int]:
    """Cut the scenes of both regions into `building/<region>/<split>/{img_dir,ann_dir}`.

    Labels are translated into class indices on the way. Those of the target's training images are neither read nor
    needed.

    Args:
        recipe: The bench's `prepare` facts.
        bench: The bench's facts.
        building: Folder to fill.
        on_progress: Called after each scene.

    Returns:
        Tiles by `<region>/<split>`.

    Raises:
        DataNotFound: A folder holds no image of the pattern, or an image has no label.
        DataError: A file cannot be read, a label holds what belongs to no class, a split is empty, or a class has no
            pixel in the source's training labels; see also `stretch_of_region`.
    """
    plan = [
        (role, image, split)
        for role, region in recipe.regions.items()
        for image, split in _split_images(region).items()
    ]
    stretch = {
        role: stretch_of_region(region, [image for owner, image, _ in plan if owner == role], on_progress)
        for role, region in recipe.regions.items()
    }
    write_stretch(building, {recipe.regions[role].name: of_region for role, of_region in stretch.items()})
    counts: dict[str, int] = {}
    shares: dict[str, dict[str, Counter[str]]] = {}
    tiles: dict[str, list[Tile]] = {}
    for done, (role, image, split) in enumerate(plan, start=1):
        for part, cut in _cut(recipe, bench, role, image, split, stretch[role]["range"], building, shares).items():
            tiles.setdefault(part, []).extend(cut)
        on_progress("cutting scenes", done, len(plan))
    _write_shares(building, shares, recipe)
    from rs_adapt.tiles import write_index

    for part, cut in tiles.items():
        write_index(building / part, cut, tile_px=bench.tile_px, stride_px=recipe.stride_px)
        counts[part] = len(cut)
        if not cut:
            raise DataError(
                f"{part}: no tile of {bench.tile_px} px remains: each is more than half nodata. Check the "
                "images and their nodata value, or use smaller tiles (tile_px)."
            )
    return counts


def _cut(
    recipe: ScenesRecipe,
    bench: TileFacts,
    role: str,
    image: Path,
    split: str,
    stretch: list[list[float]] | None,
    building: Path,
    shares: dict[str, dict[str, Counter[str]]],
) -> dict[str, list[Tile]]:
    from rs_adapt.datasets.own.translation import translate
    from rs_adapt.datasets.own.windows import IGNORE
    from rs_adapt.tiles import cut_scene

    region = recipe.regions[role]
    label = None
    if (labels := _labels_to_read(region, role, split)) is not None:
        label = building / "label.tif"
        shares.setdefault(region.name, {}).setdefault("before", Counter()).update(translate(labels, image, label))
    try:
        cut: dict[str, list[Tile]] = {}
        # A single scene is both: its upper rows train, its lower ones are scored.
        for part in ("train", "val") if split == "both" else (split,):
            folder = building / region.name / part
            with_label = label is not None and (role == "source" or part == "val")
            cut[f"{region.name}/{part}"] = cut_scene(
                image,
                label if with_label else None,
                img_dir=folder / "img_dir",
                ann_dir=folder / "ann_dir" if with_label else None,
                tile_px=bench.tile_px,
                stride_px=recipe.stride_px,
                ignore_value=IGNORE,
                bands=region.bands,
                stretch=stretch,
                rows=_rows(image, region.val_share, part) if split == "both" and region.val_share is not None else None,
            )
    finally:
        if label is not None:
            label.unlink(missing_ok=True)
    return cut


def _labels_to_read(region: SceneRegion, role: str, split: str) -> LabelSource | None:
    """Return how the labels of an image are read; None where they are not needed or not there."""
    return region.labels if role == "source" or split in ("val", "both") else None


def _rows(image: Path, share: float, part: str) -> tuple[int, int]:
    from rs_adapt.scenes import Scene

    with Scene(image) as scene:
        height_px = scene.info.height_px
    edge = round(height_px * (1 - share))
    return (0, edge) if part == "train" else (edge, height_px)


def _split_images(region: SceneRegion) -> dict[Path, str]:
    """Return the images of a region with their split: "train", "val", or "both" for a scene that is divided."""
    folder = Path(region.images)
    images = sorted(
        path
        for path in folder.iterdir()
        # Hidden files are no images, whatever their ending: macOS leaves `._NAME` beside each one on foreign disks.
        if path.suffix.lower() in IMAGE_SUFFIXES
        and not path.name.startswith(".")
        and fnmatchcase(path.name, region.pattern)
    )
    if not images:
        raise DataNotFound(
            f"{folder} holds no image {region.pattern} with one of the endings {', '.join(IMAGE_SUFFIXES)}."
        )
    stems = Counter(path.stem for path in images)
    if (twice := stems.most_common(1)[0])[1] > 1:
        raise DataError(
            f"{folder} holds {twice[1]} images named {twice[0]}: their tiles would be mixed up. Rename them."
        )
    if region.labels is None:
        return dict.fromkeys(images, "train")
    if region.val:
        return _by_pattern(images, region.val, folder)
    if len(images) == 1:
        return {images[0]: "both"}
    count = min(len(images) - 1, max(1, round(len(images) * (region.val_share or 0))))
    # Spread evenly, so that neighbours in the order of names do not all go to one side.
    chosen = {images[round((number + 0.5) * len(images) / count - 0.5)] for number in range(count)}
    return {image: "val" if image in chosen else "train" for image in images}


def _by_pattern(images: Sequence[Path], patterns: Sequence[str], folder: Path) -> dict[Path, str]:
    for pattern in patterns:
        if not any(fnmatchcase(image.stem, pattern) for image in images):
            raise DataNotFound(f"{folder} holds no image {pattern!r}, which val names (names without their ending).")
    split = {
        image: "val" if any(fnmatchcase(image.stem, pattern) for pattern in patterns) else "train" for image in images
    }
    if "train" not in split.values():
        raise DataError(f"{folder}: val names all {len(images)} images, so none is left to train on.")
    return split


def _write_shares(building: Path, shares: Mapping[str, Mapping[str, Counter[str]]], recipe: ScenesRecipe) -> None:
    """Write the pixel shares before and after translation; a class without any pixel in the source is an error."""
    written = {}
    for role, region in recipe.regions.items():
        if region.name not in shares or region.labels is None:
            continue
        before = shares[region.name]["before"]
        after = _after(before, region.labels, recipe.classes)
        written[region.name] = {"before": dict(before), "after": after}
        if role == "source" and (empty := [name for name in recipe.classes if not after[name]]):
            raise DataError(
                f"The source's labels hold no pixel of {', '.join(empty)}, so it cannot be learnt. "
                "Remove it from the classes, or state which label values belong to it."
            )
    write_json(building / SHARES_FILE, written, indent=1)


def read_shares(prepared_dir: str | Path) -> dict[str, dict[str, dict[str, int]]]:
    """Return the pixels of the labels by region: `before` by label value, `after` by class and "ignored"."""
    shares: dict[str, dict[str, dict[str, int]]] = json.loads((Path(prepared_dir) / SHARES_FILE).read_text("utf-8"))
    return shares


def _after(before: Counter[str], labels: LabelSource, classes: Sequence[str]) -> dict[str, int]:
    from rs_adapt.datasets.own.polygon_labels import OUTSIDE
    from rs_adapt.datasets.own.translation import label_text

    after = dict.fromkeys((*classes, "ignored"), 0)
    name_of = {label_text(item): classes[index] for item, index in labels.to_index}
    if labels.background is not None:
        name_of[OUTSIDE] = classes[labels.background]
    for text, count in before.items():
        after[name_of.get(text, "ignored")] += count
    return after
