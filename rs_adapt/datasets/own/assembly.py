"""The parts of scenes that were cut -> splits with an index and the record of their contents."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rs_adapt.datasets.own.blank import describe_blank
from rs_adapt.datasets.own.blocks import divide_tiles
from rs_adapt.datasets.own.contents import (
    Contents,
    RegionContents,
    SplitContents,
    require_labelled,
    small_images_note,
    write_contents,
)
from rs_adapt.datasets.own.counting import SceneCounter, add_counts
from rs_adapt.datasets.own.cutting import IGNORED, KINDS, CutPart, CutTile
from rs_adapt.datasets.own.ground import describe_ground
from rs_adapt.datasets.own.layout import SceneFiles
from rs_adapt.datasets.own.notes import (
    bands_note,
    empty_note,
    neighbours_note,
    other_pictures_note,
    polygon_notes,
    turned_note,
)
from rs_adapt.datasets.own.polygon_labels import PolygonFacts
from rs_adapt.datasets.own.regions import RegionPlan, stored_size_px
from rs_adapt.datasets.own.splits import ScenePlan
from rs_adapt.datasets.recipes import ScenesRecipe, TileFacts
from rs_adapt.errors import DataError
from rs_adapt.tiles import Tile, write_index


@dataclass(frozen=True, kw_only=True)
class _Finished:
    """A scene whose tiles have their place: tiles and contents by split, label, blank pixels and remarks."""

    tiles: Mapping[str, Sequence[Tile]]
    contents: Mapping[str, SplitContents]
    holds: Mapping[str, int]
    blank: NDArray[np.int64] | None
    notes: Sequence[str]
    polygons: PolygonFacts | None


class SceneAssembler:
    """Takes the parts of scenes in any order, and writes indices and the record of contents when all are there.

    Args:
        plans: The scenes of both regions.
        recipe: The bench's `prepare` facts.
        bench: The bench's facts.
        building: Folder of the tiles.
    """

    def __init__(self, plans: Sequence[RegionPlan], recipe: ScenesRecipe, bench: TileFacts, building: Path) -> None:
        self._plans, self._recipe, self._bench, self._building = plans, recipe, bench, building
        self._parts: dict[tuple[str, SceneFiles], list[CutPart]] = {}
        self._finished: dict[tuple[str, SceneFiles], _Finished] = {}
        self._plan_of = {
            (plan.region.name, planned.scene): (plan, planned) for plan in plans for planned in plan.scenes
        }

    def add(self, part: CutPart) -> None:
        """Take a part; with the last one of a scene, its tiles get their place."""
        key = (part.task.region.name, part.task.scene)
        parts = self._parts.setdefault(key, [])
        parts.append(part)
        if len(parts) == part.task.num_parts:
            parts = sorted(self._parts.pop(key), key=lambda part: part.task.part)
            self._finished[key] = self._finish_scene(*self._plan_of[key], parts)

    def finish(self) -> dict[str, int]:
        """Write indices and contents, and return the number of tiles by `<region>/<split>`.

        Raises:
            DataError: A split is empty, or the source's training tiles lack a class.
        """
        tiles_of = {plan.role: self._tiles_by_split(plan) for plan in self._plans}
        contents = Contents(
            regions={plan.region.name: self._region_contents(plan) for plan in self._plans},
            notes=describe_ground(
                tiles_of,
                images={plan.role: [planned.scene.image for planned in plan.scenes] for plan in self._plans},
                gsd_m={plan.role: plan.region.gsd_m for plan in self._plans},
            ),
        )
        write_contents(self._building, contents)
        numbers: dict[str, int] = {}
        for plan in self._plans:
            name = plan.region.name
            for split in contents.regions[name].splits:
                tiles = tiles_of[plan.role].get(split, [])
                numbers[f"{name}/{split}"] = len(tiles)
                if tiles:
                    settings = {"tile_px": self._bench.tile_px, "stride_px": self._recipe.stride_px}
                    write_index(self._building / name / split, tiles, **settings)
        require_labelled(contents, self._recipe)
        for part, number in numbers.items():
            if not number:
                raise DataError(
                    f"{part}: no tile of {self._bench.tile_px} px remains: each is more than half nodata. Check the "
                    "images and their nodata value, or use smaller tiles (tile_px)."
                )
        return numbers

    def _tiles_by_split(self, plan: RegionPlan) -> dict[str, list[Tile]]:
        tiles: dict[str, list[Tile]] = {}
        for planned in plan.scenes:
            for split, of_scene in self._finished[plan.region.name, planned.scene].tiles.items():
                tiles.setdefault(split, []).extend(of_scene)
        return tiles

    def _region_contents(self, plan: RegionPlan) -> RegionContents:
        splits: dict[str, SplitContents] = {}
        holds: Counter[str] = Counter()
        notes: list[str] = []
        blank: dict[str, NDArray[np.int64]] = {}
        for planned in plan.scenes:
            finished = self._finished[plan.region.name, planned.scene]
            holds.update(finished.holds)
            notes += finished.notes
            if finished.blank is not None:
                blank[planned.scene.name] = finished.blank
            for split, contents in finished.contents.items():
                splits.setdefault(split, SplitContents()).add(contents)
        notes += describe_blank(blank, plan.role)
        notes += polygon_notes(
            plan, [self._finished[plan.region.name, planned.scene].polygons for planned in plan.scenes]
        )
        if note := small_images_note([stored_size_px(planned.scene) for planned in plan.scenes], self._bench.tile_px):
            notes.append(note)
        notes += [note for note in (bands_note(plan), turned_note(plan), other_pictures_note(plan)) if note is not None]
        order = [split for split in ("train", "val") if split in splits]
        return RegionContents(
            holds=dict(holds),
            splits={split: splits[split] for split in order},
            notes=notes,
        )

    def _finish_scene(self, plan: RegionPlan, planned: ScenePlan, parts: Sequence[CutPart]) -> _Finished:
        places = [tile for part in parts for tile in part.tiles]
        folder = self._building / plan.region.name
        notes = []
        if planned.split == "divided":
            sides, note = self._divide(plan, planned, places)
            notes.append(note)
            for number, place in enumerate(places):
                if place.tile is not None:
                    _move_tile(folder, place.tile.name, sides.get(number), plan)
            shutil.rmtree(folder / planned.split)
        else:
            sides = {number: planned.split for number, place in enumerate(places) if place.tile is not None}
        unlabelled: set[int] = set()
        if plan.is_learnt:
            # A training tile without any labelled pixel teaches nothing, and some losses do not survive it.
            unlabelled = {n for n, side in sides.items() if side == "train" and not places[n].counts[:IGNORED].sum()}
            for number in unlabelled:
                _remove_tile(folder / "train", _tile(places[number]).name)
        counter = SceneCounter(places, parts, sides, unlabelled, self._recipe.classes)
        splits = ("train", "val") if planned.split == "divided" else (planned.split,)
        labels = plan.labels_of(planned)
        contents = {
            split: counter.contents(
                split,
                None if split == "train" and not plan.is_learnt else labels,
                takes_rest=split == splits[0],
                is_divided=planned.split == "divided",
            )
            for split in splits
        }
        holds = add_counts(place.contents for place in places)
        if (remark := neighbours_note(planned.scene, parts[0].polygons, holds)) is not None:
            notes.append(remark)
        if (remark := empty_note(planned.scene, contents, places)) is not None:
            notes.append(remark)
        # Percentiles of the region make some pixels black and white, and are not taken where a value fills an end.
        has_percentiles = parts[0].task.stretch is not None and plan.region.stretch is None
        return _Finished(
            tiles={
                split: [_tile(places[n]) for n, side in sides.items() if side == split and n not in unlabelled]
                for split in splits
            },
            contents=contents,
            holds=holds,
            blank=None if has_percentiles else np.sum([place.blank for place in places], axis=0),
            notes=notes,
            polygons=parts[0].polygons,
        )

    def _divide(self, plan: RegionPlan, planned: ScenePlan, places: Sequence[CutTile]) -> tuple[dict[int, str], str]:
        """Return the split of the tiles that get one, by number of the place, and a sentence about them."""
        numbers = [number for number, place in enumerate(places) if place.tile is not None]
        # The target's labels score; where its scenes are divided must not depend on them.
        counts_NK = np.stack([place.counts[:IGNORED] for place in places]) if plan.role == "source" else None
        division = None
        if numbers:
            division = divide_tiles(
                [places[number].box for number in numbers],
                None if counts_NK is None else counts_NK[numbers],
                share=planned.share,
                tile_px=self._bench.tile_px,
            )
        if division is None:
            width_px, height_px = stored_size_px(planned.scene)
            raise DataError(
                f"{planned.scene.image} ({width_px} x {height_px} px) is to be divided into tiles to train on and "
                f"tiles to score, and gives {len(numbers)} tiles of {self._bench.tile_px} px, too few for that. Use "
                "smaller tiles (tile_px, at most a quarter of the longer side), name the held-out scenes (val), or "
                "train on all with val_share = 0."
            )
        sides = {numbers[index]: split for split in ("train", "val") for index in getattr(division, split)}
        note = (
            f"{planned.scene.name} is divided: {len(division.val)} of its {len(numbers)} tiles are held out, "
            f"{len(division.train)} train, and {len(numbers) - len(sides)} lie in the gap of {division.gap_px} px"
        )
        return dict(sorted(sides.items())), note


def _tile(place: CutTile) -> Tile:
    assert place.tile is not None
    return place.tile


def _move_tile(folder: Path, name: str, split: str | None, plan: RegionPlan) -> None:
    """Move a tile of a divided scene to its split, or remove it."""
    kinds = {
        "val": ("img_dir", "ann_dir"),
        "train": (
            "img_dir",
            *(["ann_dir"] if plan.is_learnt else []),
            *(["valid_dir"] if plan.role == "target" else []),
        ),
        None: (),
    }[split]
    for kind in KINDS:
        file = folder / "divided" / kind / name
        if kind in kinds and file.is_file():
            target = folder / str(split) / kind
            target.mkdir(parents=True, exist_ok=True)
            file.rename(target / name)
        else:
            file.unlink(missing_ok=True)


def _remove_tile(folder: Path, name: str) -> None:
    for kind in KINDS:
        (folder / kind / name).unlink(missing_ok=True)
