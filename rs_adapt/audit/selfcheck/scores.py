"""Checks of scores: the headline against its matrices, the selections and the curve against `metrics.jsonl`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from rs_adapt.audit.selfcheck.outcome import Check, conclude, give_up
from rs_adapt.audit.selfcheck.subject import Subject
from rs_adapt.config.added_keys import absent_classes_in
from rs_adapt.config.resolved import ResolvedConfig
from rs_adapt.runs.records import EvaluationLine, IntervalFacts, TrainingLine
from rs_adapt.runs.selection import choose
from rs_adapt.scores.class_sets import ClassSet, class_set
from rs_adapt.scores.contradictions import find_contradictions
from rs_adapt.scores.current import same_means
from rs_adapt.scores.intervals import interval_facts
from rs_adapt.scores.resampling import drawn_sums, harmonic_mean, iou_of_sums, mean_iou, sums_of
from rs_adapt.scores.rounding import plain
from rs_adapt.scores.stored import absent_of
from rs_adapt.scores.units import units_of

if TYPE_CHECKING:
    from rs_adapt.runs.records.metrics import PanelScores
    from rs_adapt.scores.per_image import PerImage

# Percent; scores of a GPU and of a stored matrix are those of the same counts.
_POINTS = 0.01


def check_headline(subject: Subject) -> Iterator[Check]:
    """Recompute every score of `result.json`, and the interval, from the stored matrices."""
    result = subject.result
    contradictions = [*map(str, find_contradictions(result, subject.matrices)), *_compare_facts(subject)]
    file = _headline_file(subject)
    if file in subject.matrices:
        contradictions += _compare_interval(subject, subject.matrices[file])
    contradictions += [f"{file} cannot be read: {why}" for file, why in subject.no_matrices.items()]
    if not subject.matrices and not contradictions:
        scored = result.score_pct is not None
        reason = "result.json states a score without matrices" if scored else "the run was not scored: no matrices"
        yield from give_up("scores", reason)
        return
    yield from conclude("scores", contradictions, checked=f"recomputed from {len(subject.matrices)} files of matrices")


def check_selections(subject: Subject) -> Iterator[Check]:
    """Choose the checkpoints again from `metrics.jsonl`."""
    result = subject.result
    if not result.selections:
        yield from give_up("selections", "result.json has none, as in runs of older versions")
        return
    config = subject.config if subject.expected is None else subject.expected
    rule = absent_classes_in(config["protocol"])
    chosen_classes = class_set(list(config["bench"]["classes"]), chosen=config["protocol"]["classes"], absent=rule)
    choices = choose(same_means(subject.lines, chosen_classes), cfg=ResolvedConfig(config))
    contradictions = []
    for name, choice in choices.items():
        stated = result.selections.get(name)
        # Results of runs that began before there was a guard do not have it.
        if name == "guarded" and stated is None:
            continue
        if choice is None or stated is None:
            if (choice is None) != (stated is None):
                contradictions.append(
                    f"result.json has {_iter(stated)} as {name}, metrics.jsonl gives {_iter(choice)}."
                )
            continue
        same = _equal(stated.value, choice.value)
        if stated.iter != choice.iter or not same or (stated.by and stated.by != choice.by):
            contradictions.append(
                f"result.json has iteration {stated.iter} ({stated.by}, {stated.value}) as {name}, metrics.jsonl "
                f"gives {choice.iter} ({choice.by}, {choice.value})."
            )
        if stated.target_labels != choice.target_labels:
            contradictions.append(f"result.json states target_labels {stated.target_labels} of the selection {name}.")
    wanted = str(config["protocol"]["selection"])
    headline = wanted if choices.get(wanted) is not None else "last"
    if result.headline not in (None, headline):
        contradictions.append(f"result.json has the headline {result.headline}, the protocol gives {headline}.")
    chosen = choices.get(headline)
    if chosen is not None and result.iter not in (None, chosen.iter):
        contradictions.append(f"result.json is of iteration {result.iter}, metrics.jsonl gives {chosen.iter}.")
    yield from conclude("selections", contradictions, checked=f"{len(choices)} chosen again from metrics.jsonl")


def check_curve(subject: Subject) -> Iterator[Check]:
    """Recompute the means of the evaluations, and compare them with stored matrices of the same tiles."""
    config = subject.config if subject.expected is None else subject.expected
    evaluations = [line for line in subject.lines if isinstance(line, EvaluationLine)]
    if not evaluations:
        yield from conclude("curve", ["metrics.jsonl has no evaluation, but a run ends with one."], checked="")
        return
    classes = list(config["bench"]["classes"])
    scored = class_set(classes, chosen=config["protocol"]["classes"])
    contradictions: list[str] = []
    for line in evaluations:
        contradictions += _compare_mean(line, scored, f"iteration {line.iter}")
        if line.source_val is not None:
            contradictions += _compare_mean(line.source_val, scored.on_source(), f"iteration {line.iter}, source_val")
    last = evaluations[-1]
    is_miou = subject.result.score_key == "miou_pct"
    key = "last_val_miou_pct" if is_miou else "last_val_score_pct"
    if not _equal(getattr(subject.result, key), last.score_pct):
        contradictions.append(
            f"result.json states {key} {getattr(subject.result, key)}, metrics.jsonl ends with {last.score_pct}."
        )
    compared = 0
    if _scores_validation_tiles(config):
        by_iteration = {per_image.facts.get("iter"): per_image for per_image in subject.matrices.values()}
        for line in evaluations:
            if (per_image := by_iteration.get(line.iter)) is not None:
                compared += 1
                contradictions += _compare_line(line, per_image)
    yield from conclude(
        "curve",
        contradictions,
        checked=f"{_recomputed(evaluations)} of {len(evaluations)} evaluations"
        + (f", {compared} of them against matrices" if compared else "; no matrices of validation tiles are stored"),
    )


def _recomputed(evaluations: Sequence[EvaluationLine]) -> str:
    if any(line.iou_pct for line in evaluations):
        return "means"
    if any(line.base_pct is not None for line in evaluations):
        return "harmonic means"
    # The accuracies of classes do not give that of all images.
    return "the last"


def check_losses(subject: Subject) -> Iterator[Check]:
    """Add up the parts of every loss, and take the median of the times again."""
    lines = [line for line in subject.lines if isinstance(line, TrainingLine)]
    contradictions = [f"metrics.jsonl: {subject.damage}."] if subject.damage else []
    for line in lines:
        parts = [value for name, value in line.parts.items() if "loss" in name]
        if line.loss is not None and parts and not math.isclose(line.loss, sum(parts), rel_tol=1e-3, abs_tol=1e-4):
            contradictions.append(
                f"metrics.jsonl, iteration {line.iter}: the loss is {line.loss:.6g}, its parts add up to "
                f"{sum(parts):.6g}."
            )
    steps_s = sorted(line.iter_s for line in lines if line.iter_s is not None)
    median_s = steps_s[len(steps_s) // 2] if steps_s else None
    # Results of super-resolution do not state it.
    states_time = not subject.is_super_resolution or subject.result.iter_s_median is not None
    if states_time and not _equal(subject.result.iter_s_median, median_s, tolerance=1e-9):
        contradictions.append(
            f"result.json states {subject.result.iter_s_median} s an iteration, metrics.jsonl gives {median_s}."
        )
    yield from conclude("losses", contradictions, checked=f"sums of {len(lines)} training lines, median time")


def _headline_file(subject: Subject) -> str | None:
    selected = subject.result.selections.get(subject.result.headline or "")
    return None if selected is None else selected.confusions


def _compare_facts(subject: Subject) -> Iterator[str]:
    """Compare what the files of matrices state about themselves with the run."""
    result = subject.result
    for name, checkpoint in result.selections.items():
        per_image = subject.matrices.get(checkpoint.confusions or "") if checkpoint is not None else None
        if per_image is None or checkpoint is None:
            continue
        label = f"{result.protocol.name}-{result.protocol.version}"
        for key, value in (
            ("iter", checkpoint.iter),
            ("split", result.protocol.report_split),
            ("weights", result.protocol.weights),
            ("protocol", label if result.protocol.name else None),
        ):
            if None not in (stated := per_image.facts.get(key), value) and stated != value:
                yield f"{checkpoint.confusions} is of {key} {stated}, but result.json states {value} for {name}."


def _compare_interval(subject: Subject, per_image: PerImage) -> Iterator[str]:
    stated = subject.result.interval
    if stated is None:
        return
    classes = subject.result.protocol.classes or "all"
    chosen = class_set(
        per_image.classes,
        chosen=classes if isinstance(classes, str) else ",".join(classes),
        absent=absent_of(subject.result.protocol),
        measure=per_image.measure,
    )
    recomputed = interval_facts(per_image, chosen)
    how = ("level", "unit", "units", "resamples", "seed")
    if any(getattr(stated, key) != getattr(recomputed, key) for key in how):
        return
    if stated.form == "percentile":
        recomputed = _take_percentiles(recomputed, per_image, chosen)
    for key in ("low", "high"):
        if not _equal(getattr(stated, key), getattr(recomputed, key)):
            yield (
                f"result.json states {getattr(stated, key)} as interval.{key}, its matrices give "
                f"{getattr(recomputed, key)}."
            )


def _take_percentiles(facts: IntervalFacts, per_image: PerImage, chosen: ClassSet) -> IntervalFacts:
    """Return the interval of version 0.1.0: percentiles, where a class that a resample lacks counts 0 if predicted."""
    sums_U3K = sums_of(units_of(per_image).counts_UKK)
    sums_U3K = sums_U3K[sums_U3K[:, 1].any(axis=1)]
    if len(sums_U3K) < 2:
        return facts.model_copy(update={"low": None, "high": None})
    every_K = np.ones(len(chosen.classes), dtype=np.bool_)
    drawn = drawn_sums([sums_U3K], resamples=facts.resamples, seed=facts.seed)
    miou_R = np.concatenate([mean_iou(iou_of_sums(sums, every_K), chosen.mean) for (sums,) in drawn])
    low, high = np.nanquantile(miou_R, [(1 - facts.level) / 2, (1 + facts.level) / 2])
    return facts.model_copy(update={"low": plain(low), "high": plain(high)})


def _compare_mean(scores: EvaluationLine | PanelScores, scored: ClassSet, where: str) -> Iterator[str]:
    values = [scores.iou_pct.get(name) for name in scored.classes]
    iou_1K = np.array([[np.nan if value is None else value for value in values]], dtype=np.float64)
    mean = plain(float(mean_iou(iou_1K, scored.mean)[0]))
    if scores.iou_pct and not _equal(scores.miou_pct, mean):
        yield f"metrics.jsonl, {where}: mIoU is {scores.miou_pct}, the IoU by class gives {_round(mean)}."
    if isinstance(scores, EvaluationLine) and scores.base_pct is not None and scores.novel_pct is not None:
        both = float(harmonic_mean(np.array([scores.base_pct]), np.array([scores.novel_pct]))[0])
        if not _equal(scores.harmonic_mean_pct, both):
            yield (
                f"metrics.jsonl, {where}: the harmonic mean is {scores.harmonic_mean_pct}, base and novel accuracy "
                f"give {_round(both)}."
            )


def _compare_line(line: EvaluationLine, per_image: PerImage) -> Iterator[str]:
    total_KK = per_image.total_KK()
    hit_K = total_KK.diagonal()
    union_K = total_KK.sum(axis=0) + total_KK.sum(axis=1) - hit_K
    iou: Mapping[str, float | None] = {
        name: 100.0 * int(hit) / int(union) if union else None
        for name, hit, union in zip(per_image.classes, hit_K, union_K, strict=True)
    }
    for name, stated in line.iou_pct.items():
        # A class that is absent from the labels has no value, or 0.
        if stated is not None and not _equal(stated, iou.get(name)):
            yield (
                f"metrics.jsonl, iteration {line.iter}: the IoU of {name} is {_round(stated)}, the matrices of that "
                f"iteration give {_round(iou.get(name))}."
            )


def _scores_validation_tiles(config: Mapping[str, object]) -> bool:
    """Return whether the curve scores the very tiles that the result reports."""
    val, test = config.get("val_dataloader"), config.get("test_dataloader")
    region = config.get("val_cfg")
    of_target = isinstance(region, Mapping) and region.get("region") == "target"
    return of_target and isinstance(val, Mapping) and isinstance(test, Mapping) and val["dataset"] == test["dataset"]


def _iter(point: object) -> str:
    iteration = getattr(point, "iter", None)
    return "no checkpoint" if iteration is None else f"iteration {iteration}"


def _equal(stated: float | None, value: float | None, *, tolerance: float = _POINTS) -> bool:
    if stated is None or value is None:
        return stated is value
    return abs(stated - value) <= tolerance


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
