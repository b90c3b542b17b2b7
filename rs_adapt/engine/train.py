"""`rs-adapt train` as one function: checks, run folder, training, final score, adapter pack."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from mmengine.hooks import Hook

from rs_adapt.backbones.weights import read_weights_once
from rs_adapt.config.execution import require_processes
from rs_adapt.config.segmentor import backbone_width
from rs_adapt.engine.build import build_model, choose_device, digest_again
from rs_adapt.engine.compiling import compiled_blocks
from rs_adapt.engine.display import TrainingDisplay
from rs_adapt.engine.failures import explain_failures, refuse_misfits, save_and_explain
from rs_adapt.engine.final_scores import remove_intermediate_files, score_selections
from rs_adapt.engine.image_start import start_from_images
from rs_adapt.engine.initial import load_initial_weights, read_initial_weights
from rs_adapt.engine.loaders import training_loaders
from rs_adapt.engine.loggers import Loggers
from rs_adapt.engine.optim import tf32_products
from rs_adapt.engine.parameters import count_parameters
from rs_adapt.engine.parts import segmentor_of, unwrapped
from rs_adapt.engine.planning import plan_training, start_facts
from rs_adapt.engine.recorder import Interrupted, Recorder, stop_on_signals
from rs_adapt.engine.results import make_manifest, make_result, manifest_scores, save_packs
from rs_adapt.engine.runner import CellRunner, build_runner, keep_loaders_alive
from rs_adapt.engine.sharding import shards_base
from rs_adapt.engine.teacher import Teacher, build_teacher
from rs_adapt.errors import NonFiniteLoss, StoppedElsewhere
from rs_adapt.processes import leave_process_group, on_rank_zero, process_group, rank_and_world_size
from rs_adapt.progress import OnProgress, no_progress
from rs_adapt.registry import load_libraries, quiet_libraries
from rs_adapt.runs.data import changes_in_training
from rs_adapt.runs.files import RESULT_FILE, STATE_FILE
from rs_adapt.runs.folder import awaits_finish, lock_run_folder, open_run_folder, recorded_threads
from rs_adapt.runs.hashes import write_hashes
from rs_adapt.runs.locking import inherited_locks
from rs_adapt.runs.metrics import read_metrics
from rs_adapt.runs.plan import TrainingPlan
from rs_adapt.runs.records import Result, RunStart, read_record, write_record
from rs_adapt.runs.resolvers import copy_resolver
from rs_adapt.threads import automatic_threads

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig


def train(
    cfg: ResolvedConfig,
    *,
    device: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
    start_from: Path | None = None,
    teacher: Teacher | None = None,
    command: str = "",
    hooks: Sequence[Hook] = (),
    loggers: Sequence[str] = (),
    display: TrainingDisplay | None = None,
    draw_pictures: Callable[[Result], object] = lambda result: None,
    on_progress: OnProgress = no_progress,
    on_start: Callable[[RunStart], object] = lambda start: None,
) -> Result | None:
    """Train a cell and score it.

    Faults of configuration, data, weights and device are found before the run folder is made. Where a launcher started
    several processes, each calls this function and trains on its share of the batch; rank 0 prepares the data, writes
    the files, and computes the final scores after the others have finished.

    Args:
        cfg: The resolved configuration; the run folder is its `work_dir`.
        device: "auto", "cpu", "cuda" or "cuda:N".
        resume: Continue from the state in the run folder.
        overwrite: Delete an existing run in the folder.
        start_from: A run folder or a pack whose weights the run starts from; None for new ones.
        teacher: The trained run that a student learns from, also where it is resumed; None for other strategies.
        command: Command line to store in `cell.json`.
        hooks: Further mmengine hooks.
        loggers: Names from `rs_adapt.engine.loggers.resolve_loggers`; rank 0 feeds the loggers.
        display: Shows the progress of training, on rank 0.
        draw_pictures: Draws the pictures of the run folder, on rank 0; the run is not finished before it has returned.
        on_progress: Called while data are checked and final scores computed; see `rs_adapt.progress`.
        on_start: Called on rank 0 when all checks have passed and the run folder is made.

    Returns:
        The content of `result.json`; None on ranks other than 0.

    Raises:
        Interrupted: A signal requested a stop; the state is saved.
        RsAdaptError: Configuration, data, weights or device cannot be used, or the run failed; the message says why.
    """
    run_dir = Path(cfg.work_dir)
    with quiet_libraries():
        choose_device(device)
        load_libraries(cfg.default_scope)

        def begin() -> tuple[RunStart, bool, bool]:
            require_processes(cfg.runtime.get("sharding"), rank_and_world_size()[1])
            plan = plan_training(
                cfg,
                resume=resume,
                overwrite=overwrite,
                start_from=start_from,
                teacher=teacher,
                on_progress=on_progress,
            )
            start = start_facts(cfg, plan, device=device, command=command)
            lock.enter_context(lock_run_folder(run_dir))
            text = cfg.pretty_text
            has_state = open_run_folder(
                run_dir, cfg_text=text, start=start, digests=plan.digests, resume=resume, overwrite=overwrite
            )
            if not has_state:
                copy_resolver(cfg)
            return start, has_state, has_state and awaits_finish(run_dir)

        inherited_locks()
        on_gpu = torch.cuda.is_available()
        threads = automatic_threads(
            width=backbone_width(cfg), on_gpu=on_gpu, recorded=recorded_threads(run_dir) if resume else None
        )
        with ExitStack() as lock, threads, tf32_products(cfg.runtime.tf32), process_group(on_gpu=on_gpu):
            first = rank_and_world_size()[0] == 0
            recorder = Recorder(loggers=Loggers(loggers if first else ()), display=display if first else None)
            try:
                with read_weights_once(), refuse_misfits(cfg.origin.overrides):
                    start, recorder.resume, is_scored = on_rank_zero(begin)
                    if not is_scored:
                        with explain_failures(run_dir):
                            channels = None if teacher is None else teacher.channels
                            runner = build_runner(cfg, [recorder, *hooks], teacher_channels=channels)
                            start_from_images(runner, is_new=start_from is None and not recorder.resume)
                        if teacher is not None:
                            unwrapped(runner.model).take_teacher(build_teacher(teacher))
                        if start_from is not None and not recorder.resume:
                            segmentor = segmentor_of(runner.model)
                            weights = read_initial_weights(start_from)
                            load_initial_weights(weights, segmentor, base_sha256=segmentor.backbone.base_sha256())
                if first:
                    on_start(start)
                result = (
                    read_record(run_dir / RESULT_FILE, Result)
                    if is_scored
                    else _run(cfg, run_dir, runner, start=start, recorder=recorder, on_progress=on_progress)
                )
                if not first or result is None:
                    return None
                with explain_failures(run_dir):
                    draw_pictures(result)
                    # Last, because a run with a state can be resumed, and it is the state that says so.
                    remove_intermediate_files(run_dir, result)
                    (run_dir / STATE_FILE).unlink(missing_ok=True)
                return result
            finally:
                recorder.display.close()
                recorder.loggers.close()


def check_training(
    cfg: ResolvedConfig,
    *,
    device: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
    start_from: Path | None = None,
    teacher: Teacher | None = None,
    on_progress: OnProgress = no_progress,
) -> TrainingPlan | None:
    """Do the checks of `train`; nothing is written except tiles that a bench prepares itself.

    Args:
        cfg: See `train`.
        device: See `train`.
        resume: See `train`.
        overwrite: See `train`.
        start_from: See `train`.
        teacher: See `train`.
        on_progress: See `train`.

    Returns:
        The tiles, parameters and folder that the run would use; None on ranks other than 0.

    Raises:
        RsAdaptError: Configuration, data, weights or device cannot be used; the message says why.
    """
    with quiet_libraries():
        choose_device(device)
        load_libraries(cfg.default_scope)
        with process_group(on_gpu=torch.cuda.is_available()), refuse_misfits(cfg.origin.overrides):
            plan = on_rank_zero(
                lambda: plan_training(
                    cfg,
                    resume=resume,
                    overwrite=overwrite,
                    start_from=start_from,
                    teacher=teacher,
                    on_progress=on_progress,
                )
            )
            return plan if rank_and_world_size()[0] == 0 else None


def _run(
    cfg: ResolvedConfig,
    run_dir: Path,
    runner: CellRunner,
    *,
    start: RunStart,
    recorder: Recorder,
    on_progress: OnProgress,
) -> Result | None:
    rank = rank_and_world_size()[0]
    model, segmentor = unwrapped(runner.model), segmentor_of(runner.model)
    # The hash of the base as loaded, because method `full` changes it.
    recorder.base_sha256 = base_sha256 = segmentor.backbone.base_sha256()
    started_s = time.perf_counter()
    with stop_on_signals(recorder), keep_loaders_alive(), explain_failures(run_dir), training_loaders():
        try:
            with (
                refuse_misfits(cfg.origin.overrides, is_begun=lambda: recorder.has_evaluated),
                compiled_blocks(cfg, runner.model) as recorder.compile_clock,
            ):
                runner.train()
        except NonFiniteLoss as error:
            # Every process raises this error in the same iteration; rank 0 alone reports it.
            explanation = save_and_explain(error, runner, recorder, run_dir)
            raise (StoppedElsewhere() if rank else explanation) from error
    train_s = time.perf_counter() - started_s
    # Final scores reuse the matrices of the validation; rank 0 scores the rest.
    leave_process_group()
    if rank:
        return None
    notes = (*start.notes, *changes_in_training(run_dir, start.data, digest_again(cfg)))
    start = start.model_copy(update={"notes": notes})
    with explain_failures(run_dir), refuse_misfits(cfg.origin.overrides):
        if shards_base(cfg):
            # The other processes have left with their shards. Trained tensors are read from the saved weights.
            segmentor = build_model(cfg)
        try:
            selections = score_selections(cfg, run_dir, segmentor, on_progress)
        except KeyboardInterrupt as stop:
            # The state after the last iteration is on disk, and so are the weights that are scored.
            raise Interrupted(cfg.train_cfg.max_iters) from stop
        result = make_result(
            cfg,
            start=start,
            selections=selections,
            lines=read_metrics(run_dir),
            parameters=count_parameters(model),
            train_s=None if recorder.resume else train_s,
        )
        manifest = make_manifest(
            cfg,
            cell=start.cell,
            overrides=start.options.overrides,
            scores=manifest_scores(result),
            created=str(result.finished),
            base_sha256=base_sha256,
            data=start.data,
            notes=start.notes,
            initialised_from=start.initialised_from,
            teacher=start.teacher,
            resolver=start.resolver,
        )
        save_packs(run_dir, segmentor, manifest, result)
        write_hashes(run_dir, result)
        write_record(run_dir / RESULT_FILE, result)
    return result


__all__ = ["Interrupted", "check_training", "train"]
