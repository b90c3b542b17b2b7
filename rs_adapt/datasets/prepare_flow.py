"""Make the images of a bench of super-resolution: flows that are simulated, files of your own, images of a region.

A prepared folder appears at once and complete, as that of tiles; see `rs_adapt.datasets.prepare`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from rs_adapt.datasets.prepared_marker import is_finished, make_once, write_marker
from rs_adapt.datasets.region_images import (
    ImageFilesRecipe,
    RegionImagesRecipe,
    find_region_images,
    read_colours,
    region_bench,
)
from rs_adapt.errors import ConfigError, DataNotFound
from rs_adapt.files import file_sha256, file_state
from rs_adapt.progress import OnProgress, no_progress
from rs_adapt.runs.records import TileDigests
from rs_adapt.turbulence.fields import read_slices
from rs_adapt.turbulence.recipe import SOLVER_VERSION, TurbulenceRecipe, write_turbulence
from rs_adapt.turbulence.storage import SPLITS, Split, read_facts, stack_file, write_flow

FORMAT = 1


class FilesRecipe(BaseModel):
    """Velocity images of your own, `kind = "velocity_files"`.

    Attributes:
        kind: The kind of recipe.
        files: By split, patterns below the data root: one of files with three components, or three of files with one.
        variables: Names of the components in HDF5 and NetCDF files.
        is_periodic: Whether images continue at their borders.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["velocity_files"]
    files: dict[Split, tuple[str | tuple[str, str, str], ...]]
    variables: tuple[str, str, str]
    is_periodic: bool


AnyRecipe: TypeAlias = TurbulenceRecipe | FilesRecipe | ImageFilesRecipe | RegionImagesRecipe
Recipe = Annotated[AnyRecipe, Field(discriminator="kind")]


def read_flow_recipe(prepare: Mapping[str, object]) -> AnyRecipe:
    """Return the `prepare` facts of a bench of super-resolution as a record.

    Raises:
        ConfigError: A key is missing, unknown or has a wrong value.
    """
    try:
        adapter: TypeAdapter[AnyRecipe] = TypeAdapter(Recipe)
        return adapter.validate_python(prepare)
    except ValidationError as error:
        from rs_adapt.validation import explain

        raise ConfigError(explain(error, file="bench.prepare")) from error


def find_files(recipe: FilesRecipe | ImageFilesRecipe, data_root: Path) -> dict[Split, list[tuple[Path, ...]]]:
    """Return the files of each snapshot by split.

    Raises:
        DataNotFound: A pattern finds no file, or there is no pattern for training or test.
        ConfigError: Three patterns find different numbers of files, or a file is in two splits.
    """
    found: dict[Split, list[tuple[Path, ...]]] = {}
    for split in SPLITS:
        for entry in recipe.files.get(split, ()):
            patterns = (entry,) if isinstance(entry, str) else entry
            parts = [sorted(path for path in data_root.glob(pattern) if path.is_file()) for pattern in patterns]
            for pattern, paths in zip(patterns, parts, strict=True):
                if not paths:
                    raise DataNotFound(f"No file below {data_root} fits {pattern} (bench.prepare.files.{split}).")
            if len({len(paths) for paths in parts}) > 1:
                counts = ", ".join(
                    f"{len(paths)} fit {pattern}" for pattern, paths in zip(patterns, parts, strict=True)
                )
                raise ConfigError(f"bench.prepare.files.{split}: {counts}; each snapshot needs all three components.")
            found.setdefault(split, []).extend(zip(*parts, strict=True))
    for split in ("train", "test"):
        if split not in found:
            raise DataNotFound(
                f"There are no images for {split}: name files below {data_root} with --set "
                f"'bench.prepare.files.{split}=[\"PATTERN\"]'."
            )
    seen: dict[Path, Split] = {}
    for split, snapshots in found.items():
        for path in {path for snapshot in snapshots for path in snapshot}:
            if seen.setdefault(path, split) != split:
                raise ConfigError(f"{path} is in the splits {seen[path]} and {split}. It belongs to one split.")
    return found


