"""Evaluation and the trained model."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from rs_adapt.api.checkpoints import find_checkpoint
from rs_adapt.api.evaluation import Evaluation
from rs_adapt.api.flow import evaluate_images, is_super_resolution
from rs_adapt.api.presence import require_checkpoint
from rs_adapt.api.progress import Progress, print_loading, progress_callback
from rs_adapt.api.reading import RunLike
from rs_adapt.config.cell import resolve
from rs_adapt.config.execution import Tta, check_tta
from rs_adapt.config.own.bench import find, is_own, without_folders
from rs_adapt.config.tasks import SUPER_RESOLUTION, TASKS
from rs_adapt.errors import ConfigError
from rs_adapt.links import place_inside
from rs_adapt.path_names import path_name
from rs_adapt.plugins import use_plugins
from rs_adapt.runs.clearing import refuse_output_in_run
from rs_adapt.runs.evaluations import choose_folder, list_evaluations
from rs_adapt.runs.files import EVAL_DIR
from rs_adapt.runs.hub_packs import results_folder
from rs_adapt.runs.locking import lock_output, share_run
from rs_adapt.runs.packs import pack_folder
from rs_adapt.scores.agreement import compare_with_stored
from rs_adapt.threads import wait_passively

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rs_adapt.engine.build import Split
    from rs_adapt.inference.predictor import Predictor
    from rs_adapt.runs.evaluations import Conditions


def evaluate(
    run: RunLike,
    *,
    split: Split = "test",
    bench: str | None = None,
    setting: str | None = None,
    direction: str | None = None,
    out: str | os.PathLike[str] | None = None,
    overlays: int = 0,
    tta: Tta | None = None,
    precision: str | None = None,
    device: str = "auto",
    data_root: str | os.PathLike[str] | None = None,
    weights: str | os.PathLike[str] | None = None,
    progress: Progress = True,
    plugins: Sequence[str | os.PathLike[str]] = (),
) -> Evaluation:
    """Score a trained model on a labelled split, and write scores, confusion matrices and overlays.

    Args:
        run: A run from `train`, a run folder, a folder with an adapter pack, or `hf:OWNER/NAME[@REVISION]`.
        split: Tiles of the target (`test`, `val`) or of the source (`source-val`).
        bench: Bench to score on, if not that of the run; see `resolve`.
        setting: See `resolve`; only with `bench`.
        direction: See `resolve`; only with `bench`.
        out: Folder to write to; `eval/<bench>-<split>` in the folder of the run, or for a pack on the Hub below
            `work_dirs/hub/OWNER/NAME`. An evaluation of other precision, views, device, version, tiles, weights or
            temperature is not replaced: by default this one gets a folder beside it, such as
            `eval/<bench>-<split>-bf16`.
        overlays: How many tiles to draw with truth and prediction, evenly spread over the split.
        tta: Views of each tile whose probabilities are averaged, as in `predict`: `flips`, `d4` or `scales`.
        precision: `fp32` or `bf16`; the run's.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        data_root: Folder of the data sets; the run's if it still exists, else `$RS_ADAPT_DATA`, else `./data`.
        weights: File of base weights; the run's, else the backbone's own file.
        progress: True shows it on standard error; or a callback (stage, done, total).
        plugins: See `compose`.

    Returns:
        `result` (scores in percent, by class and overall), `folder`, where the files are, and `agreement` with the
        scores that the run stored.

    Raises:
        CheckpointMismatch: There is no adapter pack, or it is damaged or does not fit.
        ConfigError: A name cannot be used, or the split has no labels.
        OutputExists: `out` is the folder of a run or holds an evaluation under other conditions, or a different process
            trains the run or writes into the folder.
        RsAdaptError: Data, weights or the device are missing.

    Examples:
        >>> import rs_adapt as rsa
        >>> scored = rsa.evaluate("work_dirs/first", split="source-val", device="cpu", progress=False)
        >>> sorted(file.name for file in scored.folder.iterdir())
        ['confusion.csv', 'confusion.png', 'confusions.npz', 'result.json']
    """
    if direction and not bench:
        raise ConfigError(f"The direction {direction} needs a bench too, such as --bench loveda-da --direction u2r.")
    check_tta(tta)
    path = find_checkpoint(run, progress=progress)
    own_file = find(bench) if bench and is_own(bench) else None
    if own_file is not None:
        # The model has been trained: no setting is needed, nor the scenes of the region that is not scored.
        bench, setting = without_folders(own_file), setting or "dg"
    use_plugins(map(Path, plugins))
    bench_file = resolve(bench, setting=setting, direction=direction).bench if bench else None
    # Velocity images of a different bench would be of a different kind.
    tasks = [task for task in TASKS if bench is None or task != SUPER_RESOLUTION]
    require_checkpoint(path, weights=weights, data_root=data_root, bench=bench_file, tasks=tasks)
    folder = Path() if out is None else Path(out).expanduser()
    if out is not None:
        refuse_output_in_run(folder, may_hold_runs=True)
    wait_passively()
    print_loading(progress)
    from rs_adapt.inference.checkpoint import recompose
    from rs_adapt.inference.evaluation import score_checkpoint

    cfg = recompose(
        path,
        bench=bench_file,
        data_root=None if data_root is None else str(data_root),
        weights=None if weights is None else str(weights),
        precision=precision,
    )
    cfg.cell.bench = own_file or cfg.cell.bench
    checkpoint = pack_folder(path)
    if is_super_resolution(cfg.cell):
        if tta is not None or overlays:
            raise ConfigError("--tta and --overlays are for segmentation. Leave them out for super-resolution.")
        with progress_callback(progress) as on_progress:
            place, scored = evaluate_images(
                cfg,
                checkpoint,
                split=split,
                out=None if out is None else folder,
                device=device,
                on_progress=on_progress,
            )
        title = f"{cfg.bench.name} ({split}) / {cfg.cell.method} / {cfg.cell.backbone}".replace("_", "-")
        return Evaluation(name=title, folder=place, result=scored)
    path_name(str(cfg.bench.name), what="bench.name")
    results = results_folder(checkpoint)
    place_inside(results, EVAL_DIR)
    with progress_callback(progress) as on_progress, ExitStack() as stack:
        stack.enter_context(share_run(checkpoint))

        def choose(conditions: Conditions) -> Path:
            nonlocal folder
            folder = choose_folder(results, cfg.bench.name, conditions, tta=tta) if out is None else folder
            stack.enter_context(lock_output(folder))
            return folder

        result = score_checkpoint(
            cfg,
            checkpoint,
            split=split,
            out_dir=choose,
            overlays=overlays,
            tta=tta,
            device=device,
            on_progress=on_progress,
        )
    others = {place: other for place, other in list_evaluations(results) if place != folder}
    name = f"{cfg.bench.name} ({split}) / {cfg.cell.method} / {cfg.cell.backbone}"
    agreement = compare_with_stored(checkpoint, folder, result)
    return Evaluation(name=name.replace("_", "-"), folder=folder, result=result, agreement=agreement, others=others)


def load(
    run: RunLike,
    *,
    precision: str | None = None,
    weights: str | os.PathLike[str] | None = None,
    device: str = "auto",
    plugins: Sequence[str | os.PathLike[str]] = (),
) -> Predictor:
    """Return a trained model that predicts images of any size.

    Args:
        run: A run from `train`, a run folder, a folder with an adapter pack, or `hf:OWNER/NAME[@REVISION]`.
        precision: `fp32` or `bf16`; the run's.
        weights: File of base weights; the run's, else the backbone's own file.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        plugins: See `compose`.

    Returns:
        The predictor. `predictor.predict(image)` takes RGB, uint8 (H, W, 3), and returns a prediction with `labels_HW`,
        class indices, uint8 (H, W), and `probabilities_KHW`, float32 (K, H, W), 0 to 1. The network is
        `predictor.model`, in eval mode.

    Raises:
        CheckpointMismatch: There is no adapter pack, or it is damaged or does not fit.
        WeightsError: The base weights are missing or of a different model.
        DeviceUnavailable: The device is not on this machine.

    Examples:
        >>> import numpy as np
        >>> import rs_adapt as rsa
        >>> model = rsa.load("work_dirs/first", device="cpu")
        >>> image = np.zeros((128, 160, 3), dtype=np.uint8)
        >>> model.predict(image).labels_HW.shape
        (128, 160)
    """
    folder = find_checkpoint(run)
    require_checkpoint(folder, weights=weights)
    wait_passively()
    from rs_adapt.inference.checkpoint import recompose
    from rs_adapt.inference.predictor import Predictor

    use_plugins(map(Path, plugins))
    cfg = recompose(folder, weights=None if weights is None else str(weights), precision=precision)
    return Predictor.load(cfg, pack_folder(folder), device=device)
