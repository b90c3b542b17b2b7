"""Health of a run's pseudo-labels as a picture: class shares, confidence, agreement, weight and alarms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rs_adapt.render.figures import save_figure
from rs_adapt.runs.records import Health, MetricsLine, TrainingLine

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Shares below this many percent are drawn on a linear scale, which includes 0; above, the scale is logarithmic, so that
# a rare class that vanishes falls as far as a frequent one.
_LINEAR_BELOW_PCT = 1.0
_TICKS_PCT = (0, 0.5, 1, 2, 5, 10, 20, 50, 100)


def draw_health(path: Path, lines: Sequence[MetricsLine], classes: Sequence[str], title: str) -> None:
    """Draw a PNG of the lines of `metrics.jsonl` that have `health`; iterations with an alarm are shaded.

    Left: share of each class in the teacher's labels of the target (solid), and its mean in the source labels (dotted).
    Right: mean confidence of the teacher, agreement of teacher and student, and mean weight of a label in the loss.

    Args:
        path: File to write.
        lines: Content of `metrics.jsonl`, of which at least one line has `health`.
        classes: Names of the K classes.
        title: Name of the run.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    measured = select_health(lines)
    figure = Figure(figsize=(11, 4.2), dpi=120, layout="constrained")
    share_axes, mean_axes = figure.subplots(1, 2, width_ratios=(1.25, 1))
    for position, name in enumerate(classes):
        # Not the bench's palette: it is made for maps, and its white and yellow cannot be seen on white.
        _draw_class(share_axes, measured, name, f"C{position}")
    _draw_means(mean_axes, measured)
    share_axes.set_title("solid: labels of the teacher on the target; dotted: mean of the source labels", fontsize=9)
    share_axes.set_ylabel("share of pixels, %")
    share_axes.set_yscale("symlog", linthresh=_LINEAR_BELOW_PCT)
    share_axes.set_ylim(0, 105)
    share_axes.set_yticks(_TICKS_PCT, [f"{tick:g}" for tick in _TICKS_PCT])
    share_axes.minorticks_off()
    mean_axes.set_ylabel("mean over target pixels, %")
    mean_axes.set_ylim(0, 102)
    for axes in (share_axes, mean_axes):
        _shade_alarms(axes, lines)
        axes.set_xlabel("iteration")
        axes.grid(alpha=0.3)
        # The time scale of the learning curves, for comparison: the teacher may begin to label late.
        axes.set_xlim(0, max(line.iter for line in lines) * 1.02)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=4, fontsize=8, frameon=False)
    figure.suptitle(title, fontsize=10)
    save_figure(figure, path)


def _draw_class(axes: Axes, measured: Sequence[tuple[int, Health]], name: str, colour: str) -> None:
    iterations = [iteration for iteration, _ in measured]
    axes.plot(
        iterations,
        [100 * health.teacher_share[name] for _, health in measured],
        color=colour,
        linewidth=1.3,
        marker="o" if len(measured) == 1 else None,
        label=name,
    )
    # The source's labels do not change with training; only the sampled tiles differ from line to line.
    mean = sum(health.source_share[name] for _, health in measured) / len(measured)
    axes.axhline(100 * mean, color=colour, linewidth=1.3, linestyle=":")


def _draw_means(axes: Axes, measured: Sequence[tuple[int, Health]]) -> None:
    for key, label, colour in (
        ("confidence", "confidence of the teacher", "tab:blue"),
        ("agreement", "teacher and student agree", "tab:orange"),
        ("weight", "weight of a label", "tab:green"),
    ):
        shares = [(iteration, getattr(health, key)) for iteration, health in measured]
        points = [(iteration, 100 * share) for iteration, share in shares if share is not None]
        if points:
            marker = "o" if len(points) == 1 else None
            axes.plot(*zip(*points, strict=True), color=colour, label=label, linewidth=1.3, marker=marker)


def _shade_alarms(axes: Axes, lines: Sequence[MetricsLine]) -> None:
    # One entry in the legend, however many spans.
    label: str | None = "alarm"
    for start, end in find_alarm_spans(lines):
        axes.axvspan(start, end, color="tab:red", alpha=0.15, linewidth=0, label=label)
        label = None


def select_health(lines: Sequence[MetricsLine]) -> list[tuple[int, Health]]:
    """Return iteration and health of each training line with health."""
    return [(line.iter, line.health) for line in lines if isinstance(line, TrainingLine) and line.health is not None]


def find_alarm_spans(lines: Sequence[MetricsLine]) -> list[tuple[int, int]]:
    """Return, for each line with an alarm, the iterations since the previous training line."""
    spans, previous = [], 0
    for line in lines:
        if not isinstance(line, TrainingLine):
            continue
        if line.health is not None and line.health.alarm:
            spans.append((previous, line.iter))
        previous = line.iter
    return spans
