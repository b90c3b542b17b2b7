"""Models of super-resolution that enlarge the images of other runs (`bench.resolve`). Loads no torch."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rs_adapt.config.wire_ground import pixel_sizes
from rs_adapt.errors import CheckpointMismatch, ConfigError
from rs_adapt.files import atomic_file, file_sha256
from rs_adapt.runs.files import CELL_FILE, MANIFEST_FILE, RESOLVER_DIR, RESULT_FILE, TENSORS_FILE
from rs_adapt.runs.folder import require_outside
from rs_adapt.runs.packs import pack_folder, read_manifest, run_folder
from rs_adapt.runs.records import NetworkFacts, ResolverFacts, RunStart, read_record

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig

_TRAIN = "Train one with `rs-adapt train --bench images-sr` (docs/guides/flow-super-resolution.md)."
# A factor may differ from the ratio of the pixel sizes by so much, since stated sizes are rounded.
_TOLERANCE = 0.02


@dataclass(frozen=True, kw_only=True)
class ResolverModel:
    """A model of super-resolution on disk.

    Attributes:
        folder: Folder of its pack.
        network: What rebuilds it.
        facts: What the files of a run that uses it state.
    """

    folder: Path
    network: NetworkFacts
    facts: ResolverFacts


def read_resolver(path: Path) -> ResolverModel:
    """Read the manifest of a model of super-resolution and compare its tensors with it.

    Args:
        path: A finished run folder, a folder with a pack, or a file in it.

    Raises:
        CheckpointMismatch: There is no pack, the run is not finished, or a file is missing or damaged.
        ConfigError: It is a model of another task, or of velocities.
    """
    folder, given = pack_folder(path), f"bench.resolve is {path}"
    try:
        manifest = read_manifest(folder)
    except CheckpointMismatch as error:
        raise CheckpointMismatch(f"bench.resolve: {error}") from error
    if manifest.network is None:
        raise ConfigError(
            f"{given}, a model of bench {manifest.cell.bench} with the method {manifest.cell.method}. Allowed: a model "
            f"of super-resolution of colour images. {_TRAIN}"
        )
    if manifest.network.kind != "colour":
        raise ConfigError(
            f"{given}, a model of super-resolution of velocities (bench {manifest.cell.bench}). Allowed: one of colour "
            f"images. {_TRAIN}"
        )
    if (folder / CELL_FILE).is_file() and not (folder / RESULT_FILE).is_file():
        raise CheckpointMismatch(f"{given}, a run that is not finished. Continue it with --resume first.")
    tensors, file = manifest.tensors, folder / TENSORS_FILE
    if tensors is None or not file.is_file() or file_sha256(file) != tensors.sha256:
        state = "is not that of its manifest" if file.is_file() else "is missing"
        raise CheckpointMismatch(f"{given}, and its {TENSORS_FILE} {state}. Copy the model again.")
    facts = ResolverFacts(cell=manifest.cell, sha256=tensors.sha256, scale=manifest.network.scale)
    return ResolverModel(folder=folder, network=manifest.network, facts=facts)


def find_resolver(cfg: ResolvedConfig) -> ResolverModel | None:
    """Return the model that enlarges the images of a run, None without one, after comparing it with the pixel sizes.

    Raises:
        CheckpointMismatch, ConfigError: See `read_resolver`; or its factor is not the ratio of the pixel sizes.
    """
    if (given := cfg.bench.get("resolve")) is None:
        return None
    model, sizes = read_resolver(Path(given)), pixel_sizes(cfg.bench)
    # The wiring has refused benches that state no sizes.
    assert sizes is not None
    ratio = max(sizes.source_m, sizes.target_m) / sizes.finer_m
    if not is_factor(model.facts.scale, ratio):
        raise ConfigError(
            f"bench.resolve is {given}, which enlarges {model.facts.scale} times, and pixels of "
            f"{max(sizes.source_m, sizes.target_m):g} m are {ratio:.3g} times those of {sizes.finer_m:g} m. Allowed: a "
            "model of that factor (--set bench.scale=... in its training: 2, 4 or 8). For any other factor, "
            "interpolate: --set strategy.match_gsd=True instead of bench.resolve."
        )
    return model


def is_factor(scale: int, ratio: float) -> bool:
    """Return whether a model that enlarges by `scale` is one for pixels of which one side is `ratio` times the other.

    Stated sizes are rounded, so the two may differ a little.
    """
    return abs(scale / ratio - 1) <= _TOLERANCE


def check_resolver(cfg: ResolvedConfig, *, resume: bool) -> ResolverFacts | None:
    """Check the model that enlarges the images of a run, before the run's folder is made, and return its facts.

    Raises:
        CheckpointMismatch: See `find_resolver`; or it is not the model that the run was started with.
        ConfigError: See `find_resolver`; or the model lies in the folder of the run.
    """
    if (model := find_resolver(cfg)) is None:
        return None
    run_dir = Path(cfg.work_dir)
    require_outside(run_dir, model.folder, option="--set bench.resolve", run="the run")
    start = read_record(run_dir / CELL_FILE, RunStart) if resume else None
    if start is not None and start.resolver is not None and start.resolver.sha256 != model.facts.sha256:
        raise CheckpointMismatch(
            f"Cannot resume {run_dir}: it was started with a model of super-resolution whose SHA-256 is "
            f"{start.resolver.sha256[:16]}..., and {model.folder} (bench.resolve) has {model.facts.sha256[:16]}... Put "
            "the model that it was started with there, or start again with --overwrite."
        )
    return model.facts


def copy_resolver(cfg: ResolvedConfig) -> None:
    """Copy the model that enlarges the images of a run into its folder, so that the run can be moved."""
    if (model := find_resolver(cfg)) is None:
        return
    folder = Path(cfg.work_dir) / RESOLVER_DIR
    folder.mkdir(exist_ok=True)
    for name in (TENSORS_FILE, MANIFEST_FILE):
        with atomic_file(folder / name) as temporary:
            shutil.copyfile(model.folder / name, temporary)


def locate_resolver(pack: Path, facts: ResolverFacts) -> Path:
    """Return the folder of the model that a pack was trained with: a copy in the folder of its run.

    Args:
        pack: Folder of the pack.
        facts: What its manifest states of the model.

    Raises:
        CheckpointMismatch: The copy is missing or damaged, or is a different model.
    """
    folder = run_folder(pack) / RESOLVER_DIR
    wanted = (
        f"{pack} was trained on images that a model of super-resolution enlarges (bench.resolve), SHA-256 "
        f"{facts.sha256[:16]}..."
    )
    if not folder.is_dir():
        raise CheckpointMismatch(
            f"{wanted}, and there is no copy of that model at {folder}. Copy the whole run folder, or the folder "
            f"{RESOLVER_DIR} of the run to this place."
        )
    model = read_resolver(folder)
    if model.facts.sha256 != facts.sha256:
        raise CheckpointMismatch(
            f"{wanted}, and {folder} holds a different one ({model.facts.sha256[:16]}...). Copy the folder "
            f"{RESOLVER_DIR} of the run again."
        )
    return folder


def refuse_resolved(pack: Path, resolver: ResolverFacts | None, *, verb: str) -> None:
    """Refuse a pack whose images a model of super-resolution enlarges, where that model would be left behind.

    Raises:
        ConfigError: It is one.
    """
    if resolver is not None:
        raise ConfigError(
            f"{pack} was trained on images that a model of super-resolution enlarges (bench.resolve), which {verb} "
            "does not take along. Copy the run folder, which holds that model."
        )


def resolving_step(settings: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the step of a data set's pipeline that enlarges its images by a model; None without one.

    Data sets of other tasks than segmentation have no pipeline.
    """
    pipeline: Sequence[Mapping[str, Any]] = settings.get("pipeline") or ()
    return next((step for step in pipeline if step["type"] == "rs_adapt.ResolveImage"), None)
