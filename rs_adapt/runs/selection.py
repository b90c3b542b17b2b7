"""The checkpoints that the selections choose: last, guarded, by source labels, by no labels, oracle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rs_adapt.config.class_means import HIOU, has_groups
from rs_adapt.config.wire_protocol import SELECTIONS, STATISTICS
from rs_adapt.runs.records import EvaluationLine, MetricsLine
from rs_adapt.runs.records.record import SCORES

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig

__all__ = [
    "GUARD_STATISTIC",
    "LARGER_IS_BETTER",
    "SELECTIONS",
    "Choice",
    "anchor_iteration",
    "choose",
    "label_free_name",
]

# Whether a larger value of a statistic is better.
LARGER_IS_BETTER = {statistic: statistic != "entropy" for statistic in STATISTICS}

# By what the guard compares a model before and after adaptation; docs/project/results-selection.md says why.
GUARD_STATISTIC = "discriminant_agreement"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A checkpoint chosen among those that were evaluated.

    `iter` is its iteration, `by` the criterion in words, `value` the value of the criterion (mIoU in percent, or a
    statistic from 0 to 1; None for the last checkpoint), and `target_labels` whether the criterion uses target labels.
    """

    iter: int
    by: str
    value: float | None
    target_labels: bool = False


def choose(lines: Sequence[MetricsLine], *, cfg: ResolvedConfig) -> dict[str, Choice | None]:
    """Choose a checkpoint by each of `SELECTIONS`.

    Among equal values the earliest wins, so that the weights saved during training are those chosen at the end.

    Args:
        lines: The lines of `metrics.jsonl`; training lines are ignored.
        cfg: The resolved configuration, which gives setting, names of the splits and label-free statistic.

    Returns:
        The chosen checkpoint by selection; None where the run lacks the scores for it. In the setting ss the labelled
        region is the target, so `best_source_val` is chosen on the target's validation tiles.
    """
    evaluations = [line for line in lines if isinstance(line, EvaluationLine)]
    if not evaluations:
        return dict.fromkeys(SELECTIONS)
    statistic = str(cfg.protocol.label_free)
    grouped = has_groups(cfg.protocol.classes)
    title = next((line.score_title for line in evaluations if line.score_pct is not None), SCORES["miou_pct"])
    target_val = f"{HIOU if grouped else title} on {cfg.bench.target.region} val"
    supervised = cfg.cell.setting == "ss"
    of_seen = " of seen classes" if grouped else ""
    source_val = target_val if supervised else f"{title}{of_seen} on {cfg.bench.source.region} val"
    by_target = _best(evaluations, _target_miou, by=target_val, target_labels=True)
    choices = (
        Choice(iter=max(line.iter for line in evaluations), by="the last iteration", value=None),
        _guarded(evaluations, cfg),
        _best(evaluations, _target_miou if supervised else _source_miou, by=source_val, target_labels=supervised),
        _best(
            evaluations,
            lambda line: (line.label_free or {}).get(statistic),
            by=f"{statistic} on images of {label_free_name(cfg)}, without labels",
            larger=LARGER_IS_BETTER[statistic],
        ),
        by_target,
    )
    return dict(zip(SELECTIONS, choices, strict=True))


def anchor_iteration(lines: Sequence[MetricsLine], *, cfg: ResolvedConfig) -> int | None:
    """Return the iteration of the anchor, the checkpoint to which the guard of an adaptation may return.

    It is the evaluation nearest to the end of the warm-up on the source alone (`strategy.warmup_iters`); of two equally
    near ones the earlier, which has seen less adaptation.

    Args:
        lines: The lines of `metrics.jsonl`; training lines are ignored.
        cfg: The resolved configuration.

    Returns:
        None for a training without a warm-up on the source alone, and before the first evaluation.
    """
    warmup_iters = cfg.model.get("warmup_iters", 0)
    iterations = [line.iter for line in lines if isinstance(line, EvaluationLine)]
    if not warmup_iters or not iterations:
        return None
    return min(iterations, key=lambda iteration: (abs(iteration - warmup_iters), iteration))


def _guarded(evaluations: Sequence[EvaluationLine], cfg: ResolvedConfig) -> Choice | None:
    """Return the last checkpoint, or the anchor if the statistic of the guard has fallen since then."""
    by_iteration = {line.iter: (line.label_free or {}).get(GUARD_STATISTIC) for line in evaluations}
    anchor, last = anchor_iteration(evaluations, cfg=cfg), max(by_iteration)
    if anchor is None or anchor == last:
        return None
    before, after = by_iteration[anchor], by_iteration[last]
    if before is None or after is None:
        return None
    if after < before:
        by = f"{GUARD_STATISTIC} without labels: it fell to {after:.4f}, so the model from before adaptation"
        return Choice(iter=anchor, by=by, value=before)
    by = f"{GUARD_STATISTIC} without labels: not below the {before:.4f} of iteration {anchor}"
    return Choice(iter=last, by=by, value=after)


def label_free_name(cfg: ResolvedConfig) -> str:
    """Return region and split of the images behind the label-free statistics, such as "south train"; or "none"."""
    loader = cfg.monitor.get("label_free")
    return "none" if loader is None else " ".join(loader.dataset.name.split("/")[-2:])


def _target_miou(line: EvaluationLine) -> float | None:
    return line.score_pct


def _source_miou(line: EvaluationLine) -> float | None:
    return None if line.source_val is None else line.source_val.miou_pct


def _best(
    lines: Sequence[EvaluationLine],
    value_of: Callable[[EvaluationLine], float | None],
    *,
    by: str,
    larger: bool = True,
    target_labels: bool = False,
) -> Choice | None:
    scored = [(value, line.iter) for line in lines if (value := value_of(line)) is not None]
    if not scored:
        return None
    value, iteration = max(scored, key=lambda pair: (pair[0] if larger else -pair[0], -pair[1]))
    return Choice(iter=iteration, by=by, value=float(value), target_labels=target_labels)
