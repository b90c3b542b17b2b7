"""Tiles of your own scenes: any size, labelled or not, cut for training and scoring."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rs_adapt.datasets.own.layout import SceneFiles
from rs_adapt.datasets.own.regions import RegionPlan, stored_size_px
from rs_adapt.datasets.own.splits import ScenePlan
from rs_adapt.datasets.own.stretch import stretch_of_region, write_stretch
from rs_adapt.datasets.recipes import ScenesRecipe, TileFacts
from rs_adapt.datasets.worker_pool import default_jobs, may_start_processes, run_in_processes
from rs_adapt.progress import OnProgress

if TYPE_CHECKING:
    from rs_adapt.datasets.own.cutting import CutTask

# Tiles that a process cuts before it takes the next part of a scene.
_TILES_A_PART = 64
# Pixels from which on several processes are worth their start.
MANY_PX = 1 << 26
_KILLED = "`rs-adapt data prepare BENCH.toml --jobs 1` makes the tiles in one process, which takes less memory."


def make_from_scenes(
    plans: Sequence[RegionPlan],
    recipe: ScenesRecipe,
    bench: TileFacts,
    building: Path,
    on_progress: OnProgress,
    jobs: int | None = None,
) -> dict[str, int]:
    """Cut the scenes of both regions into `building/<region>/<split>/{img_dir,ann_dir}`.

    Labels are translated into class indices on the way. Those of the target's training images are neither read nor
    needed; instead `valid_dir` says where they have no data. `contents.json` records what is in the tiles.

    Args:
        plans: The scenes of both regions; see `plan_regions`.
        recipe: The bench's `prepare` facts.
        bench: The bench's facts.
        building: Folder to fill.
        on_progress: Called after each part of a scene.
        jobs: Processes; None takes all cores where there is much to cut.

    Returns:
        Tiles by `<region>/<split>`.

    Raises:
        DataNotFound: A folder holds no image of the pattern, or an image has no label.
        DataError: A file cannot be read, a label holds what belongs to no class, a split is empty, or a class has no
            pixel in the source's training tiles; see also `stretch_of_region`.
        RunFailed: A process was killed.
    """
    from rs_adapt.datasets.own.assembly import SceneAssembler
    from rs_adapt.datasets.own.cutting import close_scene, cut_part

    stretch = {
        plan.role: stretch_of_region(plan.region, [planned.scene.image for planned in plan.scenes], on_progress)
        for plan in plans
    }
    write_stretch(building, {recipe.regions[role].name: of_region for role, of_region in stretch.items()})
    assembler = SceneAssembler(plans, recipe, bench, building)
    tasks = [
        task
        for plan in plans
        for planned in plan.scenes
        for task in _tasks(plan, planned, recipe, bench, stretch[plan.role]["range"], building)
    ]
    total = sum(_num_tiles(planned.scene, bench.tile_px, recipe.stride_px) for plan in plans for planned in plan.scenes)
    done = 0
    try:
        for part in run_in_processes(cut_part, tasks, jobs=jobs or _jobs(plans), remedy=_KILLED):
            assembler.add(part)
            done += len(part.tiles)
            on_progress("cutting tiles", done, max(done, total))
    finally:
        close_scene()
    return assembler.finish()


def _tasks(
    plan: RegionPlan,
    planned: ScenePlan,
    recipe: ScenesRecipe,
    bench: TileFacts,
    stretch: list[list[float]] | None,
    building: Path,
) -> list[CutTask]:
    """Return the parts that a scene is cut in: a few rows of tiles each."""
    from rs_adapt.datasets.own.cutting import CutTask

    labels = plan.labels_of(planned)
    num_parts = max(1, round(_num_tiles(planned.scene, bench.tile_px, recipe.stride_px) / _TILES_A_PART))
    return [
        CutTask(
            scene=planned.scene,
            region=plan.region,
            labels=labels,
            stretch=stretch,
            folder=building / plan.region.name / planned.split,
            write_labels=labels is not None,
            # Training on the source ignores such pixels by their labels.
            write_valid=plan.role == "target" and planned.split != "val",
            tile_px=bench.tile_px,
            stride_px=recipe.stride_px,
            num_classes=len(recipe.classes),
            part=part,
            num_parts=num_parts,
        )
        for part in range(num_parts)
    ]


def _num_tiles(scene: SceneFiles, tile_px: int, stride_px: int) -> int:
    from rs_adapt.tiles import tile_origins

    width_px, height_px = stored_size_px(scene)
    return len(tile_origins(width_px, tile_px, stride_px)) * len(tile_origins(height_px, tile_px, stride_px))


def _jobs(plans: Sequence[RegionPlan]) -> int:
    sizes_px = [stored_size_px(planned.scene) for plan in plans for planned in plan.scenes]
    total_px = sum(width_px * height_px for width_px, height_px in sizes_px)
    return default_jobs() if total_px >= MANY_PX and may_start_processes() else 1
