"""Keeps the weights that one of the four ways of choosing a checkpoint may name at the end, and no others."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook

from rs_adapt.engine.loops import evaluated_weights
from rs_adapt.engine.pack import write_tensors
from rs_adapt.engine.parts import segmentor_of
from rs_adapt.engine.per_image import per_image_of
from rs_adapt.registry import HOOKS
from rs_adapt.runs.files import PACKS_DIR
from rs_adapt.runs.metrics import evaluation_line, read_metrics
from rs_adapt.runs.selection import choose


def pack_dir(run_dir: Path, iteration: int) -> Path:
    """Folder of the weights after an iteration."""
    return run_dir / PACKS_DIR / f"iter{iteration}"


def val_confusions(run_dir: Path, iteration: int) -> Path:
    """File of the matrices of the target's validation tiles after an iteration, while the run goes on."""
    return pack_dir(run_dir, iteration) / "val.npz"


@HOOKS.register_module()
class SelectionHook(Hook):  # type: ignore[misc]
    """After each evaluation: write the weights and the target's matrices if they are chosen now, delete what is not.

    What is chosen follows from `metrics.jsonl` and the scores of this evaluation alone, so an interrupted run keeps
    what an uninterrupted one keeps.
    """

    # Before MetricsHook writes the line: a line without its weights would be a promise that nobody keeps.
    priority = "NORMAL"

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Keep the weights of this iteration if one of the choices falls on it."""
        if not is_main_process() or "protocol" not in runner.cfg:
            return
        run_dir, now = Path(runner.work_dir), runner.iter
        lines = [line for line in read_metrics(run_dir) if line["iter"] < now]
        chosen = choose([*lines, evaluation_line(now, metrics or {})], cfg=runner.cfg)
        kept = {choice.iter for choice in chosen.values() if choice is not None}
        if now in kept:
            folder = pack_dir(run_dir, now)
            folder.mkdir(parents=True, exist_ok=True)
            with evaluated_weights(runner.model, runner.cfg.protocol.weights):
                write_tensors(folder, segmentor_of(runner.model))
            if by_image := runner.val_loop.by_image:
                per_image_of(runner.cfg, by_image, split="val", iteration=now).save(val_confusions(run_dir, now))
        for folder in (run_dir / PACKS_DIR).glob("iter*"):
            if int(folder.name.removeprefix("iter")) not in kept:
                shutil.rmtree(folder)
