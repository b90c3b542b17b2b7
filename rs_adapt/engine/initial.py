"""The weights that a run starts from with `--from`: those of a finished or interrupted run, or of an adapter pack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmengine import ConfigDict
from torch import Tensor, nn

from rs_adapt.config.literals import read_literals
from rs_adapt.config.wire_ground import matched_sizes
from rs_adapt.engine.earlier_labels import earlier_cells, refuse_seen_by, refuse_seen_target
from rs_adapt.engine.pack import read_pack_tensors
from rs_adapt.engine.state import check_trained_tensors, load_trained_tensors, read_state
from rs_adapt.errors import CheckpointMismatch, ConfigError
from rs_adapt.files import file_sha256
from rs_adapt.runs.files import CELL_FILE, CONFIG_FILE, STATE_FILE, TENSORS_FILE
from rs_adapt.runs.folder import require_outside, saved_nothing
from rs_adapt.runs.hub_packs import hub_origin
from rs_adapt.runs.packs import find_weights, read_manifest
from rs_adapt.runs.records import InitialisedFrom, Manifest, RunStart, read_record

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig

_SEGMENTOR = "segmentor."


@dataclass(frozen=True, kw_only=True)
class InitialWeights:
    """Trained tensors of a run by the names of its segmentor, and their origin.

    Attributes:
        tensors: Adapter and head; with method `full` the backbone too.
        source: File of the tensors.
        classes: Names of the run's classes, in index order.
        base_sha256: SHA-256 of the base weights; None where an older version did not record it.
        facts: What is recorded of them.
        gsd_matched: Whether they learnt from regions that were brought to one pixel size.
        bench: Table `bench` of the run's configuration; None in a pack without the run's files.
    """

    tensors: Mapping[str, Tensor]
    source: Path
    classes: tuple[str, ...]
    base_sha256: str | None
    facts: InitialisedFrom
    gsd_matched: bool
    bench: Any = None


def read_initial_weights(run: Path) -> InitialWeights:
    """Read the weights of a run: of a finished one its pack, of an interrupted one the student in its state.

    Args:
        run: A run folder, or a folder with an adapter pack.

    Raises:
        CheckpointMismatch: There is neither, or a file is damaged.
    """
    run, is_finished = find_weights(run)
    return _read_pack(run) if is_finished else _read_training_state(run)


def find_initial_weights(
    cfg: ResolvedConfig, segmentor: nn.Module, start_from: Path | None, *, resume: bool
) -> InitialisedFrom | None:
    """Return the origin of the weights that a run starts from, or was started from; they are checked, not loaded.

    Args:
        cfg: The run's configuration.
        segmentor: The run's segmentor; it may be built without memory.
        start_from: The run of the weights; None for new ones. A run that has a state needs it no longer.
        resume: Whether the run in the folder is resumed.

    Returns:
        None for new weights.

    Raises:
        CheckpointMismatch: The weights cannot be read, or do not fit.
        ConfigError: The run would read its own folder, or `start_from` is not what it was started with.
    """
    folder = Path(cfg.work_dir)
    if resume:
        start = read_record(folder / CELL_FILE, RunStart)
        before = None if start is None else start.initialised_from
        if start is not None and start_from is not None and before is None:
            raise ConfigError(
                f"Cannot resume {folder} with --from {start_from}: that run began with new weights. Leave --from out, "
                "or choose a different folder with --work-dir and leave --resume out."
            )
        if before is not None and start_from is None and saved_nothing(folder):
            raise ConfigError(
                f"Cannot resume {folder}: it was started with --from and has saved nothing yet. Repeat --from."
            )
        if not saved_nothing(folder):
            return before
    if start_from is None:
        return None
    require_outside(folder, start_from, option="--from", run="the new run")
    initial = read_initial_weights(start_from)
    check_initial_weights(initial, cfg, segmentor)
    return initial.facts


def check_initial_weights(initial: InitialWeights, cfg: ResolvedConfig, segmentor: nn.Module) -> None:
    """Check that weights fit a run, before its folder is made.

    Args:
        initial: The weights.
        cfg: The run's configuration.
        segmentor: The run's segmentor; it may be built without memory.

    Raises:
        CheckpointMismatch: Classes, names or shapes differ, or the sizes at which images are seen.
        ConfigError: The weights have learnt what the setting of the run leaves out of its target.
    """
    _check_honesty(initial, cfg)
    if initial.gsd_matched and matched_sizes(cfg.bench, cfg.strategy, setting=cfg.cell.setting) is None:
        raise CheckpointMismatch(
            f"--from {initial.source.parent}: that run brought both regions to one pixel size, and this one does not, "
            "so the model would see things at sizes that it does not know. Add --set strategy.match_gsd=True."
        )
    classes = tuple(cfg.bench.classes)
    if initial.classes != classes:
        raise CheckpointMismatch(
            f"--from {initial.source.parent}: that run was trained on the classes {', '.join(initial.classes)}; here "
            f"they are {', '.join(classes)}. Start from a run on the same classes."
        )
    check_trained_tensors(segmentor, initial.tensors, f"--from: {initial.source}")


def _check_honesty(initial: InitialWeights, cfg: ResolvedConfig) -> None:
    """Refuse weights that have learnt the labels of the run's target, or in `dg` from its images."""
    name, cell = f"--from {initial.source.parent}", initial.facts.cell
    if initial.bench is not None:
        refuse_seen_target(name, setting=cell.setting, bench_name=cell.bench, bench=initial.bench, cfg=cfg)
    else:
        refuse_seen_by([cell], name, cfg=cfg)
    refuse_seen_by(initial.facts.earlier, f"{name}, which goes back to a different run", cfg=cfg)


