"""Cut a data set's originals into the tiles that benches read.

Tiles are made in `.NAME.preparing` below the data root, with a journal of the scenes that are done, and get their
final name at once when all of them are. Killed in between, the same command continues from the journal.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rs_adapt.datasets.originals.cutting import cut_scenes, make_recipe, select_unchanged
from rs_adapt.datasets.originals.journal import (
    FORMAT,
    Journal,
    Records,
    SceneRecord,
    TileFormat,
    read_journal,
    read_marker,
    write_marker,
)
from rs_adapt.datasets.originals.layout import Layout, load_layout
from rs_adapt.datasets.originals.matching import Matcher, PartFiles, ScenePair
from rs_adapt.datasets.originals.plan import Plan, Prepared
from rs_adapt.datasets.originals.sources import Archives, list_originals
from rs_adapt.datasets.worker_pool import default_jobs
from rs_adapt.errors import ConfigError, DataError, DataNotFound
from rs_adapt.locks import exclusive_folder
from rs_adapt.progress import OnProgress, no_progress
from rs_adapt.tiles import Recipe, tile_origins


def prepare_originals(
    name: str,
    source: Path,
    data_root: Path,
    *,
    tile_px: int | None = None,
    stride_px: int | None = None,
    jobs: int | None = None,
    partial: bool = False,
    dry_run: bool = False,
    on_plan: Callable[[Plan], None] | None = None,
    on_progress: OnProgress = no_progress,
) -> Prepared:
    """Cut the originals of a data set into tiles below `data_root/NAME`.

    A folder that is done is compared with its record, and only what is damaged or new is cut.

    Args:
        name: A data set or variant, see `layout_names`.
        source: A folder or zip with the originals, also in zips within.
        data_root: Folder of the data sets.
        tile_px: Side of a tile; None takes the published one, which is the image's for data sets of whole images.
        stride_px: Step of the grid; None takes the published one, or `tile_px` where that is given.
        jobs: Processes; None takes all cores.
        partial: Continue although scenes are missing.
        dry_run: Stop after the plan.
        on_plan: Called with the plan before anything is written.
        on_progress: Called with the stage, the steps done and the steps in all.

    Raises:
        UnknownName: There is no such data set.
        ConfigError: The grid is impossible, or the folder holds other tiles.
        DataNotFound: The source does not exist, holds nothing of the data set, or lacks scenes without `partial`.
        DataError: An original is damaged or unfit.
        RunFailed: A process was ended from outside.
    """
    layout = load_layout(name)
    side_px = layout.tile_px if tile_px is None else tile_px
    step_px = stride_px if stride_px is not None else (layout.stride_px if tile_px is None else side_px)
    if side_px is None or step_px is None:
        if stride_px is not None:
            raise ConfigError(
                f"--stride-px {stride_px} has no meaning: each tile of {layout.name} is a whole image. Add --tile-px "
                "for a grid, or leave --stride-px out."
            )
    else:
        # An impossible grid is refused here, before anything is read.
        tile_origins(side_px, side_px, step_px)
    recipe = make_recipe(layout, tile_px=side_px, stride_px=step_px)
    with _scratch(data_root, layout.name) as scratch:
        with Archives() as archives:
            matcher = Matcher(layout)
            found = matcher.match(list_originals(source, matcher.wanted, archives=archives, scratch=scratch))
        out = data_root / layout.name
        _, done = _done(out, _facts(layout, recipe))
        plan = Plan(
            layout=layout,
            folder=out,
            tile_px=side_px,
            stride_px=step_px,
            found=tuple(found),
            done=_fitting(done, found),
        )
        if on_plan:
            on_plan(plan)
        _require_scenes(plan, source, partial=partial)
        if dry_run:
            return Prepared(plan=plan, records=(), num_kept=len(plan.done), num_cut=0)
        with _locked(data_root, layout.name, scratch):
            return _cut_rest(plan, recipe, scratch=scratch, jobs=jobs or default_jobs(), on_progress=on_progress)


def _cut_rest(plan: Plan, recipe: Recipe, *, scratch: Path, jobs: int, on_progress: OnProgress) -> Prepared:
    """Compare what is cut with its record, and cut what is damaged or was never done."""
    out, facts = plan.folder, _facts(plan.layout, recipe)
    # Read again: until now another process may have held the lock.
    place, done = _done(out, facts)
    plan = replace(plan, done=_fitting(done, plan.found))
    kept = select_unchanged(recipe, [*plan.done.values()], folder=place, jobs=jobs, on_progress=on_progress)
    pairs = _to_cut(plan, kept)
    if place == out and not pairs and len(kept) == len(done):
        return Prepared(plan=plan, records=tuple(kept), num_kept=len(kept), num_cut=0)
    building = _begin(place, out, fresh=not done)
    cut: list[SceneRecord] = []
    with Journal(building, facts, kept) as journal:
        for record in cut_scenes(recipe, pairs, folder=building, scratch=scratch, jobs=jobs, on_progress=on_progress):
            journal.add(record)
            cut.append(record)
    records = (*kept, *cut)
    write_marker(building, facts, records, missing=plan.missing())
    building.rename(out)
    return Prepared(plan=plan, records=records, num_kept=len(kept), num_cut=len(cut))


def _facts(layout: Layout, recipe: Recipe) -> TileFormat:
    """Return what the tiles depend on besides the originals, as it reads back from JSON."""
    facts: TileFormat = {
        "format": FORMAT,
        "name": layout.name,
        "tile_px": recipe.tile_px,
        "stride_px": recipe.stride_px,
        "bands": [*layout.bands],
        "label_values": [*recipe.label_values],
        "legend": sorted([list(colour), value] for colour, value in (recipe.legend or {}).items())
        or sorted([[before], value] for before, value in recipe.renumbered.items()),
        "ignore_value": recipe.ignore_value,
        "tiles": [recipe.image_tile, recipe.label_tile],
    }
    return facts


@contextmanager
def _scratch(data_root: Path, name: str) -> Iterator[Path]:
    """Return a folder for what has to be unpacked, where the tiles go or, as long as that is not there, above it."""
    place = next(folder for folder in (data_root, *data_root.parents) if folder.is_dir())
    try:
        folder = tempfile.TemporaryDirectory(prefix=_scratch_prefix(name), dir=place)
    except OSError as error:
        raise ConfigError(f"Cannot write to {place} ({error}): choose a different folder with --data-root.") from error
    with folder as path:
        yield Path(path)


@contextmanager
def _locked(data_root: Path, name: str, scratch: Path) -> Iterator[None]:
    """Make the data root, hold the data set's lock, and remove files that killed runs unpacked."""
    try:
        data_root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"Cannot make {data_root} ({error}): choose a different folder with --data-root.") from error
    with exclusive_folder(data_root / name):
        for leftover in data_root.glob(f"{_scratch_prefix(name)}*"):
            if leftover.resolve() != scratch.resolve():
                shutil.rmtree(leftover, ignore_errors=True)
        yield


