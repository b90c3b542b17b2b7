"""Final scores of a run: those of each selected checkpoint on the split that the protocol reports."""

from __future__ import annotations

import math
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from rs_adapt.engine.build import build_loader
from rs_adapt.engine.evaluate import evaluate
from rs_adapt.engine.per_image import make_per_image, scored_classes
from rs_adapt.engine.reliability import count_sample, measure_reliability
from rs_adapt.engine.selected_weights import pack_dir, val_confusions
from rs_adapt.engine.state import load_trained_tensors
from rs_adapt.errors import CheckpointMismatch
from rs_adapt.metrics.reliability import ReliabilityCounter
from rs_adapt.progress import OnProgress, no_progress
from rs_adapt.runs.files import CELL_FILE, CONFUSIONS_DIR, PACKS_DIR, TENSORS_FILE
from rs_adapt.runs.metrics import read_metrics
from rs_adapt.runs.records import MeasuredReliability, Result, RunStart, SelectedCheckpoint, read_record
from rs_adapt.runs.selection import SELECTIONS, Choice, choose
from rs_adapt.scores.class_sets import ClassSet
from rs_adapt.scores.current import same_means
from rs_adapt.scores.per_image import PerImage
from rs_adapt.scores.rounding import plain

if TYPE_CHECKING:
    from mmengine.runner import Runner

    from rs_adapt.config.resolved import ResolvedConfig


@dataclass(frozen=True, kw_only=True)
class Selections:
    """The choices of a run by name, and the matrices of each chosen iteration on the reported split.

    `scores` is empty where nothing can be scored: the target has no labels, or a server holds them. `reliability` is
    that of the result's weights by split.
    """

    choices: dict[str, Choice | None]
    scores: dict[int, PerImage]
    headline: str
    reliability: dict[str, MeasuredReliability] = field(default_factory=dict)

    @property
    def iteration(self) -> int:
        """Iteration of the weights that are the result."""
        choice = self.choices[self.headline]
        assert choice is not None
        return choice.iter

    def records(self, classes: ClassSet) -> dict[str, SelectedCheckpoint | None]:
        """Return `selections` of `result.json`, with the mIoU of each checkpoint on the reported split.

        Args:
            classes: The classes in the mean IoU.
        """
        return {
            name: None if choice is None else self._record(choice, classes) for name, choice in self.choices.items()
        }

    def _record(self, choice: Choice, classes: ClassSet) -> SelectedCheckpoint:
        scored = self.scores.get(choice.iter)
        return SelectedCheckpoint(
            iter=choice.iter,
            by=choice.by,
            value=choice.value,
            target_labels=choice.target_labels,
            **{classes.measure.key: None if scored is None else _score_of(scored, classes)},
            pack="." if choice.iter == self.iteration else f"{PACKS_DIR}/iter{choice.iter}",
            confusions=None if scored is None else f"{CONFUSIONS_DIR}/iter{choice.iter}.npz",
        )


def _score_of(scored: PerImage, classes: ClassSet) -> float | None:
    return plain(classes.overall(scored.total_KK()[None])[0])


def score_selections(
    cfg: ResolvedConfig, run_dir: Path, segmentor: nn.Module, on_progress: OnProgress = no_progress
) -> Selections:
    """Score the chosen checkpoints of a trained run, and write `confusions/iterN.npz` for each.

    If the reported split is also the validation split, the matrices stored by validation are reused.

    Args:
        cfg: The resolved configuration.
        run_dir: The run folder, with the packs that `Recorder` saved.
        segmentor: A segmentor on the device; it is left with the weights of the result.
        on_progress: Called for each scored tile of a checkpoint.

    Raises:
        CheckpointMismatch: A saved pack is missing or damaged.
    """
    choices = choose(same_means(read_metrics(run_dir), scored_classes(cfg)), cfg=cfg)
    guarded = choices["guarded"]
    if guarded is not None and not pack_dir(run_dir, guarded.iter).is_dir():
        # A run that began before there was a guard has not saved the weights to return to.
        choices["guarded"] = None
    headline = str(cfg.protocol.selection)
    if choices[headline] is None:
        # The run lacks the scores that this selection needs, for example target labels: fall back to the last weights.
        headline = "last"
    iterations = sorted({choice.iter for choice in choices.values() if choice is not None})
    scores: dict[int, PerImage] = {}
    of_result = Selections(choices=choices, scores=scores, headline=headline).iteration
    of_test = ReliabilityCounter(ignore_index=cfg.bench.ignore_index)
    for iteration in iterations if cfg.test_dataloader is not None else []:
        counter = of_test if iteration == of_result else None
        scores[iteration] = _score(cfg, run_dir, segmentor, iteration, on_progress, counter=counter)
        scores[iteration].save(run_dir / CONFUSIONS_DIR / f"iter{iteration}.npz")
    _load(run_dir, segmentor, of_result)
    reliability = measure_reliability(cfg, segmentor, of_test=of_test, on_progress=on_progress)
    return Selections(choices=choices, scores=scores, headline=headline, reliability=reliability)


