"""The work of one process: cut a scene, or compare the tiles of a scene with its record."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rs_adapt.datasets.originals.journal import SceneRecord
from rs_adapt.datasets.originals.layout import Layout
from rs_adapt.datasets.originals.matching import ScenePair
from rs_adapt.datasets.originals.sources import Archives
from rs_adapt.datasets.worker_pool import run_in_processes
from rs_adapt.errors import DataError
from rs_adapt.progress import OnProgress
from rs_adapt.tiles import Recipe, cut_original, tiles_sha256


def make_recipe(layout: Layout, *, tile_px: int | None, stride_px: int | None) -> Recipe:
    """Return how the originals of a layout are cut; without `tile_px` each image is one tile."""
    values = {one.value for one in layout.classes} | {*layout.manifest.ignore_values}
    legend: dict[Sequence[int], int] = dict(layout.manifest.legend().items())
    renumbered = {one.original: one.value for one in layout.classes if one.original is not None}
    return Recipe(
        tile_px=tile_px,
        stride_px=stride_px,
        num_bands=len(layout.bands),
        legend=legend if layout.colour_labels else None,
        label_values=tuple(sorted(values)),
        renumbered=renumbered,
        ignore_value=layout.ignore_value,
        image_tile=layout.image_tile,
        label_tile=layout.label_tile,
    )


def select_unchanged(
    recipe: Recipe, records: Sequence[SceneRecord], *, folder: Path, jobs: int, on_progress: OnProgress
) -> list[SceneRecord]:
    """Return the records whose tiles are on disk, byte for byte."""
    tasks = [_Check(recipe=recipe, record=record, folder=folder) for record in records]
    unchanged = []
    for done, (record, same) in enumerate(run_in_processes(_check, tasks, jobs=jobs), start=1):
        if same:
            unchanged.append(record)
        on_progress("verifying scenes that are cut", done, len(tasks))
    return unchanged


def cut_scenes(
    recipe: Recipe,
    pairs: Sequence[ScenePair],
    *,
    folder: Path,
    scratch: Path,
    jobs: int,
    on_progress: OnProgress,
) -> Iterator[SceneRecord]:
    """Cut scenes into `folder`, and yield the record of each when all its tiles are written.

    Raises:
        DataError: An original is damaged or unfit, or a tile cannot be written.
    """
    tasks = [_Cut(recipe=recipe, pair=pair, folder=folder, scratch=scratch) for pair in pairs]
    try:
        for done, record in enumerate(run_in_processes(_cut, tasks, jobs=jobs), start=1):
            yield record
            on_progress("cutting scenes", done, len(tasks))
    finally:
        # This process opened them if there are no others.
        _archives().__exit__()


@dataclass(frozen=True, kw_only=True)
class _Check:
    recipe: Recipe
    record: SceneRecord
    folder: Path


@dataclass(frozen=True, kw_only=True)
class _Cut:
    recipe: Recipe
    pair: ScenePair
    folder: Path
    scratch: Path


@functools.cache
def _archives() -> Archives:
    return Archives()


def _check(task: _Check) -> tuple[SceneRecord, bool]:
    record = task.record
    fields = {"region": record.region, "split": record.split, "scene": record.scene}
    try:
        found = tiles_sha256(task.recipe, record.size_px, folder=task.folder, fields=fields)
    except OSError:
        return record, False
    return record, found == record.sha256


def _cut(task: _Cut) -> SceneRecord:
    pair, archives = task.pair, _archives()
    part = pair.part
    try:
        with (
            archives.on_disk(pair.image, task.scratch) as image,
            archives.on_disk(pair.label, task.scratch) as label,
        ):
            cut = cut_original(
                image,
                label,
                recipe=task.recipe,
                folder=task.folder,
                fields={"region": part.region, "split": part.split, "scene": pair.scene},
                names=(pair.image.path, pair.label.path),
            )
    except OSError as error:
        raise DataError(
            f"Cutting {pair.image.path} stopped: {error}. Finished scenes are saved: fix that, and run the "
            "same command again."
        ) from error
    return SceneRecord(
        region=part.region,
        split=part.split,
        scene=pair.scene,
        source_bytes=(pair.image.num_bytes, pair.label.num_bytes),
        size_px=cut.size_px,
        num_tiles=cut.num_tiles,
        sha256=cut.sha256,
        off_legend={",".join(map(str, colour)): count for colour, count in cut.off_legend.items()},
    )