def _scratch_prefix(name: str) -> str:
    return f".{name}.unpacked."


def _building(out: Path) -> Path:
    return out.with_name(f".{out.name}.preparing")


def _done(out: Path, facts: TileFormat) -> tuple[Path, Records]:
    """Return the folder where tiles were made before, and the scenes that are done there."""
    if out.is_dir() and any(out.iterdir()):
        marked = read_marker(out)
        if marked is None:
            raise ConfigError(
                f"{out} is not empty and was not made by `rs-adapt data prepare`. `rs-adapt data verify {out.name}` "
                "checks it. Move it away, or choose a different --data-root."
            )
        before = marked[0]
        if before != facts:
            changed = ", ".join(
                f"{key} {before.get(key)} instead of {value}"
                for key, value in facts.items()
                if before.get(key) != value and key not in ("legend", "tiles", "label_values")
            )
            raise ConfigError(
                f"{out} holds tiles that were cut differently ({changed or 'other labels or names'}). Delete it, or "
                "choose a different --data-root."
            )
        return out, marked[1]
    building = _building(out)
    # With a marker and no journal, the folder was about to get its final name, or had just lost it for repairs.
    begun = read_journal(building) or read_marker(building)
    return building, begun[1] if begun is not None and begun[0] == facts else {}


def _fitting(done: Records, found: Sequence[PartFiles]) -> Records:
    """Return the scenes whose originals have the sizes that they had, or are not in the source."""
    sizes = {_key(pair): (pair.image.num_bytes, pair.label.num_bytes) for one in found for pair in one.pairs}
    return {key: record for key, record in done.items() if sizes.get(key, record.source_bytes) == record.source_bytes}


def _require_scenes(plan: Plan, source: Path, *, partial: bool) -> None:
    layout = plan.layout
    if not any(one.pairs for one in plan.found) and not plan.done:
        raise DataNotFound(
            f"{source} holds no image of {layout.name} with a label; looked for were {layout.image_files[0]} and "
            f"{layout.label_files[0]}, also in zips. {layout.how_to_get}"
        )
    missing = plan.missing()
    if missing and not partial:
        raise DataNotFound(
            f"Scenes of {layout.name} are missing in {source}: {'. '.join(missing)}. Add them, or cut the available "
            "scenes with --partial."
        )


def _to_cut(plan: Plan, kept: Sequence[SceneRecord]) -> list[ScenePair]:
    there = {record.key for record in kept}
    pairs = [pair for one in plan.found for pair in one.pairs if _key(pair) not in there]
    lost = [key for key in plan.done if key not in there and key not in {_key(pair) for pair in pairs}]
    if lost:
        raise DataError(
            f"The tiles of {len(lost)} scene(s) in {plan.folder} are damaged, first {lost[0][2]}, and their originals "
            "are not in the source. Name a source that holds them."
        )
    return pairs


def _begin(place: Path, out: Path, *, fresh: bool) -> Path:
    """Make the folder to build in, or rename the finished one to it for repairs."""
    building = _building(out)
    if fresh or place == out:
        # It is useless: it has other facts, no scene, or stands beside a finished folder.
        shutil.rmtree(building, ignore_errors=True)
    if place == out:
        out.rename(building)
        return building
    building.mkdir(exist_ok=True)
    if out.is_dir():
        # Empty, or it would have a marker; not every system renames onto a folder.
        out.rmdir()
    return building


def _key(pair: ScenePair) -> tuple[str | None, str, str]:
    return (pair.part.region, pair.part.split, pair.scene)
