"""`rs-adapt train` as one function: checks, run folder, training, final score, adapter pack."""

from __future__ import annotations

import copy
import signal
import time
import uuid
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from mmengine.hooks import Hook
from mmengine.logging import MessageHub

from rs_adapt.backbones.weights import read_weights_once
from rs_adapt.config.limits import check_warmup
from rs_adapt.engine.build import check_data, check_weights, choose_device, digest_again, prepare_data
from rs_adapt.engine.display import TrainingDisplay
from rs_adapt.engine.environment import environment
from rs_adapt.engine.failures import explain_failures, refuse_misfits
from rs_adapt.engine.final_scores import remove_intermediate_files, score_selections
from rs_adapt.engine.loggers import Loggers
from rs_adapt.engine.parameters import build_on_meta, count_parameters
from rs_adapt.engine.parts import segmentor_of, unwrapped
from rs_adapt.engine.recorder import Interrupted, Recorder
from rs_adapt.engine.results import make_manifest, make_result, manifest_scores, save_packs, tuned_values
from rs_adapt.engine.runner import CellRunner, keep_loaders_alive
from rs_adapt.engine.state import save_state
from rs_adapt.errors import NonFiniteLoss, StoppedElsewhere
from rs_adapt.processes import leave_process_group, local_batch_size, on_rank_zero, process_group, rank_and_world_size
from rs_adapt.progress import OnProgress, no_progress
from rs_adapt.registry import load_libraries, quiet_libraries
from rs_adapt.runs.data import NOT_RECORDED, changes_in_training, require_same_data
from rs_adapt.runs.files import LOG_FILE, RESULT_FILE, STATE_FILE
from rs_adapt.runs.folder import check_run_folder, lock_run_folder, open_run_folder
from rs_adapt.runs.hashes import write_hashes
from rs_adapt.runs.locking import inherited_locks
from rs_adapt.runs.metrics import read_metrics
from rs_adapt.runs.plan import TrainingPlan
from rs_adapt.runs.plugins import plugin_facts
from rs_adapt.runs.records import CellNames, Result, RunOptions, RunStart, data_facts, write_record
from rs_adapt.scores.class_sets import class_set
from rs_adapt.signals import STOP_SIGNALS, handle_signals

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig


