"""Which checkpoint a run would have reported, by each way of choosing one: last, source labels, no labels, oracle."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Of each statistic: whether a larger one is better.
LARGER_IS_BETTER = {"info_max": True, "entropy": False, "agreement": True}


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A checkpoint chosen among those that were evaluated.

    `iter` is its iteration, `by` says in words what decided, `value` is the deciding number (mIoU in percent, or a
    statistic from 0 to 1; None for the last one), and `target_labels` whether labels of the target decided.
    """

    iter: int
    by: str
    value: float | None
    target_labels: bool = False


def choose(lines: Sequence[Mapping[str, Any]], *, cfg: Any) -> dict[str, Choice | None]:
    """Choose a checkpoint in four ways.

    Of equal ones the earliest is taken, so that what is kept while a run goes on is what its end will name.

    Args:
        lines: `metrics.jsonl`; lines without scores are passed over.
        cfg: the resolved configuration: setting, names of the splits, the label-free statistic.

    Returns:
        `last`, `best_source_val`, `best_label_free`, `oracle`; None where the run has nothing to choose by. In the
        setting ss the labelled region is the target, so its validation tiles are what `best_source_val` is chosen on.
    """
    evaluated = [line for line in lines if is_evaluation(line)]
    if not evaluated:
        return dict.fromkeys(("last", "best_source_val", "best_label_free", "oracle"))
    statistic = str(cfg.protocol.label_free)
    target_val = f"mIoU on {cfg.bench.target.region} val"
    supervised = cfg.cell.setting == "ss"
    source_val = target_val if supervised else f"mIoU on {cfg.bench.source.region} val"
    by_target = _best(evaluated, lambda line: line.get("miou_pct"), by=target_val, target_labels=True)
    return {
        "last": Choice(iter=max(line["iter"] for line in evaluated), by="the last iteration", value=None),
        "best_source_val": _best(
            evaluated,
            (lambda line: line.get("miou_pct"))
            if supervised
            else (lambda line: (line.get("source_val") or {}).get("miou_pct")),
            by=source_val,
            target_labels=supervised,
        ),
        "best_label_free": _best(
            evaluated,
            lambda line: (line.get("label_free") or {}).get(statistic),
            by=f"{statistic} on images of {label_free_name(cfg)}, without labels",
            larger=LARGER_IS_BETTER[statistic],
        ),
        "oracle": by_target,
    }


def is_evaluation(line: Mapping[str, Any]) -> bool:
    """Whether a line of `metrics.jsonl` tells an evaluation."""
    return "miou_pct" in line or "source_val" in line


def label_free_name(cfg: Any) -> str:
    """Region and split of the images that the label-free statistics are of, such as "south train"."""
    return " ".join(cfg.monitor.label_free.dataset.name.split("/")[-2:])


def _best(
    lines: Sequence[Mapping[str, Any]],
    value_of: Callable[[Mapping[str, Any]], float | None],
    *,
    by: str,
    larger: bool = True,
    target_labels: bool = False,
) -> Choice | None:
    known = [(value, line["iter"]) for line in lines if (value := value_of(line)) is not None]
    if not known:
        return None
    value, iteration = max(known, key=lambda pair: (pair[0] if larger else -pair[0], -pair[1]))
    return Choice(iter=iteration, by=by, value=float(value), target_labels=target_labels)