def remove_intermediate_files(run_dir: Path, result: Result) -> None:
    """Remove files that only final scoring needs: the second copy of the result's weights, and validation matrices.

    Args:
        run_dir: The run folder, with all other files.
        result: Content of `result.json`.
    """
    if result.iter is not None:
        shutil.rmtree(pack_dir(run_dir, result.iter), ignore_errors=True)
    for file in (run_dir / PACKS_DIR).glob("iter*/val.npz"):
        file.unlink()
    folder = run_dir / PACKS_DIR
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _score(
    cfg: ResolvedConfig,
    run_dir: Path,
    segmentor: nn.Module,
    iteration: int,
    on_progress: OnProgress,
    *,
    counter: ReliabilityCounter | None,
) -> PerImage:
    stored = val_confusions(run_dir, iteration)
    if _scores_validation(cfg) and stored.is_file():
        return PerImage.load(stored)
    _load(run_dir, segmentor, iteration)

    def on_sample(position: int, total: int, sample: Any) -> None:
        if counter is not None:
            count_sample(counter, sample, segmentor.decode_head.score_kind)  # type: ignore[union-attr, arg-type]
        on_progress(f"scoring iteration {iteration}", position + 1, total)

    by_image = evaluate(
        segmentor,
        build_loader(cfg, "test"),
        num_classes=len(cfg.bench.classes),
        ignore_index=cfg.bench.ignore_index,
        precision=cfg.runtime.precision,
        on_sample=on_sample,
    )
    return make_per_image(cfg, by_image, split="test", iteration=iteration)


def count_final_batches(runner: Runner) -> int:
    """Return how many batches are scored at most after the training of a runner, of one tile each."""
    cfg = runner.cfg
    start = read_record(Path(runner.work_dir) / CELL_FILE, RunStart)
    if start is None:
        return 0
    monitor = (cfg.get("monitor") or {}).get("source_val")
    source = 0 if monitor is None else min(monitor.dataset.spread or sys.maxsize, start.tiles.get("source_val", 0))
    if cfg.get("test_dataloader") is None:
        return source
    evaluations = math.ceil(runner.max_iters / runner.train_loop.val_interval)
    # Where matrices of validation are the scores, the tiles are predicted once more for the calibration.
    checkpoints = 1 if _scores_validation(cfg) else min(len(SELECTIONS), evaluations)
    return source + checkpoints * start.tiles.get("test", 0)


def _scores_validation(cfg: ResolvedConfig) -> bool:
    """Return whether the reported split is the validation split, whose matrices are stored."""
    is_same: bool = cfg.test_dataloader.dataset.to_dict() == cfg.val_dataloader.dataset.to_dict()
    return cfg.val_cfg.region == "target" and is_same


def _load(run_dir: Path, segmentor: nn.Module, iteration: int) -> None:
    path = pack_dir(run_dir, iteration) / TENSORS_FILE
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointMismatch(
            f"The weights of iteration {iteration} in {path} cannot be read ({error}). The final "
            "scores need them: train again with --overwrite."
        ) from error
    load_trained_tensors(segmentor, tensors, str(path))
