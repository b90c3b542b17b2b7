"""Tables and lines of `rs-adapt score` and `rs-adapt compare`, from their JSON."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table

from rs_adapt.render.document import format_score
from rs_adapt.scores.content import (
    ComparisonContent,
    DifferenceContent,
    Draws,
    Ends,
    GroupScore,
    ImageScore,
    ScoreContent,
    ScoredContent,
)
from rs_adapt.scores.units import PLURAL


def classes_table(content: ScoreContent) -> Table:
    """Return IoU of each class and mIoU, with intervals; classes outside the mean are marked."""
    table = _table("class", "IoU %", _level(content["interval"]))
    for name, facts in content["classes"].items():
        table.add_row(
            name if facts["in_mean"] else f"{name} (not in the mean)", format_score(facts["iou_pct"]), _range(facts)
        )
    table.add_section()
    table.add_row("mIoU", format_score(content["miou_pct"]), _range(content["interval"]), style="bold")
    table.add_row("aAcc (all counted pixels)", format_score(content["aacc_pct"]), "")
    return table


def groups_table(group_by: str, groups: Sequence[GroupScore]) -> Table:
    """Return mIoU, number of images and share of the labelled pixels of each group."""
    table = _table(group_by, "mIoU %", "images", "% of labelled pixels")
    for group in groups:
        table.add_row(
            group["name"], format_score(group["miou_pct"]), str(group["images"]), format_score(group["share_pct"])
        )
    return table


def worst_table(images: Sequence[ImageScore]) -> Table:
    """Return the images with the lowest mIoU, and the most frequent error in each."""
    table = _table("worst images", "mIoU %", "most frequent error", "% of its pixels")
    for image in images:
        error = f"{image['truth']} taken for {image['taken_for']}" if image["truth"] else "none"
        table.add_row(image["tile"], format_score(image["miou_pct"]), error, format_score(image["share_pct"]))
    return table


def difference_table(content: ComparisonContent) -> Table:
    """Return IoU of both runs by class, B minus A in points with its interval, and the share of resamples above 0."""
    table = _table("class", "A: IoU %", "B: IoU %", "B - A", _level(content["interval"]), "resamples above 0, %")
    for name, facts in content["classes"].items():
        label = name if facts["in_mean"] else f"{name} (not in the mean)"
        table.add_row(label, format_score(facts["a_pct"]), format_score(facts["b_pct"]), *_difference(facts))
    table.add_section()
    means = (format_score(side["miou_pct"]) for side in (content["a"], content["b"]))
    table.add_row("mIoU", *means, *_difference(content["miou"]), style="bold")
    return table


def scored_line(scored: ScoredContent) -> str:
    """Return how a score was obtained: split, protocol, checkpoint, weights, inference and classes in the mean."""
    protocol = scored["protocol"]
    but_for = f" except for {' and '.join(scored['but_for'])}" if scored["but_for"] else ""
    parts = [
        str(scored["split"]),
        "no protocol stated" if protocol is None else f"protocol {protocol.replace('_', '-')}{but_for}",
        _checkpoint(scored),
    ]
    if scored["weights"]:
        parts.append(str(scored["weights"]))
    if isinstance(scored["inference"], dict) and "mode" in scored["inference"]:
        parts.append(str(scored["inference"]["mode"]))
    return ", ".join([*parts, f"mean over {scored['classes']}"])


def notes(draws: Draws) -> list[str]:
    """Return the notes needed to read the intervals."""
    units = PLURAL[draws["unit"]] if draws["units"] != 1 else draws["unit"]
    lines = []
    if draws["units"] < 2:
        lines.append(f"{draws['units']} {units}: no interval.")
    elif draws["rough"]:
        lines.append(f"{draws['units']} {units}: too few for more than a rough interval.")
    lines.append(f"Intervals cover which {PLURAL[draws['unit']]} were scored, not which seed was trained.")
    return lines


def count_line(images: int, draws: Draws) -> str:
    """Return the numbers of images and units, and how the intervals were drawn."""
    units = PLURAL[draws["unit"]] if draws["units"] != 1 else draws["unit"]
    drawn = f"{draws['units']} {units} with labels, drawn {draws['resamples']} times, seed {draws['seed']}"
    return f"{images} image{'' if images == 1 else 's'}. Intervals: {drawn}."


def differ_line(content: ComparisonContent) -> str | None:
    """Return the facts in which the two scores were obtained differently; None if there are none."""
    if not content["differ"]:
        return None
    a, b = ({str(key): value for key, value in side.items()} for side in (content["a"], content["b"]))
    facts = ", ".join(f"{key} ({_fact(a[key])}, {_fact(b[key])})" for key in content["differ"])
    return f"The two scores were made in different ways: {facts}."


def _fact(value: object) -> str:
    if value is None:
        return "unknown"
    return str(value.get("mode", value)) if isinstance(value, dict) else str(value)


def _checkpoint(scored: ScoredContent) -> str:
    star = "*" if scored["selection"] == "oracle" else ""
    at = "" if scored["iter"] is None else f" at iteration {scored['iter']}"
    label = f"{(scored['selection'] or '').replace('_', '-')}{star} weights{at}".strip()
    return f"{label} (*chosen with target labels, so not a result of adaptation)" if star else label


def _difference(facts: DifferenceContent) -> tuple[str, str, str]:
    points, share = facts["points"], facts["share_above_pct"]
    return "-" if points is None else f"{points:+.2f}", _range(facts, "+"), "-" if share is None else f"{share:.0f}"


def _range(ends: Ends, sign: str = "") -> str:
    low, high = ends["low"], ends["high"]
    return "-" if low is None or high is None else f"[{low:{sign}.2f}, {high:{sign}.2f}]"


def _level(draws: Draws) -> str:
    return f"{100 * draws['level']:g} % interval"


def _table(first: str, *others: str) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")
    return table
