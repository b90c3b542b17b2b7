"""Make the tiles of a bench that can be made here: synthetic scenes, or a folder of labelled images cut into tiles.

A prepared folder appears at once and complete: it is built in a temporary sibling and renamed. `prepared.json` in it
holds what it was made from and how many tiles; a folder whose facts still hold is left alone, any other is made again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rs_adapt.datasets.own.regions import ROLES, RegionPlan, missing_places, plan_regions, scene_files
from rs_adapt.datasets.own.scenes import make_from_scenes
from rs_adapt.datasets.prepared_marker import is_finished, is_finished_without_scenes, make_once, write_marker
from rs_adapt.datasets.recipes import (
    COMPOSE_VERSION,
    ComposeDrawer,
    ImagesRecipe,
    Recipe,
    ScenesRecipe,
    SyntheticClassesRecipe,
    SyntheticComposeRecipe,
    SyntheticRecipe,
    TileFacts,
    read_recipe,
)
from rs_adapt.datasets.scene_classes.drawing import write_scene_classes
from rs_adapt.errors import DataError, DataNotFound
from rs_adapt.files import file_state
from rs_adapt.progress import OnProgress, no_progress

FORMAT = 1


def ensure_prepared(
    *,
    prepare: Mapping[str, object],
    bench: Mapping[str, object],
    data_root: Path,
    out_dir: Path,
    on_progress: OnProgress = no_progress,
    jobs: int | None = None,
    roles: Sequence[str] = ROLES,
    draw_compose: ComposeDrawer | None = None,
) -> None:
    """Make the tiles of a bench in `out_dir`, unless they are there and still fit what they were made from.

    Tiles go to `out_dir/<region>/<split>/{img_dir,ann_dir}`, with an `index.json` beside them. Several processes may
    call this at the same time: one makes the tiles, the others wait for it.

    Args:
        prepare: The bench's `prepare` facts; see `rs_adapt.datasets.recipes`.
        bench: The bench's facts, those of `TileFacts` among them.
        data_root: Folder of the raw images; only read.
        out_dir: The folder to make.
        on_progress: Called after each scene or image.
        jobs: Processes that cut your own scenes; None takes all cores if there is much to cut.
        roles: Regions of your own scenes that will be read: "source", "target". If folders of the other do not exist,
            these are cut alone.
        draw_compose: Draws the tiles of a `SyntheticComposeRecipe`, with what packages above this one draw with.

    Raises:
        ConfigError: The kind is unknown, or `out_dir` holds something else or cannot be written to.
        DataNotFound: The raw images are missing.
        DataError: A raw image or label is damaged, has no partner, a different size or unknown values.
    """
    recipe, tiles = read_recipe(prepare), TileFacts.model_validate(bench)
    is_whole = not isinstance(recipe, ScenesRecipe) or not missing_places(recipe)
    if isinstance(recipe, ScenesRecipe) and not is_whole:
        if is_finished_without_scenes(out_dir, _facts(prepare, recipe, tiles, data_root, [])):
            return
        if missing := missing_places(recipe, roles):
            raise DataNotFound(
                f"There is no {missing[0]}, which the bench {bench.get('name')} names, and its tiles are not prepared "
                "here. A run or pack from another machine names the folders of that machine: name a bench file with "
                "the folders of this one, --bench BENCH.toml."
            )
    regions = (
        plan_regions(recipe, tiles.tile_px, ROLES if is_whole else roles) if isinstance(recipe, ScenesRecipe) else []
    )
    facts = _facts(prepare, recipe, tiles, data_root, regions) | ({} if is_whole else {"roles": [*roles]})

    def make(building: Path) -> None:
        if isinstance(recipe, SyntheticRecipe):
            counts = _make_synthetic(recipe, tiles, building, on_progress)
        elif isinstance(recipe, SyntheticClassesRecipe):
            counts = write_scene_classes(recipe, building, on_progress)
        elif isinstance(recipe, SyntheticComposeRecipe):
            assert draw_compose is not None
            counts = draw_compose(recipe, building, on_progress)
        elif isinstance(recipe, ImagesRecipe):
            counts = _make_from_images(recipe, tiles, data_root, building, on_progress)
        else:
            counts = make_from_scenes(regions, recipe, tiles, building, on_progress, jobs)
        write_marker(building, facts, counts)

    make_once(out_dir, is_there=lambda: is_finished(out_dir, facts), make=make, what="tiles")


def require_raw_data(
    *,
    prepare: Mapping[str, object],
    bench: Mapping[str, object],
    data_root: Path,
    out_dir: Path,
    roles: Sequence[str] = ROLES,
) -> None:
    """Check that the folders and files are there from which the tiles of a bench are made; opens none of them.

    Args:
        prepare: See `ensure_prepared`.
        bench: See `ensure_prepared`.
        data_root: See `ensure_prepared`.
        out_dir: See `ensure_prepared`.
        roles: See `ensure_prepared`.

    Raises:
        DataNotFound, DataError: See `ensure_prepared`.
    """
    recipe, tiles = read_recipe(prepare), TileFacts.model_validate(bench)
    if isinstance(recipe, ImagesRecipe):
        _image_pairs(recipe, data_root)
    if not isinstance(recipe, ScenesRecipe) or not (missing := missing_places(recipe, roles)):
        return
    if is_finished_without_scenes(out_dir, _facts(prepare, recipe, tiles, data_root, [])):
        return
    raise DataNotFound(
        f"There is no {missing[0]}, which the bench {bench.get('name')} names, and its tiles are not prepared here. A "
        "run or pack from another machine names the folders of that machine: name a bench file with the folders of "
        "this one, --bench BENCH.toml."
    )


def is_current(bench: Mapping[str, Any], *, data_root: Path, out_dir: Path) -> bool:
    """Return whether the tiles of a bench still fit what they were made from; see `ensure_prepared`."""
    recipe, tiles = read_recipe(bench["prepare"]), TileFacts.model_validate(bench)
    if isinstance(recipe, ScenesRecipe) and missing_places(recipe):
        return is_finished_without_scenes(out_dir, _facts(bench["prepare"], recipe, tiles, data_root, []))
    regions = plan_regions(recipe, tiles.tile_px) if isinstance(recipe, ScenesRecipe) else []
    return is_finished(out_dir, _facts(bench["prepare"], recipe, tiles, data_root, regions))


def _facts(
    prepare: Mapping[str, object], recipe: Recipe, bench: TileFacts, data_root: Path, regions: Sequence[RegionPlan]
) -> dict[str, object]:
    """Return what the tiles depend on, as it reads back from JSON."""
    facts: dict[str, object] = {
        "format": FORMAT,
        "prepare": _plain(prepare),
        "tile_px": bench.tile_px,
        "num_classes": len(bench.classes),
        "reduce_zero_label": bench.reduce_zero_label,
    }
    if isinstance(recipe, ImagesRecipe):
        pairs = _image_pairs(recipe, data_root)
        files = [file for image, label, _ in pairs for file in (image, label)]
        facts["raw"] = [[file.name, *file_state(file)] for file in files]
    elif isinstance(recipe, ScenesRecipe):
        files = scene_files(regions)
        facts["raw"] = [[str(file), *file_state(file)] for file in files]
        # 3: labels on the image's grid, scenes divided into blocks, a record of what is in the tiles.
        # 4: the record says where regions and splits show the same ground.
        facts["scenes_format"] = 4
    elif isinstance(recipe, SyntheticClassesRecipe):
        from rs_adapt.datasets.synthetic.scene_classes import SCENE_CLASSES, SCENE_CLASSES_VERSION

        facts["generator"] = [SCENE_CLASSES_VERSION, *SCENE_CLASSES]
    else:
        from rs_adapt.datasets.synthetic import GENERATOR_VERSION

        facts["generator"] = COMPOSE_VERSION if isinstance(recipe, SyntheticComposeRecipe) else GENERATOR_VERSION
    return dict(json.loads(json.dumps(facts)))


def _plain(value: object) -> object:
    """Turn mmengine's config dicts and tuples into what JSON holds."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _make_synthetic(
    recipe: SyntheticRecipe, bench: TileFacts, building: Path, on_progress: OnProgress
) -> dict[str, int]:
    from rs_adapt.datasets.synthetic import region_named, write_scenes
    from rs_adapt.tiles import Tile, cut_scene, write_index

    scenes = write_scenes(
        building / "scenes",
        regions=[region_named(name) for name in recipe.regions],
        seed=recipe.seed,
        scenes=recipe.scenes,
        size_px=recipe.size_px,
        on_progress=on_progress,
    )
    tile_px, stride_px = bench.tile_px, recipe.stride_px
    tiles: dict[str, list[Tile]] = {}
    for scene in scenes:
        part = f"{scene.region}/{scene.split}"
        tiles.setdefault(part, []).extend(
            cut_scene(
                scene.image,
                scene.label,
                img_dir=building / part / "img_dir",
                ann_dir=building / part / "ann_dir",
                tile_px=tile_px,
                stride_px=stride_px,
                ignore_value=bench.ignore_index,
                allowed_values=range(len(bench.classes)),
            )
        )
    for part, cut in tiles.items():
        write_index(building / part, cut, tile_px=tile_px, stride_px=stride_px)
    return {part: len(cut) for part, cut in tiles.items()}


