"""Stored results under the present rule for classes without true pixels. Loads no torch.

Version 0.1.0 took the mean over the classes that occur or are predicted, so that one wrong pixel of a class without
true pixels lowered it by the share of a whole class; its results state no rule. Their scores are computed again from
the stored matrices wherever they are read, so that no table mixes the two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypedDict, TypeVar

import numpy as np
from numpy.typing import NDArray

from rs_adapt.config.class_means import has_groups
from rs_adapt.config.facts import AbsentClasses
from rs_adapt.errors import RsAdaptError
from rs_adapt.runs.records import EvaluationLine, MetricsLine, Result, SelectedCheckpoint
from rs_adapt.runs.records.metrics import PanelScores
from rs_adapt.runs.run import Run
from rs_adapt.scores.class_sets import UNSTATED, ClassSet, class_set
from rs_adapt.scores.intervals import interval_facts
from rs_adapt.scores.per_image import PerImage
from rs_adapt.scores.resampling import mean_iou, miou_of
from rs_adapt.scores.rounding import plain
from rs_adapt.scores.stored import Stored, absent_of, classes_of

# Scores are stored with three digits.
_SAME = 0.0015


class _Means(TypedDict):
    miou_pct: float | None
    classes_in_mean: list[str]
    iou_pct: dict[str, float | None]


def mean_line(result: Result) -> str:
    """Return the classes in the means of a result in words, such as `5 of 6 classes (no true pixels: car)`."""
    if not result.iou_pct:
        if result.classes_in_mean and result.score_key != "miou_pct":
            return f"{len(result.classes_in_mean)} of {len(result.acc_pct)} classes"
        return "classes not stated"
    absent = result.protocol.absent_classes or UNSTATED
    return _class_set(result, absent).line_of_scores(result.iou_pct, result.acc_pct)


def classes_text(result: Result, chosen: ClassSet | None, iou_pct: Mapping[str, float | None], *, by_name: bool) -> str:
    """Return the classes in the mean of a score in words: their number, or their names where they were chosen.

    Args:
        result: The result of the run.
        chosen: The classes; None without matrices, where the result states them.
        iou_pct: IoU of the chosen classes; empty where nothing is scored.
        by_name: Whether somebody chose them now; a protocol that takes a part of the classes names them too.
    """
    if not iou_pct:
        return "not scored"
    if chosen.unseen if chosen is not None else has_groups(classes_of(result.protocol)):
        return mean_line(result) if chosen is None else chosen.line_of_scores(iou_pct)
    if not by_name and classes_of(result.protocol) == "all":
        return mean_line(result) if chosen is None else chosen.line_of_scores(iou_pct)
    absent = [name for name, value in iou_pct.items() if value is None]
    names = ", ".join(name for name in iou_pct if name not in absent)
    return f"{names} (no true pixels: {', '.join(absent)})" if absent else names


def current_run(run: Run) -> Run:
    """Return a run whose result and evaluations follow the present rule; see `current_result` and `same_means`."""
    result = run.result
    if result is None or result.protocol.absent_classes is not None:
        return run
    lines = same_means(run.metrics, _class_set(result, absent_of(result.protocol)))
    return replace(run, result=current_result(run.folder, result), metrics=tuple(lines))


def same_means(lines: Sequence[MetricsLine], chosen: ClassSet) -> list[MetricsLine]:
    """Return the lines of `metrics.jsonl` with means over the same classes in all evaluations.

    A run that an older version began has numbers for a class without true pixels where it was predicted. Every
    evaluation looks at the same tiles, so that a class without a number in one of them has no true pixels in any.

    Args:
        lines: The lines of one run.
        chosen: The classes in the mean; under mmsegmentation's rule nothing changes.
    """
    if chosen.absent != "left_out":
        return list(lines)
    evaluations = [line for line in lines if isinstance(line, EvaluationLine)]
    on_target = _absent(evaluations)
    on_source = _absent([line.source_val for line in evaluations if line.source_val is not None])
    same: list[MetricsLine] = []
    for line in lines:
        if isinstance(line, EvaluationLine):
            source = line.source_val and _without(line.source_val, on_source, chosen.on_source())
            line = _without(line, on_target, chosen)
            line = line if source is line.source_val else line.model_copy(update={"source_val": source})
        same.append(line)
    return same


def current_result(folder: Path, result: Result) -> Result:
    """Return a result of an older version under its protocol's present rule, with a note where the mIoU differs.

    Args:
        folder: The folder of the result.
        result: Content of its `result.json`; one that states its rule, or has no score, is returned as it is.

    Returns:
        IoU by class, mIoU, interval and selections as this version scores the stored matrices. Without matrices the
        mean is taken over the stored IoU, and a selection has no score where that mean differs from the stored one.
    """
    if result.protocol.absent_classes is not None or result.miou_pct is None:
        return result
    chosen = _class_set(result, absent_of(result.protocol))
    headline = result.selections.get(result.headline or "")
    stored = _matrices(folder, result.confusions if headline is None else headline.confusions, chosen)
    means = _means(result, chosen)
    same = means["iou_pct"] == result.iou_pct
    selections = {name: _checkpoint(folder, entry, chosen, same=same) for name, entry in result.selections.items()}
    changes = {
        "protocol": result.protocol.model_copy(update={"absent_classes": chosen.absent}),
        "interval": result.interval if stored is None else interval_facts(stored, chosen),
        "selections": selections,
        **means,
    }
    if stored is not None:
        total_KK = stored.total_KK()
        changes["miou_pct"] = plain(miou_of(total_KK[None], chosen.mean, chosen.absent)[0])
        changes["notes"] = [*result.notes, *_changed_mean(result.miou_pct, total_KK, chosen)]
    return result.model_copy(update=changes)


def changes_of(stored: Stored) -> list[str]:
    """Return a note where an older version took the mIoU of stored matrices over other classes; empty elsewhere."""
    result = stored.result
    if result is None or result.protocol.absent_classes is not None:
        return []
    checkpoint = result.selections.get(stored.selection or "")
    before = result.miou_pct if checkpoint is None else checkpoint.miou_pct
    chosen = class_set(stored.per_image.classes, chosen=stored.classes, absent=stored.absent)
    return _changed_mean(before, stored.per_image.total_KK(), chosen)


def _changed_mean(before: float | None, total_KK: NDArray[np.int64], chosen: ClassSet) -> list[str]:
    """Return a note where the stored mIoU is that of the older rule, and the present rule gives a different one."""
    then, now = (plain(miou_of(total_KK[None], chosen.mean, rule)[0]) for rule in (UNSTATED, chosen.absent))
    if before is None or then is None or now is None or abs(before - then) > _SAME or abs(then - now) <= _SAME:
        return []
    return [
        "The version that made this result counted a class without true pixels as IoU 0 once it was predicted: mIoU "
        f"{before:.2f} in result.json, {now:.2f} here as the mean over {chosen.line(total_KK)}."
    ]


def _absent(scores: Sequence[EvaluationLine | PanelScores]) -> frozenset[str]:
    """Return the classes that one of these scores over the same tiles has no IoU for."""
    return frozenset(name for one in scores for name, iou in one.iou_pct.items() if iou is None)


_Scores = TypeVar("_Scores", EvaluationLine, PanelScores)


def _without(scores: _Scores, absent: frozenset[str], chosen: ClassSet) -> _Scores:
    """Return scores without the IoU of these classes, and with the mean over the others."""
    if all(scores.iou_pct.get(name) is None for name in absent):
        return scores
    iou = {name: None if name in absent else value for name, value in scores.iou_pct.items()}
    values = [iou.get(name) for name in chosen.classes]
    iou_K = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return scores.model_copy(update={"iou_pct": iou, "miou_pct": plain(float(mean_iou(iou_K[None], chosen.mean)[0]))})


def _class_set(result: Result, absent: AbsentClasses) -> ClassSet:
    names = tuple(result.iou_pct)
    scored, words = result.protocol.classes_scored, classes_of(result.protocol)
    try:
        chosen = class_set(names, chosen=",".join(scored) if scored and not has_groups(words) else words)
    except RsAdaptError:
        chosen = ClassSet(classes=names, scored=tuple(range(len(names))))
    return replace(chosen, absent=absent)


def _means(result: Result, chosen: ClassSet) -> _Means:
    """Return IoU and mIoU from the stored scores by class; a class without accuracy has no true pixels."""
    iou = dict(result.iou_pct)
    if chosen.absent == "left_out":
        absent = {name for name, accuracy in result.acc_pct.items() if accuracy is None}
        iou = {name: None if name in absent else value for name, value in iou.items()}
    iou_K = np.array([np.nan if value is None else value for value in iou.values()], dtype=np.float64)
    miou = plain(float(mean_iou(iou_K[None], chosen.mean)[0]))
    # The mean of rounded numbers may differ in the last digit.
    same = [*iou.values()] == [*result.iou_pct.values()]
    return {
        "miou_pct": result.miou_pct if same else miou,
        "classes_in_mean": [chosen.classes[k] for k in chosen.scored if not np.isnan(iou_K[k])],
        "iou_pct": iou,
    }


def _checkpoint(
    folder: Path, entry: SelectedCheckpoint | None, chosen: ClassSet, *, same: bool
) -> SelectedCheckpoint | None:
    if entry is None or entry.miou_pct is None or chosen.absent == UNSTATED:
        return entry
    stored = _matrices(folder, entry.confusions, chosen)
    if stored is None:
        return entry if same else entry.model_copy(update={"miou_pct": None})
    total_KK: NDArray[np.int64] = stored.total_KK()
    return entry.model_copy(update={"miou_pct": plain(miou_of(total_KK[None], chosen.mean, chosen.absent)[0])})


def _matrices(folder: Path, file: str | None, chosen: ClassSet) -> PerImage | None:
    """Return stored matrices of these classes; None where there are none that can be read."""
    if file is None:
        return None
    try:
        stored = PerImage.load(folder / file)
    except RsAdaptError:
        return None
    return stored if stored.classes == chosen.classes else None
