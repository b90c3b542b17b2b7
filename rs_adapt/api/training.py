"""Training, and the checks before it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rs_adapt.api.checkpoints import find_checkpoint
from rs_adapt.api.configuration import cell_of, equivalent_command, refuse_changed, with_values_of_start
from rs_adapt.api.presence import require_inputs_of_training
from rs_adapt.api.progress import Progress, print_loading, print_start, progress_callback, training_display
from rs_adapt.api.reading import RunLike
from rs_adapt.api.teaching import find_teacher
from rs_adapt.config.class_means import mean_name
from rs_adapt.config.tasks import SUPER_RESOLUTION, task_of
from rs_adapt.runs.plan import TrainingPlan
from rs_adapt.runs.records.record import SCORES
from rs_adapt.runs.run import Run
from rs_adapt.scores.stored import headline_matrix
from rs_adapt.threads import wait_passively

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rs_adapt.config.resolved import ResolvedConfig
    from rs_adapt.runs.records import Result


def train(
    cfg: ResolvedConfig,
    *,
    device: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
    start_from: RunLike | None = None,
    teacher: RunLike | None = None,
    loggers: Sequence[str] | None = None,
    command: str | None = None,
    progress: Progress = True,
) -> Run:
    """Train a configuration, score it, and write its run folder, `cfg.work_dir`.

    Everything that can be wrong with configuration, data, weights and device is found before the folder is made. Ctrl-C
    (in a notebook the stop button) saves the state after the iteration and raises `Interrupted`; the same call with
    `resume=True` continues exactly there. Where a launcher such as torchrun started several processes, each calls this
    function and trains with its share of the batch; only rank 0 returns a finished run.

    Args:
        cfg: A configuration from `compose`.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        resume: Whether to continue the interrupted run in the folder.
        overwrite: Whether to delete a run that is in the folder.
        start_from: A run, its folder, an adapter pack or `hf:OWNER/NAME[@REVISION]`, whose weights the new run starts
            from. The result states it.
        teacher: A finished run, its folder, an adapter pack or `hf:OWNER/NAME[@REVISION]`, which the strategy `distill`
            learns from; the same one with `resume`. The result states it.
        loggers: `tensorboard`, `wandb`, `mlflow`, `clearml`, `aim` or `none`; TensorBoard if it is installed.
        command: Command line to store with the run; the one that means the same as `cfg`.
        progress: True shows it on standard error; or a callback (stage, done, total), where training is the stage
            `training`; False shows nothing.

    Returns:
        The finished run: `run.folder`, `run.result` (scores in percent, protocol, parameters, times), `run.metrics`.

    Raises:
        Interrupted: A signal stopped the run; the state is saved.
        ConfigError: `cfg` was changed after it was composed, or a value cannot be used.
        RsAdaptError: Data, weights or the device are missing, the folder is taken, or the run failed; the message says
            what to do.

    Examples:
        >>> import rs_adapt as rsa
        >>> cfg = rsa.compose("synthetic-dg", iters=2, batch_size=2, num_workers=0, work_dir="work_dirs/first")
        >>> run = rsa.train(cfg, device="cpu", loggers=["none"], progress=False)
        >>> 0 <= run.miou_pct <= 100
        True
    """
    refuse_changed(cfg)
    cfg = with_values_of_start(cfg) if resume else cfg
    require_inputs_of_training(cfg, resume=resume, overwrite=overwrite, start_from=start_from, teacher=teacher)
    initial = None if start_from is None else find_checkpoint(start_from, progress=progress)
    wait_passively()
    print_loading(progress)
    from rs_adapt.engine.loggers import resolve_loggers
    from rs_adapt.engine.train import train as train_cell
    from rs_adapt.reports.run_pictures import write_run_pictures

    title, folder = str(cell_of(cfg)), Path(cfg.work_dir)

    def draw_pictures(result: Result) -> None:
        write_run_pictures(folder, headline_matrix(folder, result), classes=list(cfg.bench.classes), title=title)

    if task_of(cfg.bench).name == SUPER_RESOLUTION:
        from rs_adapt.engine.super_resolution import train_flow

        with progress_callback(progress) as on_progress:
            train_flow(
                cfg,
                command=command or equivalent_command(cfg),
                device=device,
                resume=resume,
                overwrite=overwrite,
                loggers=resolve_loggers(loggers),
                display=training_display(progress, title.split(" / ")[0], score_title=SCORES["psnr_db"]),
                on_progress=on_progress,
                on_start=lambda start: print_start(progress, start, title=title, folder=folder),
            )
        return Run.read(folder)
    with progress_callback(progress) as on_progress:
        train_cell(
            cfg,
            command=command or equivalent_command(cfg),
            device=device,
            resume=resume,
            overwrite=overwrite,
            start_from=initial,
            teacher=find_teacher(teacher, progress=progress),
            loggers=resolve_loggers(loggers),
            display=training_display(progress, title.split(" / ")[0], score_title=_score_title(cfg)),
            draw_pictures=draw_pictures,
            on_progress=on_progress,
            on_start=lambda start: print_start(progress, start, title=title, folder=folder),
        )
    return Run.read(folder)


def _score_title(cfg: ResolvedConfig) -> str:
    evaluator = cfg.val_evaluator
    key = "miou_pct" if "base" not in evaluator else "accuracy_pct" if evaluator.base is None else "harmonic_mean_pct"
    return mean_name(cfg.protocol.classes) if key == "miou_pct" else SCORES[key]


def check(
    cfg: ResolvedConfig,
    *,
    device: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
    start_from: RunLike | None = None,
    teacher: RunLike | None = None,
    progress: Progress = True,
) -> TrainingPlan | None:
    """Check everything that `train` needs: configuration, data, weights, device and folder. Train nothing.

    Synthetic scenes and tiles of your own images are prepared if they are not there yet.

    Args:
        cfg: See `train`.
        device: See `train`.
        resume: See `train`.
        overwrite: See `train`.
        start_from: See `train`.
        teacher: See `train`.
        progress: True shows it on standard error; or a callback (stage, done, total).

    Returns:
        What training would use; None in all processes of several but rank 0.

    Raises:
        RsAdaptError: Something is missing or does not fit; the message says what to do.

    Examples:
        >>> import rs_adapt as rsa
        >>> plan = rsa.check(rsa.compose("synthetic-dg"), device="cpu", progress=False)
        >>> plan.tiles["labelled"] > 0, plan.parameters["trainable"] > 0
        (True, True)
    """
    cfg = with_values_of_start(cfg) if resume else cfg
    require_inputs_of_training(cfg, resume=resume, overwrite=overwrite, start_from=start_from, teacher=teacher)
    initial = None if start_from is None else find_checkpoint(start_from, progress=progress)
    print_loading(progress)
    from rs_adapt.engine.train import check_training

    with progress_callback(progress) as on_progress:
        if task_of(cfg.bench).name == SUPER_RESOLUTION:
            from rs_adapt.engine.super_resolution import check_flow

            return check_flow(cfg, device=device, resume=resume, overwrite=overwrite, on_progress=on_progress)
        return check_training(
            cfg,
            device=device,
            resume=resume,
            overwrite=overwrite,
            start_from=initial,
            teacher=find_teacher(teacher, progress=progress),
            on_progress=on_progress,
        )