def _make_from_images(
    recipe: ImagesRecipe, bench: TileFacts, data_root: Path, building: Path, on_progress: OnProgress
) -> dict[str, int]:
    from rs_adapt.tiles import Tile, cut_scene, write_index

    first = 1 if bench.reduce_zero_label else 0
    tile_px, stride_px = bench.tile_px, recipe.stride_px
    pairs = _image_pairs(recipe, data_root)
    tiles: dict[str, list[Tile]] = {}
    for done, (image, label, part) in enumerate(pairs, start=1):
        tiles.setdefault(part, []).extend(
            cut_scene(
                image,
                label,
                img_dir=building / part / "img_dir",
                ann_dir=building / part / "ann_dir",
                tile_px=tile_px,
                stride_px=stride_px,
                ignore_value=0 if bench.reduce_zero_label else bench.ignore_index,
                allowed_values=range(first, first + len(bench.classes)),
            )
        )
        on_progress("cutting images", done, len(pairs))
    for part, cut in tiles.items():
        write_index(building / part, cut, tile_px=tile_px, stride_px=stride_px)
    return {part: len(cut) for part, cut in tiles.items()}


def _image_pairs(recipe: ImagesRecipe, data_root: Path) -> list[tuple[Path, Path, str]]:
    """Return the bench's images, each with its label and `<region>/<split>`; both folders hold nothing else."""
    folders = {"image": data_root / recipe.image_dir, "label": data_root / recipe.label_dir}
    for what, folder in folders.items():
        if not folder.is_dir():
            raise DataNotFound(f"There is no folder of {what}s {folder}. {recipe.how_to_get}")
    suffixes = {"image": recipe.image_suffix, "label": recipe.label_suffix}
    found = {
        what: {p.name.removesuffix(suffixes[what]) for p in folder.iterdir() if p.name.endswith(suffixes[what])}
        for what, folder in folders.items()
    }
    for stem in sorted(found["image"] - found["label"]):
        raise DataError(
            f"Image {folders['image'] / (stem + suffixes['image'])} has no label: {stem}{suffixes['label']} is not in "
            f"{folders['label']}. Add it, or fetch the data again."
        )
    for stem in sorted(found["label"] - found["image"]):
        raise DataError(
            f"Label {folders['label'] / (stem + suffixes['label'])} has no image: {stem}{suffixes['image']} is not in "
            f"{folders['image']}. Add it, or fetch the data again."
        )
    plan = {
        f"{scene}_{crop}": f"{region}/{'val' if crop in recipe.val_crops else 'train'}"
        for region, scenes in recipe.regions.items()
        for scene in scenes
        for crop in recipe.crops
    }
    missing = sorted(set(plan) - found["image"])
    if missing:
        raise DataNotFound(
            f"{len(missing)} of {len(plan)} images are not in {folders['image']}, the first one is "
            f"{missing[0]}{suffixes['image']}. {recipe.how_to_get}"
        )
    for stem in sorted(found["image"] - set(plan)):
        raise DataError(
            f"Image {folders['image'] / (stem + suffixes['image'])} belongs to no region of this bench: take it out of "
            "the folder."
        )
    return [
        (folders["image"] / (stem + suffixes["image"]), folders["label"] / (stem + suffixes["label"]), part)
        for stem, part in plan.items()
    ]
