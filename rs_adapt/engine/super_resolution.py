"""Training and scoring of super-resolution: the engine's runner, recorder and run folder, with scores of images."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from safetensors import SafetensorError
from safetensors.torch import load_file

from rs_adapt.datasets.prepare_flow import digest_flow
from rs_adapt.engine.build import choose_device, prepare_data
from rs_adapt.engine.display import TrainingDisplay
from rs_adapt.engine.failures import explain_failures
from rs_adapt.engine.flow_loop import score_images
from rs_adapt.engine.flow_results import make_flow_manifest, make_flow_result
from rs_adapt.engine.loaders import training_loaders
from rs_adapt.engine.loggers import Loggers
from rs_adapt.engine.pack import write_manifest, write_tensors
from rs_adapt.engine.planning import start_facts
from rs_adapt.engine.recorder import Recorder, stop_on_signals
from rs_adapt.engine.runner import CellRunner, keep_loaders_alive
from rs_adapt.engine.state import load_trained_tensors
from rs_adapt.errors import CheckpointMismatch, ConfigError
from rs_adapt.processes import rank_and_world_size
from rs_adapt.progress import OnProgress, no_progress
from rs_adapt.registry import MODELS, load_libraries, quiet_libraries
from rs_adapt.runs.files import IMAGES_FILE, RESULT_FILE, STATE_FILE, TENSORS_FILE
from rs_adapt.runs.folder import check_run_folder, lock_run_folder, open_run_folder
from rs_adapt.runs.hashes import write_hashes
from rs_adapt.runs.locking import inherited_locks
from rs_adapt.runs.plan import TrainingPlan
from rs_adapt.runs.records import Result, RunStart, TileDigests, data_facts
from rs_adapt.runs.records.record import write_record
from rs_adapt.turbulence.image_scores import ImageScores
from rs_adapt.turbulence.storage import SPLITS, Split

if TYPE_CHECKING:
    from torch import nn

    from rs_adapt.config.resolved import ResolvedConfig


def plan_flow(
    cfg: ResolvedConfig, *, resume: bool, overwrite: bool, on_progress: OnProgress = no_progress
) -> TrainingPlan:
    """Do all checks of a training of super-resolution, make its images, and return what it would use.

    Raises:
        ConfigError, DataNotFound, DataError, OutputExists, CheckpointMismatch: The message says what to do.
    """
    folder, images = Path(cfg.work_dir), Path(cfg.prepared_dir)
    if rank_and_world_size()[1] > 1:
        raise ConfigError("Super-resolution trains in one process. Leave --processes out.")
    check_run_folder(folder, cfg_text=cfg.pretty_text, resume=resume, overwrite=overwrite)
    prepare_data(cfg, on_progress)
    digests = {
        split: digest_flow(images, split, num_snapshots=cfg.bench.train_snapshots if split == "train" else None)
        for split in SPLITS
    }
    for split in ("train_dataloader", "test_dataloader"):
        # Opens every file of the split, and refuses images that the factor does not divide.
        dataset = _build_dataset(cfg[split].dataset)
        dataset[0]
    return TrainingPlan(
        tiles={split: len(of) for split, of in digests.items() if of},
        parameters=_count(_build_model(cfg)),
        folder=folder,
        digests={split: of for split, of in digests.items() if of},
        notes=_describe_shared(digests),
        initialised_from=None,
        teacher=None,
    )


def check_flow(
    cfg: ResolvedConfig,
    *,
    device: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
    on_progress: OnProgress = no_progress,
) -> TrainingPlan:
    """Do the checks of `train_flow`; nothing is written except the images of the bench."""
    with quiet_libraries():
        choose_device(device)
        load_libraries(cfg.default_scope)
        return plan_flow(cfg, resume=resume, overwrite=overwrite, on_progress=on_progress)


def train_flow(
    cfg: ResolvedConfig,
    *,
    device: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
    command: str = "",
    loggers: Sequence[str] = (),
    hooks: Sequence[Hook] = (),
    display: TrainingDisplay | None = None,
    on_progress: OnProgress = no_progress,
    on_start: Callable[[RunStart], object] = lambda start: None,
) -> Result:
    """Train a network of super-resolution, score it on the test snapshots, and write its run folder.

    A method without parameters is scored alone. The arguments are those of `rs_adapt.engine.train.train`.

    Raises:
        Interrupted: A signal requested a stop; the state is saved.
        RsAdaptError: Configuration, data or device cannot be used, or the run failed; the message says why.
    """
    run_dir = Path(cfg.work_dir)
    with quiet_libraries():
        choose_device(device)
        load_libraries(cfg.default_scope)
        plan = plan_flow(cfg, resume=resume, overwrite=overwrite, on_progress=on_progress)
        start = start_facts(cfg, plan, device=device, command=command)
        recorder = Recorder(loggers=Loggers(loggers), display=display)
        inherited_locks()
        with ExitStack() as stack:
            stack.callback(recorder.loggers.close)
            stack.callback(recorder.display.close)
            stack.enter_context(lock_run_folder(run_dir))
            recorder.resume = open_run_folder(
                run_dir,
                cfg_text=cfg.pretty_text,
                start=start,
                digests=plan.digests,
                resume=resume,
                overwrite=overwrite,
            )
            on_start(start)
            with explain_failures(run_dir):
                model, train_s = _fit(cfg, recorder, hooks)
                write_tensors(run_dir, model)
                write_manifest(run_dir, make_flow_manifest(cfg, start))
                scores = score_split(cfg, model, "test", plan.digests["test"], on_progress)
                result = make_flow_result(cfg, start, plan, scores, train_s=None if recorder.resume else train_s)
                write_record(run_dir / IMAGES_FILE, scores)
                write_hashes(run_dir, result)
                write_record(run_dir / RESULT_FILE, result)
            (run_dir / STATE_FILE).unlink(missing_ok=True)
    return result


def evaluate_flow(
    cfg: ResolvedConfig, run_dir: Path, split: str, *, device: str = "auto", on_progress: OnProgress = no_progress
) -> ImageScores:
    """Score the weights of a finished run on a split again.

    Raises:
        CheckpointMismatch: The weights are missing, damaged or of a different network.
        DataNotFound, DataError: The images are missing or damaged.
    """
    with quiet_libraries():
        choose_device(device)
        load_libraries(cfg.default_scope)
        images = Path(cfg.prepared_dir)
        prepare_data(cfg, on_progress)
        model = _build_model(cfg)
        path = run_dir / TENSORS_FILE
        try:
            tensors = load_file(path)
        except (OSError, SafetensorError) as error:
            raise CheckpointMismatch(f"{path} cannot be read ({error}). Train the run again.") from error
        load_trained_tensors(model, tensors, str(path))
        return score_split(cfg, _on_device(model), split, digest_flow(images, split), on_progress)  # type: ignore[arg-type]


def score_split(
    cfg: ResolvedConfig, model: nn.Module, split: str, digests: TileDigests, on_progress: OnProgress
) -> ImageScores:
    """Return the scores of all images of a split."""
    settings = copy.deepcopy(cfg.test_dataloader)
    settings.dataset.split = split
    loader = Runner.build_dataloader(settings.to_dict(), seed=cfg.randomness.seed)
    images = score_images(
        model, loader, cfg.val_evaluator.to_dict(), precision=cfg.runtime.precision, on_progress=on_progress
    )
    return ImageScores(
        bench=cfg.bench.name,
        split=split,
        scale=cfg.bench.scale,
        degradation=cfg.bench.degradation,
        data_sha256=data_facts(digests).sha256,
        iter=cfg.train_cfg.max_iters,
        images=images,
    )


def _describe_shared(digests: Mapping[Split, TileDigests]) -> tuple[str, ...]:
    """Return a sentence on test files that training reads too, under any name; lint compares single slices."""
    learnt = {digest for of_file in digests["train"].values() for digest in of_file}
    both = [name for name, of_file in digests["test"].items() if learnt & set(of_file)]
    if not both:
        return ()
    return (
        f"{len(both)} of {len(digests['test'])} test snapshots are in training too, first {both[0]}: the scores are "
        "too high.",
    )


def _fit(cfg: ResolvedConfig, recorder: Recorder, hooks: Sequence[Hook]) -> tuple[nn.Module, float]:
    """Train, and return the model on its device and the seconds that it took."""
    started_s = time.perf_counter()
    model = _build_model(cfg)
    if not any(True for _ in model.parameters()):
        return _on_device(model), 0.0
    settings = copy.deepcopy(cfg)
    settings.default_hooks.checkpoint = None
    settings.custom_hooks = []
    settings.launcher = "none"
    # Without a protocol, the recorder selects no checkpoint: the last weights are the result.
    settings.pop("protocol")
    for key in ("test_dataloader", "test_evaluator", "test_cfg"):
        settings[key] = None
    if not digest_flow(Path(cfg.prepared_dir), "val"):
        for key in ("val_dataloader", "val_evaluator", "val_cfg"):
            settings[key] = None
    runner: CellRunner = CellRunner.from_cfg(settings)
    for hook in (recorder, *hooks):
        runner.register_hook(hook)
    with stop_on_signals(recorder), keep_loaders_alive(), training_loaders():
        runner.train()
    return runner.model, time.perf_counter() - started_s


def _build_model(cfg: ResolvedConfig) -> nn.Module:
    # The start is a function of the seed alone, however the model is built.
    torch.manual_seed(cfg.randomness.seed)
    model: nn.Module = MODELS.build(copy.deepcopy(cfg.model))
    return model


def _build_dataset(settings: Any) -> Any:
    from rs_adapt.registry import DATASETS

    return DATASETS.build(settings.to_dict())


def _on_device(model: nn.Module) -> nn.Module:
    from mmengine.device import get_device

    return model.to(get_device())


def _count(model: nn.Module) -> Mapping[str, int]:
    total = sum(parameter.numel() for parameter in model.parameters())
    return {"trainable": total, "total": total}
