"""The tables of a result: IoU and accuracy per class, their means, the protocol and the checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from rich import box
from rich.table import Table

from rs_adapt.config.class_means import HIOU
from rs_adapt.render.document import format_interval, format_score
from rs_adapt.runs.records import InferenceFacts, IntervalFacts, Result
from rs_adapt.scores.current import mean_line
from rs_adapt.scores.tuning import describe_tuned
from rs_adapt.scores.units import PLURAL


class ScoresByClass(Protocol):
    """Scores in percent, of a result or of a map; None where there is no value."""

    @property
    def iou_pct(self) -> Mapping[str, float | None]:
        """IoU by class."""

    @property
    def acc_pct(self) -> Mapping[str, float | None]:
        """Accuracy by class."""

    @property
    def miou_pct(self) -> float | None:
        """Mean of the IoU."""

    @property
    def score_title(self) -> str:
        """The name of that mean: mIoU, or hIoU."""

    @property
    def macc_pct(self) -> float | None:
        """Mean of the accuracies."""

    @property
    def aacc_pct(self) -> float | None:
        """Share of all pixels that are right."""


def accuracy_table(result: Result) -> Table:
    """Return the accuracy of each class in percent, with those of all images, of base and of novel classes below."""
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("class")
    table.add_column("accuracy %", justify="right")
    for name, accuracy in result.acc_pct.items():
        table.add_row(name, format_score(accuracy))
    table.add_section()
    rows = (
        ("base classes", "base_pct"),
        ("novel classes", "novel_pct"),
        ("harmonic mean", "harmonic_mean_pct"),
        ("accuracy (all images)", "accuracy_pct"),
    )
    for title, key in rows:
        if key in result.model_fields_set:
            style = "bold" if key == result.score_key else ""
            table.add_row(title, format_score(getattr(result, key)), style=style)
    return table


def result_table(result: ScoresByClass) -> Table:
    """Return IoU and accuracy of each class in percent, with mIoU, mAcc and aAcc below."""
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("class")
    table.add_column("IoU %", justify="right")
    table.add_column("Acc %", justify="right")
    for name, iou in result.iou_pct.items():
        table.add_row(name, format_score(iou), format_score(result.acc_pct[name]))
    table.add_section()
    means = (format_score(result.miou_pct), format_score(result.macc_pct))
    table.add_row(f"{result.score_title} / mAcc", *means, style="bold")
    table.add_row("aAcc (all pixels)", "", format_score(result.aacc_pct))
    return table


def protocol_line(result: Result) -> str:
    """Return a line of protocol, split, weights and classes of a result, and the interval of its mIoU."""
    protocol = result.protocol
    if protocol.report_split is None:
        if protocol.scored_by == "server":
            return (
                f"Protocol {protocol.name}-{protocol.version}: not scored here, because a server has the labels of "
                "the test images. `rs-adapt submit` writes the predictions for it."
            )
        return "Not scored: the target has no labels. `rs-adapt eval ... --split source-val` scores the source."
    name, version = protocol.name, protocol.version
    line = (
        f"Protocol {name}-{version}: scored on {protocol.report_split}, {protocol.selection} weights of the "
        f"{protocol.weights}, {mean_line(result)}{_in_precision(result)}."
    )
    if interval := result.interval:
        line += f" {_capital(result.score_title)} {format_score(result.score_pct)}{_interval(interval)}."
    return line


def groups_line(result: Result) -> str | None:
    """Return the mIoU of seen and of unseen classes, as a line; None for a result without an open vocabulary."""
    if (both := result.open_vocabulary) is None:
        return None
    parts = [
        f"{name} classes ({', '.join(group.classes)}) mIoU {format_score(group.miou_pct)}"
        + ("" if group.interval is None else _limits(group.interval))
        for name, group in (("seen", both.seen), ("unseen", both.unseen))
    ]
    return f"{parts[0][0].upper()}{parts[0][1:]}; {parts[1]}. {HIOU} is the harmonic mean of the two."


def tuned_line(result: Result) -> str | None:
    """Return the values tuned for the bench that a result stands on, as a line; None where there are none."""
    tuned = result.tuned
    return f"With values tuned for this bench: {describe_tuned(tuned)}." if tuned is not None and tuned.values else None


def conditions_line(result: Result) -> str:
    """Return score, tiles, precision, device and versions of an evaluation in one line."""
    facts = result.environment
    score = (
        "not scored"
        if result.score_pct is None
        else f"{result.score_title} {format_score(result.score_pct)} {result.score_unit}"
    )
    parts = [
        f"{score} on {result.cell.bench} {result.protocol.report_split}",
        f"precision {result.precision or 'not recorded'}",
        *([] if (views := views_of(result)) is None else [f"views {views}"]),
        facts.device or "device not recorded",
        f"rs-adapt {facts.rs_adapt or 'of unknown version'}",
        f"torch {facts.packages.get('torch', 'of unknown version')}",
    ]
    return ", ".join(parts)


def calibration_line(result: Result) -> str | None:
    """Return the calibration errors of a result, as a line; None where none was measured."""
    measured = [
        f"{each.ece_pct:.2f} % on {each.split} ({each.tiles} tile{'s' * (each.tiles != 1)}"
        + (")" if each.temperature == 1 else f", temperature {each.temperature:g})")
        for each in result.reliability.values()
    ]
    return f"Calibration error (ECE): {', '.join(measured)}." if measured else None


def selection_table(result: Result) -> Table | None:
    """Return the mIoU of the checkpoint that each selection chooses; None for a result without selections."""
    selections = result.selections
    if not selections:
        return None
    table = Table(box=box.SIMPLE, pad_edge=False)
    title = f"{result.score_title} {result.score_unit}"
    for column, justify in (("checkpoint", "left"), ("iteration", "right"), (title, "right"), ("chosen by", "left")):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    for name, checkpoint in selections.items():
        if checkpoint is None:
            table.add_row(name, "-", "-", "no values to select by")
            continue
        star = "*" if checkpoint.target_labels else ""
        value = _selection_value(checkpoint.value)
        style = "bold" if name == result.headline else ""
        score = format_score(checkpoint.score_pct)
        table.add_row(f"{name}{star}", str(checkpoint.iter), score, checkpoint.by + value, style=style)
    return table


def oracle_line(result: Result) -> str | None:
    """Return the difference between the oracle and the last weights in points, as a line; None without an oracle."""
    selections = result.selections
    oracle, last = selections.get("oracle"), selections.get("last")
    if not oracle or not last or oracle.score_pct is None or last.score_pct is None:
        return None
    gap = oracle.score_pct - last.score_pct
    return f"* chosen with target labels, so not a result of adaptation: {gap:+.2f} points against the last weights."


def guard_line(result: Result) -> str | None:
    """Return what the guard would have returned to, as a line; None where it agrees with the result or has no value."""
    last, guarded = result.selections.get("last"), result.selections.get("guarded")
    if not last or not guarded or guarded.iter == last.iter or result.headline == "guarded":
        return None
    return (
        f"The guard takes the last weights for worse than those of iteration {guarded.iter}, from before adaptation: "
        f"--set protocol.selection=guarded returns those. No label was read; `rs-adapt judge` shows both on images."
    )


def _capital(title: str) -> str:
    # Abbreviations such as mIoU stay as they are.
    return title.capitalize() if title.islower() else title


def _selection_value(value: float | None) -> str:
    # Values above 1 are percent.
    return "" if value is None else f": {format_score(value)}" if value > 1 else f": {value:.4f}"


def _interval(interval: IntervalFacts) -> str:
    """Return the interval of a score with its level, form and units, as it follows the score in a sentence."""
    over = f"over {interval.units} {PLURAL.get(interval.unit, interval.unit) if interval.units != 1 else interval.unit}"
    if interval.low is None or interval.high is None:
        return f", without an interval ({over})"
    rough = ", rough" if interval.rough else ""
    limits = format_interval(interval.low, interval.high)
    return f" {limits}, {100 * interval.level:.0f} % {interval.form} interval {over}{rough}"


def _limits(interval: IntervalFacts) -> str:
    if interval.low is None or interval.high is None:
        return ""
    return f" {format_interval(interval.low, interval.high)}"


def _in_precision(result: Result) -> str:
    """Return the views that were averaged, and the precision where it is not fp32, as the end of a sentence."""
    views = views_of(result)
    averaged = "" if views is None else f", averaged over views ({views})"
    return averaged if result.precision in (None, "fp32") else f"{averaged}, in {result.precision}"


def views_of(result: Result) -> str | None:
    """Return the views that were averaged; None for none."""
    inference = result.protocol.inference
    return inference.tta if isinstance(inference, InferenceFacts) else None
