"""Weights on disk of the checkpoints that the selections choose or may return to, and of no others."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mmengine.dist import is_main_process

from rs_adapt.engine.loops import evaluated_weights
from rs_adapt.engine.pack import write_tensors
from rs_adapt.engine.parts import segmentor_of
from rs_adapt.engine.per_image import make_per_image, scored_classes
from rs_adapt.runs.files import PACKS_DIR
from rs_adapt.runs.metrics import evaluation_line, read_metrics
from rs_adapt.runs.selection import anchor_iteration, choose
from rs_adapt.scores.current import same_means

if TYPE_CHECKING:
    from mmengine.runner import Runner


def pack_dir(run_dir: Path, iteration: int) -> Path:
    """Return the folder of the weights after an iteration."""
    return run_dir / PACKS_DIR / f"iter{iteration}"


def val_confusions(run_dir: Path, iteration: int) -> Path:
    """Return the file of the target's validation matrices after an iteration; it exists until the run is finished."""
    return pack_dir(run_dir, iteration) / "val.npz"


def save_selected_weights(runner: Runner, scores: Mapping[str, float]) -> None:
    """Save weights and target matrices of this evaluation if it is selected, and delete those no longer selected.

    The selection follows from `metrics.jsonl` and the scores of this evaluation alone, so an interrupted run saves what
    an uninterrupted one saves. Without a protocol in the configuration nothing is selected.

    Args:
        runner: The runner, after an evaluation.
        scores: The scores of the evaluation.
    """
    if not is_main_process() or "protocol" not in runner.cfg:
        return
    run_dir, now = Path(runner.work_dir), runner.iter
    lines = [line for line in read_metrics(run_dir) if line.iter < now]
    evaluations = same_means([*lines, evaluation_line(now, scores)], scored_classes(runner.cfg))
    choices = choose(evaluations, cfg=runner.cfg)
    selected = {choice.iter for choice in choices.values() if choice is not None}
    # The guard decides at the last evaluation whether to return to its anchor.
    if now < runner.max_iters:
        selected.add(anchor_iteration(evaluations, cfg=runner.cfg) or now)
    if now in selected:
        folder = pack_dir(run_dir, now)
        folder.mkdir(parents=True, exist_ok=True)
        with evaluated_weights(runner.model, runner.cfg.protocol.weights):
            write_tensors(folder, segmentor_of(runner.model))
        if by_image := runner.val_loop.by_image:
            make_per_image(runner.cfg, by_image, split="val", iteration=now).save(val_confusions(run_dir, now))
    for folder in (run_dir / PACKS_DIR).glob("iter*"):
        if int(folder.name.removeprefix("iter")) not in selected:
            shutil.rmtree(folder)