def require_flow_files(prepare: Mapping[str, object], *, data_root: Path) -> None:
    """Check that the facts can be used and that files of your own are there; opens none of them.

    Raises:
        ConfigError, DataNotFound: See `read_flow_recipe`, `find_files` and `region_bench`.
    """
    recipe = read_flow_recipe(prepare)
    if isinstance(recipe, FilesRecipe | ImageFilesRecipe):
        find_files(recipe, data_root)
    elif isinstance(recipe, RegionImagesRecipe):
        region_bench(recipe)


def ensure_flow(
    prepare: Mapping[str, object], *, data_root: Path, out_dir: Path, on_progress: OnProgress = no_progress
) -> None:
    """Make the images of a bench in `out_dir`, unless they are there and still fit what they were made from.

    Args:
        prepare: The bench's `prepare` facts.
        data_root: Folder of your own files, or of the region's bench; only read.
        out_dir: The folder to make.
        on_progress: Called after each snapshot.

    Raises:
        ConfigError: A fact is wrong, or `out_dir` holds something else or cannot be written to.
        DataNotFound, DataError: Files of your own, or images of the region, are missing or cannot be used.
    """
    recipe = read_flow_recipe(prepare)
    files: Mapping[Split, list[tuple[Path, ...]]] = {}
    if isinstance(recipe, RegionImagesRecipe):
        files = find_region_images(recipe, data_root, on_progress)
    elif not isinstance(recipe, TurbulenceRecipe):
        files = find_files(recipe, data_root)
    raw = [[str(path), *file_state(path)] for of in files.values() for snapshot in of for path in snapshot]
    plain = json.loads(recipe.model_dump_json())
    facts: dict[str, Any] = {"format": FORMAT, "prepare": plain, "raw": raw, "solver": SOLVER_VERSION}

    def make(building: Path) -> None:
        if isinstance(recipe, TurbulenceRecipe):
            write_turbulence(building, recipe, on_progress)
        else:
            stacks = _read_all(files, recipe, on_progress)
            if isinstance(recipe, FilesRecipe):
                write_flow(building, stacks, is_periodic=recipe.is_periodic)
            else:
                write_flow(building, stacks, is_periodic=False, content="colour")
        # No tiles: nothing below <region>/<split>/img_dir is counted.
        write_marker(building, facts, {})

    make_once(out_dir, is_there=lambda: _holds(out_dir, facts), make=make, what="images")


def _holds(folder: Path, facts: Mapping[str, Any]) -> bool:
    """Return whether a folder holds the images that facts lead to, every file of them."""
    if not is_finished(folder, facts):
        return False
    counts = read_facts(folder).slices
    return all(stack_file(folder, split, n).is_file() for split, of in counts.items() for n in range(len(of)))


def digest_flow(folder: Path, split: Split, *, num_snapshots: int | None = None) -> TileDigests:
    """Return the digests of a split's snapshots by name, as `data.json` of a run holds those of tiles."""
    counts = read_facts(folder).slices.get(split, ())[:num_snapshots]
    return {f"{n:05d}": (file_sha256(stack_file(folder, split, n))[:16],) for n in range(len(counts))}


def _read_all(
    files: Mapping[Split, list[tuple[Path, ...]]], recipe: AnyRecipe, on_progress: OnProgress
) -> Iterator[tuple[Split, NDArray[np.float32] | NDArray[np.uint8]]]:
    total, done = sum(map(len, files.values())), 0
    for split, snapshots in files.items():
        for snapshot in snapshots:
            if isinstance(recipe, FilesRecipe):
                yield split, read_slices(snapshot, variables=recipe.variables)
            else:
                yield split, read_colours(snapshot[0])
            done += 1
            on_progress("reading images", done, total)
