"""Health of the pseudo-labels of a run as a picture: class shares, confidence, agreement, and where alarms were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# Shares below this many percent are drawn to a linear scale, so that 0 has a place; above it the scale is
# logarithmic: a rare class that vanishes then falls as far as a frequent one.
_LINEAR_BELOW_PCT = 1.0
_TICKS_PCT = (0, 0.5, 1, 2, 5, 10, 20, 50, 100)


def draw_health(path: Path, lines: Sequence[dict[str, Any]], classes: Sequence[str], title: str) -> None:
    """Draw a PNG of the lines of `metrics.jsonl` that have `health`; iterations of an alarm are shaded.

    Left: share of each class in the teacher's labels of the target (solid), and its mean in the source labels (dotted).
    Right: mean confidence of the teacher, and agreement of teacher and student.

    Args:
        path: File to write.
        lines: Content of `metrics.jsonl`, of which at least one line has `health`.
        classes: K names.
        title: Name of the run.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    found = [line for line in lines if "health" in line]
    figure = Figure(figsize=(11, 4.2), dpi=120, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
    for position, name in enumerate(classes):
        # Not the bench's palette: made for maps, it holds white and yellow, which are no lines on white.
        _draw_class(left, found, name, f"C{position}")
    _draw_means(right, found)
    left.set_title("solid: labels of the teacher on the target; dotted: mean of the source labels", fontsize=9)
    left.set_ylabel("share of pixels, %")
    left.set_yscale("symlog", linthresh=_LINEAR_BELOW_PCT)
    left.set_ylim(0, 105)
    left.set_yticks(_TICKS_PCT, [f"{tick:g}" for tick in _TICKS_PCT])
    left.minorticks_off()
    right.set_ylabel("mean over target pixels, %")
    right.set_ylim(0, 102)
    for axes in (left, right):
        _shade_alarms(axes, lines)
        axes.set_xlabel("iteration")
        axes.grid(alpha=0.3)
        # The time scale of the learning curves, for comparison: the teacher may begin to label late.
        axes.set_xlim(0, max(line["iter"] for line in lines) * 1.02)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=4, fontsize=8, frameon=False)
    figure.suptitle(title, fontsize=10)
    figure.savefig(path)


def _draw_class(axes: Any, found: Sequence[dict[str, Any]], name: str, colour: str) -> None:
    iterations = [line["iter"] for line in found]
    axes.plot(
        iterations,
        [100 * line["health"]["teacher_share"][name] for line in found],
        color=colour,
        linewidth=1.3,
        marker="o" if len(found) == 1 else None,
        label=name,
    )
    # The source's labels do not change with training; what moves from line to line is which tiles were drawn.
    mean = sum(line["health"]["source_share"][name] for line in found) / len(found)
    axes.axhline(100 * mean, color=colour, linewidth=1.3, linestyle=":")


def _draw_means(axes: Any, found: Sequence[dict[str, Any]]) -> None:
    for key, label, colour in (
        ("confidence", "confidence of the teacher", "tab:blue"),
        ("agreement", "teacher and student agree", "tab:orange"),
    ):
        points = [(line["iter"], 100 * line["health"][key]) for line in found if line["health"][key] is not None]
        if points:
            marker = "o" if len(points) == 1 else None
            axes.plot(*zip(*points, strict=True), color=colour, label=label, linewidth=1.3, marker=marker)


def _shade_alarms(axes: Any, lines: Sequence[dict[str, Any]]) -> None:
    # One entry in the legend, however many spans.
    label: str | None = "alarm"
    for before, here in alarm_spans(lines):
        axes.axvspan(before, here, color="tab:red", alpha=0.15, linewidth=0, label=label)
        label = None


def alarm_spans(lines: Sequence[Mapping[str, Any]]) -> list[tuple[int, int]]:
    """Return the range that each line with an alarm covers: the iterations since the training line before it."""
    spans, before = [], 0
    for line in lines:
        if (line.get("health") or {}).get("alarm"):
            spans.append((before, int(line["iter"])))
        if "loss" in line:
            before = int(line["iter"])
    return spans