def train(
    cfg: ResolvedConfig,
    *,
    device: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
    command: str = "",
    hooks: Sequence[Hook] = (),
    loggers: Sequence[str] = (),
    display: TrainingDisplay | None = None,
    on_progress: OnProgress = no_progress,
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
        command: Command line to store in `cell.json`.
        hooks: Further mmengine hooks.
        loggers: Names from `rs_adapt.engine.loggers.resolve_loggers`; rank 0 feeds the loggers.
        display: Shows the progress of training, on rank 0.
        on_progress: Called while data are prepared and checked; see `rs_adapt.progress`.

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

        def begin() -> RunStart:
            with refuse_misfits(cfg.origin.overrides):
                plan = _plan(cfg, resume=resume, overwrite=overwrite, on_progress=on_progress)
            start = _start(cfg, plan, device=device, command=command)
            lock.enter_context(lock_run_folder(run_dir))
            open_run_folder(
                run_dir, cfg_text=cfg.pretty_text, start=start, digests=plan.digests, resume=resume, overwrite=overwrite
            )
            return start

        inherited_locks()
        with ExitStack() as lock, process_group(on_gpu=torch.cuda.is_available()):
            first = rank_and_world_size()[0] == 0
            recorder = Recorder(
                resume=resume, loggers=Loggers(loggers if first else ()), display=display if first else None
            )
            try:
                with read_weights_once():
                    start = on_rank_zero(begin)
                    with refuse_misfits(cfg.origin.overrides):
                        runner = _build_runner(cfg, [recorder, *hooks])
                return _run(cfg, run_dir, runner, start=start, resume=resume, recorder=recorder)
            finally:
                recorder.display.close()
                recorder.loggers.close()


def check_training(
    cfg: ResolvedConfig,
    *,
    device: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
    on_progress: OnProgress = no_progress,
) -> TrainingPlan | None:
    """Do the checks of `train`; nothing is written except tiles that a bench prepares itself.

    Args:
        cfg: See `train`.
        device: See `train`.
        resume: See `train`.
        overwrite: See `train`.
        on_progress: See `train`.

    Returns:
        The tiles, parameters and folder that the run would use; None on ranks other than 0.

    Raises:
        RsAdaptError: Configuration, data, weights or device cannot be used; the message says why.
    """
    with quiet_libraries():
        choose_device(device)
        load_libraries(cfg.default_scope)
        with process_group(on_gpu=torch.cuda.is_available()):
            with refuse_misfits(cfg.origin.overrides):
                plan = on_rank_zero(lambda: _plan(cfg, resume=resume, overwrite=overwrite, on_progress=on_progress))
            return plan if rank_and_world_size()[0] == 0 else None


def _plan(cfg: ResolvedConfig, *, resume: bool, overwrite: bool, on_progress: OnProgress) -> TrainingPlan:
    folder = Path(cfg.work_dir)
    check_warmup(cfg)
    local_batch_size(cfg.train_dataloader.batch_size, rank_and_world_size()[1])
    check_run_folder(folder, cfg_text=cfg.pretty_text, resume=resume, overwrite=overwrite)
    # Checked here, because an unknown class would otherwise be reported only after the folder is made.
    class_set(list(cfg.bench.classes), chosen=cfg.protocol.classes)
    check_weights(cfg)
    prepare_data(cfg, on_progress)
    data = check_data(cfg, on_progress, is_resumed=resume)
    is_same = not resume or require_same_data(folder, data.digests)
    # Builds every part without memory, so that an argument that a class refuses leaves no run folder behind.
    parameters = count_parameters(build_on_meta(cfg))
    return TrainingPlan(
        tiles={role: len(digests) for role, digests in data.digests.items()},
        parameters=parameters,
        folder=folder,
        digests=data.digests,
        notes=(*data.notes, *(() if is_same else (NOT_RECORDED,))),
    )


def _start(cfg: ResolvedConfig, plan: TrainingPlan, *, device: str, command: str) -> RunStart:
    origin = cfg.origin
    return RunStart(
        cell=CellNames(**cfg.cell),
        tuned=tuned_values(cfg),
        plugins=plugin_facts(cfg.cell.method),
        options=RunOptions(
            overrides=origin.overrides, data_root=str(cfg.data_root), weights=origin.weights, device=device
        ),
        command=command,
        # The identifier lets loggers continue a resumed run.
        run_id=uuid.uuid4().hex,
        processes=rank_and_world_size()[1],
        environment=environment(),
        tiles=plan.tiles,
        # Of the tiles that a run of an older version began with, nothing is known.
        data={} if NOT_RECORDED in plan.notes else {role: data_facts(of) for role, of in plan.digests.items()},
        notes=plan.notes,
    )


def _build_runner(cfg: ResolvedConfig, hooks: Sequence[Hook]) -> CellRunner:
    settings = copy.deepcopy(cfg)
    # The configuration names a recorder for plain mmengine; this one has a display and loggers.
    settings.default_hooks.checkpoint = None
    processes = rank_and_world_size()[1]
    settings.train_dataloader.batch_size = local_batch_size(settings.train_dataloader.batch_size, processes)
    settings.launcher = "pytorch" if processes > 1 else "none"
    runner: CellRunner = CellRunner.from_cfg(settings)
    for hook in hooks:
        runner.register_hook(hook)
    return runner


def _run(
    cfg: ResolvedConfig, run_dir: Path, runner: CellRunner, *, start: RunStart, resume: bool, recorder: Recorder
) -> Result | None:
    rank = rank_and_world_size()[0]
    model, segmentor = unwrapped(runner.model), segmentor_of(runner.model)
    # The hash of the base as loaded, because method `full` changes it.
    base_sha256 = segmentor.backbone.base_sha256()
    started_s = time.perf_counter()
    done = 0

    def is_begun() -> bool:
        return bool(runner.iter > done)

    with _stop_on_signals(recorder), keep_loaders_alive(), explain_failures(run_dir):
        try:
            with refuse_misfits(cfg.origin.overrides, is_begun=is_begun):
                runner.train()
        except NonFiniteLoss as error:
            # Every process raises this error in the same iteration; rank 0 alone reports it.
            explanation = _save_and_explain(runner, recorder, run_dir, error)
            raise (StoppedElsewhere() if rank else explanation) from error
    train_s = time.perf_counter() - started_s
    # Final scores reuse the matrices of the validation; rank 0 scores the rest.
    leave_process_group()
    if rank:
        return None
    notes = (*start.notes, *changes_in_training(run_dir, start.data, digest_again(cfg)))
    start = start.model_copy(update={"notes": notes})
    with explain_failures(run_dir), refuse_misfits(cfg.origin.overrides):
        try:
            selections = score_selections(cfg, run_dir, segmentor)
        except KeyboardInterrupt as stop:
            # The state after the last iteration is on disk, and so are the weights that are scored.
            raise Interrupted(cfg.train_cfg.max_iters) from stop
    result = make_result(
        cfg,
        start=start,
        selections=selections,
        lines=read_metrics(run_dir),
        parameters=count_parameters(model),
        train_s=None if resume else train_s,
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
    )
    save_packs(run_dir, segmentor, manifest, result)
    write_hashes(run_dir, result)
    write_record(run_dir / RESULT_FILE, result)
    # Pack and result are complete. The state is removed first: while it exists, the run can be resumed, and would need
    # the intermediate files.
    (run_dir / STATE_FILE).unlink(missing_ok=True)
    remove_intermediate_files(run_dir, selections)
    return result


def _save_and_explain(runner: CellRunner, recorder: Recorder, run_dir: Path, error: NonFiniteLoss) -> NonFiniteLoss:
    done = runner.iter
    save_state(run_dir / STATE_FILE, runner=runner, metrics=recorder.metrics, iteration=done, may_be_broken=True)
    parts = {
        name.removeprefix("train/"): buffer.current()
        for name, buffer in MessageHub.get_current_instance().log_scalars.items()
        if name.startswith("train/") and "loss" in name
    }
    last = ", ".join(f"{name} {value:.4g}" for name, value in list(parts.items())[:6]) or "none"
    in_fp32 = "" if runner.optim_wrapper.precision == "fp32" else " or --precision fp32"
    return NonFiniteLoss(
        f"In iteration {done + 1}, {error}. The weights before it are saved in {run_dir / STATE_FILE}; the losses of "
        f"the iteration before were: {last}. The log is {run_dir / LOG_FILE}. Try a lower learning rate "
        f"(--set optim.lr=...){in_fp32}."
    )


def _stop_on_signals(recorder: Recorder) -> AbstractContextManager[None]:
    """Stop after the iteration at Ctrl-C, SIGTERM, SIGHUP or SIGUSR1 (Slurm's warning), at once at a second Ctrl-C."""

    def handle(number: int, _frame: object) -> None:
        if recorder.stop_requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        recorder.request_stop()

    return handle_signals((*STOP_SIGNALS, signal.SIGUSR1), handle)


__all__ = ["Interrupted", "check_training", "train"]
