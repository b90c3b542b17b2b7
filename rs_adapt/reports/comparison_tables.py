"""Tables and lines of `rs-adapt score` and `rs-adapt compare`, from their JSON."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.table import Table

from rs_adapt.render.document import format_score
from rs_adapt.scores.units import PLURAL


def classes_table(content: dict[str, Any]) -> Table:
    """IoU of each class and mIoU, with intervals; classes out of the mean are marked."""
    table = _table("class", "IoU %", _level(content))
    for name, facts in content["classes"].items():
        table.add_row(
            name if facts["in_mean"] else f"{name} (not in the mean)", format_score(facts["iou_pct"]), _range(facts)
        )
    table.add_section()
    table.add_row("mIoU", format_score(content["miou_pct"]), _range(content["interval"]), style="bold")
    table.add_row("aAcc (all counted pixels)", format_score(content["aacc_pct"]), "")
    return table


def groups_table(content: dict[str, Any]) -> Table:
    """MIoU, images and share of the labelled pixels of each group."""
    table = _table(content["group_by"], "mIoU %", "images", "% of labelled pixels")
    for group in content["groups"]:
        table.add_row(
            group["name"], format_score(group["miou_pct"]), str(group["images"]), format_score(group["share_pct"])
        )
    return table


def worst_table(content: dict[str, Any]) -> Table:
    """Return the images of the lowest mIoU, and the most frequent error in each."""
    table = _table("worst images", "mIoU %", "most frequent error", "% of its pixels")
    for image in content["worst"]:
        error = f"{image['truth']} taken for {image['taken_for']}" if image["truth"] else "none"
        table.add_row(image["tile"], format_score(image["miou_pct"]), error, format_score(image["share_pct"]))
    return table


def difference_table(content: dict[str, Any]) -> Table:
    """IoU of both runs by class, B minus A in points with interval, and how many resamples are above 0."""
    table = _table("class", "A: IoU %", "B: IoU %", "B - A", _level(content), "resamples above 0, %")
    for name, facts in content["classes"].items():
        shown = name if facts["in_mean"] else f"{name} (not in the mean)"
        table.add_row(shown, format_score(facts["a_pct"]), format_score(facts["b_pct"]), *_difference(facts))
    table.add_section()
    means = (format_score(content[side]["miou_pct"]) for side in "ab")
    table.add_row("mIoU", *means, *_difference(content["miou"]), style="bold")
    return table


def scored_line(scored: dict[str, Any]) -> str:
    """How a score was obtained: split, protocol, checkpoint, weights, inference and classes in the mean."""
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


def notes(content: dict[str, Any]) -> list[str]:
    """Return the notes needed to read the intervals."""
    facts = content["interval"]
    units = PLURAL[facts["unit"]] if facts["units"] != 1 else facts["unit"]
    lines = []
    if facts["units"] < 2:
        lines.append(f"{facts['units']} {units}: no interval.")
    elif facts["rough"]:
        lines.append(f"{facts['units']} {units}: too few for more than a rough interval.")
    lines.append(f"Intervals cover which {PLURAL[facts['unit']]} were scored, not which seed was trained.")
    return lines


def count_line(content: dict[str, Any]) -> str:
    """How many images and units there are, and how the intervals were drawn."""
    facts = content["interval"]
    units = PLURAL[facts["unit"]] if facts["units"] != 1 else facts["unit"]
    images = f"{content['images']} image" + ("" if content["images"] == 1 else "s")
    drawn = f"{facts['units']} {units} with labels, drawn {facts['resamples']} times, seed {facts['seed']}"
    return f"{images}. Intervals: {drawn}."


def differ_line(content: dict[str, Any]) -> str | None:
    """In which facts two runs differ besides what was trained; None where they agree."""
    if not content["differ"]:
        return None
    told = ", ".join(f"{key} ({_fact(content['a'][key])}, {_fact(content['b'][key])})" for key in content["differ"])
    return f"The two scores were made in different ways: {told}."


def _fact(value: Any) -> str:
    if value is None:
        return "unknown"
    return str(value.get("mode", value)) if isinstance(value, dict) else str(value)


def _checkpoint(scored: dict[str, Any]) -> str:
    star = "*" if scored["selection"] == "oracle" else ""
    at = "" if scored["iter"] is None else f" at iteration {scored['iter']}"
    label = f"{(scored['selection'] or '').replace('_', '-')}{star} weights{at}".strip()
    return f"{label} (*chosen with target labels, so not a result of adaptation)" if star else label


def _difference(facts: dict[str, Any]) -> tuple[str, str, str]:
    points, share = facts["points"], facts["share_above_pct"]
    return "-" if points is None else f"{points:+.2f}", _range(facts, "+"), "-" if share is None else f"{share:.0f}"


def _range(facts: dict[str, Any], sign: str = "") -> str:
    return "-" if facts["low"] is None else f"[{facts['low']:{sign}.2f}, {facts['high']:{sign}.2f}]"


def _level(content: dict[str, Any]) -> str:
    return f"{100 * content['interval']['level']:g} % interval"


def _table(first: str, *others: str) -> Table:
    # A bracket in a name is no markup.
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")
    return table
