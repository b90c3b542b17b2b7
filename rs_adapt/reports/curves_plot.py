"""Learning curves of a run as a picture: losses, and mIoU on the target's validation split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rs_adapt.render.figures import save_figure
from rs_adapt.runs.records import EvaluationLine, MetricsLine, TrainingLine


def draw_curves(path: Path, lines: Sequence[MetricsLine], title: str) -> None:
    """Draw a PNG with the loss on the left and the mIoU in percent at each evaluation on the right.

    Args:
        path: File to write.
        lines: Lines of `metrics.jsonl`.
        title: Name of the run.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    training = [line for line in lines if isinstance(line, TrainingLine) and line.loss is not None]
    evaluations = [line for line in lines if isinstance(line, EvaluationLine) and line.score_pct is not None]
    figure = Figure(figsize=(9, 3.4), dpi=120, layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot([line.iter for line in training], [line.loss for line in training], label="all")
    for domain in ("source", "mix"):
        points = [(line.iter, loss) for line in training if (loss := _domain_loss(line, domain)) is not None]
        if points:
            left.plot(*zip(*points, strict=True), label=domain, linewidth=1)
    left.set_xlabel("iteration")
    left.set_ylabel("loss")
    if training:
        left.legend(fontsize=8)
    right.plot(
        [line.iter for line in evaluations], [line.score_pct for line in evaluations], marker="o", color="tab:red"
    )
    right.set_xlabel("iteration")
    title = evaluations[-1].score_title if evaluations else "mIoU"
    right.set_ylabel(f"{title} on target val, %")
    last = max((line.iter for line in lines), default=1)
    for axes in (left, right):
        axes.grid(alpha=0.3)
        # One scale of time for both; a single evaluation would otherwise be drawn at fractions of an iteration.
        axes.set_xlim(0, last * 1.02)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    figure.suptitle(title, fontsize=10)
    save_figure(figure, path)


def _domain_loss(line: TrainingLine, domain: str) -> float | None:
    """Return the sum of the losses of a domain; None where the line has none."""
    parts = [value for name, value in line.parts.items() if name.startswith(f"{domain}.") and "loss" in name]
    return sum(parts) if parts else None
