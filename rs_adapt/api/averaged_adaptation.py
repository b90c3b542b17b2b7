"""Adaptation that stays near source-only training: train without and with the target, and average both."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING

from rs_adapt.api.averaging import average
from rs_adapt.api.configuration import cell_of, equivalent_command, refuse_changed
from rs_adapt.api.models import evaluate
from rs_adapt.api.presence import require_inputs_of_training
from rs_adapt.api.progress import Progress
from rs_adapt.api.training import check, train
from rs_adapt.config.cell import DEFAULT_STRATEGY, Cell
from rs_adapt.config.compose import compose
from rs_adapt.config.segmentor import segmentor_config
from rs_adapt.config.wire_regions import option_of_run
from rs_adapt.errors import ConfigError, IncompatibleCell, OutputExists
from rs_adapt.runs.averages import choice_of_gate, start_from_images
from rs_adapt.runs.clearing import holds_run
from rs_adapt.runs.files import MANIFEST_FILE
from rs_adapt.runs.folder import is_finished
from rs_adapt.runs.packs import read_manifest
from rs_adapt.runs.run import Run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rs_adapt.api.evaluation import Evaluation
    from rs_adapt.config.resolved import ResolvedConfig
    from rs_adapt.runs.plan import TrainingPlan

SOURCE_ONLY, ADAPTED, MEAN = "source_only", "adapted", "mean"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Adaptation:
    """The three models of `adapt`.

    Attributes:
        source_only: The run that has never seen the target.
        adapted: The run that has.
        mean: The folder of the pack that holds the mean of their weights, for `load`, `predict` and `evaluate`.
        scored: The scores of the mean on the target's labels; None where there are none.
    """

    source_only: Run
    adapted: Run
    mean: Path
    scored: Evaluation | None


def configurations(cfg: ResolvedConfig) -> tuple[ResolvedConfig, ResolvedConfig]:
    """Return the configurations of both trainings: without the target, and with it.

    They differ in setting, strategy and folder alone. Overrides of the strategy's own keys go to the second one. Batch
    size, `strategy.match_gsd` and the method's tuned values are those of the second one in both, since the mean of the
    weights has a meaning only then.

    Args:
        cfg: A configuration of the setting `da` from `compose`; the folders are made in its `work_dir`.

    Raises:
        ConfigError: `cfg` was changed after it was composed, or the source-only model cannot have one of its options.
        IncompatibleCell: The setting is not `da`, the strategy learns without the source or without the target, or the
            method chooses modules in training.
    """
    refuse_changed(cfg)
    if (count := int(os.environ.get("WORLD_SIZE", "1"))) > 1:
        raise ConfigError(
            f"adapt trains in one process, but a launcher has started {count} (WORLD_SIZE). Start it without the "
            "launcher; or train both runs with `rs-adapt train` and average them with `rs-adapt average`."
        )
    cell = cell_of(cfg)
    if cell.setting != "da":
        raise IncompatibleCell(
            f"adapt trains without and with images of the target, but the setting is {cell.setting}. Use the setting "
            "da: --bench NAME-da, or --bench FILE.toml --setting da."
        )
    if (option := option_of_run(cfg.strategy)) is not None or not cfg.strategy.get("trains", True):
        needs = f"needs a trained run ({option})" if option else "trains nothing"
        raise IncompatibleCell(
            f"adapt averages two models that train from one start, but the strategy {cell.strategy} {needs}. Choose "
            "a different --strategy, such as dacs-matched."
        )
    if not (cfg.strategy.needs_target or cfg.strategy.get("style", {}).get("band_match")):
        raise IncompatibleCell(
            f"adapt trains again with images of the target, but the strategy {cell.strategy} reads none. Choose a "
            "different --strategy, such as dacs-matched."
        )
    if cfg.bench.get("resolve"):
        raise IncompatibleCell(
            "adapt averages two models, and a mean does not take along the model that enlarges their images "
            "(bench.resolve). Interpolate with --set strategy.match_gsd=True, or train alone with `rs-adapt train`."
        )
    adapter = segmentor_config(cfg).backbone.get("adapter")
    if (reason := choice_of_gate(adapter) or start_from_images(adapter)) is not None:
        raise IncompatibleCell(
            f"adapt averages two models, but the method {cell.method} {reason}, so the mean of their weights has no "
            "meaning. Choose a different --method, or train alone with `rs-adapt train`."
        )
    source = dataclasses.replace(cell, setting="dg", strategy=DEFAULT_STRATEGY["dg"])
    # The benches of papers state a number for each setting.
    batch = cfg.train_dataloader.batch_size
    same = [] if cfg.bench.schedule.batch_size.dg == batch else [f"bench.schedule.batch_size.dg={batch}"]
    shared = [text for text in cfg.origin.overrides if not text.startswith("strategy.")]
    folder = Path(cfg.work_dir)

    def place(name: str, of: Cell, overrides: Sequence[str]) -> ResolvedConfig:
        return compose(
            of,
            overrides=overrides,
            data_root=cfg.data_root,
            work_dir=folder / name,
            weights=cfg.origin.weights,
            # Those of the adapted model in both: their tensors must have the same shapes.
            tuned_values=cfg.method.tuned.to_dict(),
        )

    try:
        first = place(SOURCE_ONLY, source, [*same, *shared, f"strategy.match_gsd={cfg.strategy.match_gsd}"])
    except ConfigError as error:
        raise type(error)(
            "adapt gives the options to a source-only model of the setting dg, too, all but those of strategy.*, and "
            f"it cannot have one of them. {error}"
        ) from error
    return first, place(ADAPTED, cell, cfg.origin.overrides)


def adapt(
    cfg: ResolvedConfig,
    *,
    device: str = "auto",
    resume: bool = False,
    loggers: Sequence[str] | None = None,
    command: str | None = None,
    progress: Progress = True,
) -> Adaptation:
    """Train on the source alone, train again with images of the target, and average the weights of both.

    The mean gains less than the adapted model where that gains, and loses less where it loses (WiSE-FT, Wortsman et
    al., arXiv 2109.01903): for regions without labels, where nobody sees which of the two it is. Measured in
    docs/project/results-pairs.md. It takes the time of both trainings, and no more than one model at inference.

    Args:
        cfg: A configuration of the setting `da` from `compose`; `work_dir` is the folder of all three models.
        device: See `train`.
        resume: Whether to continue what is in the folder: a finished training is kept, an interrupted one continued.
        loggers: See `train`.
        command: Command line to store with both runs; the one that means the same as `cfg`.
        progress: See `train`.

    Raises:
        Interrupted: A signal stopped a training; the state is saved, and `resume=True` continues.
        IncompatibleCell: The configuration is not one of adaptation from the start.
        RsAdaptError: See `train`; what is missing for either training is found before the first one begins.

    Examples:
        >>> import rs_adapt as rsa
        >>> cfg = rsa.compose("synthetic-da", strategy="dacs_matched", iters=2, batch_size=2, num_workers=0,
        ...                   work_dir="work_dirs/averaged")
        >>> models = rsa.adapt(cfg, device="cpu", loggers=["none"], progress=False)
        >>> models.mean.name, 0 <= models.scored.result.miou_pct <= 100
        ('mean', True)
    """
    both = configurations(cfg)
    folder = Path(cfg.work_dir) / MEAN
    open_ones = _open_ones(both, folder, resume=resume)
    # The first one may take days, so nothing may be missing for the second one then.
    for one in open_ones[1:]:
        check(one, device=device, resume=_continues(one, resume), progress=progress)
    command = command or equivalent_command(cfg, verb="adapt")
    for one in open_ones:
        resumes = _continues(one, resume)
        train(one, device=device, resume=resumes, loggers=loggers, command=command, progress=progress)
    source_only, adapted = (Run.read(Path(one.work_dir)) for one in both)
    if not (folder / MANIFEST_FILE).exists():
        average([source_only, adapted], out=folder, progress=progress)
    scored = None
    if adapted.miou_pct is not None:
        # A pack names no folders of the machine.
        places = {"data_root": cfg.data_root, "weights": cfg.origin.weights}
        scored = evaluate(folder, device=device, progress=progress, **places)
    return Adaptation(source_only=source_only, adapted=adapted, mean=folder, scored=scored)


def check_adaptation(
    cfg: ResolvedConfig, *, device: str = "auto", resume: bool = False, progress: Progress = True
) -> list[tuple[ResolvedConfig, TrainingPlan | None]]:
    """Check everything that `adapt` needs, as `check` does for `train`; train nothing.

    Returns:
        The configurations of both trainings, each with what it would use; None for one that is finished.

    Raises:
        RsAdaptError: Something is missing or does not fit.
    """
    both = configurations(cfg)
    open_ones = _open_ones(both, Path(cfg.work_dir) / MEAN, resume=resume)
    return [
        (
            one,
            check(one, device=device, resume=_continues(one, resume), progress=progress) if one in open_ones else None,
        )
        for one in both
    ]


def _open_ones(both: Sequence[ResolvedConfig], mean: Path, *, resume: bool) -> list[ResolvedConfig]:
    """Return the trainings that are not finished, after a check that folders are free and inputs there.

    Raises:
        OutputExists: A folder is taken.
        RsAdaptError: See `require_inputs_of_training`.
    """
    if (mean.parent / MANIFEST_FILE).exists():
        raise OutputExists(f"{mean.parent} holds a model. Choose a folder outside of it with --work-dir.")
    taken = [place for place in (Path(one.work_dir) for one in both) if holds_run(place)]
    taken += [mean] if (mean / MANIFEST_FILE).exists() else []
    if taken and not resume:
        raise OutputExists(
            f"{taken[0]} holds a {'model' if taken[0] == mean else 'run'}. --resume keeps what is finished and "
            "continues the rest; or choose a different folder with --work-dir, or delete this one."
        )
    open_ones = [one for one in both if not (resume and is_finished(Path(one.work_dir), cfg_text=one.pretty_text))]
    for one in open_ones:
        require_inputs_of_training(one, resume=_continues(one, resume), overwrite=False)
    if mean in taken and open_ones:
        raise OutputExists(
            f"{mean} holds a model, but {open_ones[0].work_dir} no finished run that it is the mean of. Choose a "
            "different folder with --work-dir, or delete that model."
        )
    if mean in taken and not _is_mean_of([Path(one.work_dir) for one in both], mean):
        raise OutputExists(
            f"{mean} holds a model, but not the mean of the runs beside it: one of them was trained again, or a "
            "different model was put there. Choose a different folder with --work-dir, or delete that model."
        )
    # The manifest last: a process beside this one may be at its end, and the folder appears with all its files.
    is_empty = not os.path.lexists(mean) or (mean.is_dir() and not any(mean.iterdir()))
    if not is_empty and not (mean / MANIFEST_FILE).exists():
        raise OutputExists(
            f"{mean} is taken by something that is no model. Choose a different folder with --work-dir, or move it."
        )
    return open_ones


def _is_mean_of(runs: Sequence[Path], mean: Path) -> bool:
    members = [read_manifest(run).tensors for run in runs]
    averaged = [member.sha256 for member in read_manifest(mean).averaged or ()]
    return averaged == [tensors.sha256 if tensors else "" for tensors in members]


def _continues(cfg: ResolvedConfig, resume: bool) -> bool:
    # A training that was never begun starts, also when the others are continued.
    return resume and Path(cfg.work_dir).is_dir()