def load_initial_weights(initial: InitialWeights, segmentor: nn.Module, *, base_sha256: str) -> None:
    """Put weights into a run's segmentor.

    Raises:
        CheckpointMismatch: They were trained on different base weights, or do not fit.
    """
    if initial.base_sha256 is not None and initial.base_sha256 != base_sha256:
        raise CheckpointMismatch(
            f"--from {initial.source.parent}: its weights belong to base weights with SHA-256 "
            f"{initial.base_sha256[:16]}..., but these have {base_sha256[:16]}... Name those that it was trained on "
            "with --weights."
        )
    load_trained_tensors(segmentor, initial.tensors, str(initial.source))


def _read_pack(run: Path) -> InitialWeights:
    manifest = read_manifest(run)
    try:
        tensors = read_pack_tensors(run, manifest)
    except CheckpointMismatch as error:
        raise CheckpointMismatch(f"--from {run}: {error}") from error
    # A pack whose manifest names no tensors has been refused.
    sha256 = "" if manifest.tensors is None else manifest.tensors.sha256
    facts = _facts(manifest, manifest.metrics.iter if manifest.metrics else None, sha256, True)
    if (origin := hub_origin(run)) is not None:
        facts = facts.model_copy(update={"pack_source": origin})
    return InitialWeights(
        tensors=tensors,
        source=run / TENSORS_FILE,
        classes=tuple(manifest.classes),
        base_sha256=manifest.base.sha256,
        facts=facts,
        gsd_matched=manifest.gsd_matched,
        bench=_bench_of(run),
    )


def _read_training_state(run: Path) -> InitialWeights:
    path = run / STATE_FILE
    state = read_state(path)
    start = read_record(run / CELL_FILE, RunStart, error=CheckpointMismatch)
    if start is None:
        raise CheckpointMismatch(f"--from {run}: its {CELL_FILE} is missing. Copy the run again.")
    tree = read_literals(run / CONFIG_FILE, remedy="Copy the run again.").values
    bench = tree.get("bench", {})
    model: dict[str, Tensor] = state["model"]
    # Self-training holds the student beside the teacher.
    of_student = {name.removeprefix(_SEGMENTOR): model[name] for name in model if name.startswith(_SEGMENTOR)}
    return InitialWeights(
        tensors=of_student or model,
        source=path,
        classes=tuple(bench.get("classes", ())),
        base_sha256=state.get("base_sha256"),
        facts=_facts(start, state["iteration"], file_sha256(path), False),
        gsd_matched=matched_sizes(bench, tree.get("strategy", {}), setting=start.cell.setting) is not None,
        bench=ConfigDict(bench),
    )


def _bench_of(run: Path) -> Any:
    """Return the table `bench` of a run's configuration; None where the folder has none, as that of a plain pack."""
    if not (run / CONFIG_FILE).is_file():
        return None
    return ConfigDict(read_literals(run / CONFIG_FILE, remedy="Copy the run again.").values.get("bench", {}))


def _facts(record: Manifest | RunStart, iteration: int | None, sha256: str, finished: bool) -> InitialisedFrom:
    before = record.initialised_from
    own = iteration or 0
    facts = InitialisedFrom(
        cell=record.cell,
        iter=own,
        iterations_before=own + (before.iterations_before if before is not None else 0),
        finished=finished,
        sha256=sha256,
    )
    earlier = earlier_cells(record)
    return facts.model_copy(update={"earlier": earlier}) if earlier else facts
