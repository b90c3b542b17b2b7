"""Learning curves of a run as a picture: losses, and mIoU on the target's validation split."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def draw_curves(path: Path, lines: list[dict[str, Any]], title: str) -> None:
    """Draw a PNG of the lines of `metrics.jsonl`: loss on the left, mIoU at each evaluation on the right.

    Args:
        path: File to write.
        lines: Content of `metrics.jsonl`.
        title: Name of the run.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    training = [line for line in lines if "loss" in line]
    scores = [line for line in lines if line.get("miou_pct") is not None]
    figure = Figure(figsize=(9, 3.4), dpi=120, layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot([line["iter"] for line in training], [line["loss"] for line in training], label="all")
    for domain in ("source", "mix"):
        points = [(line["iter"], total) for line in training if (total := _part(line, domain)) is not None]
        if points:
            left.plot(*zip(*points, strict=True), label=domain, linewidth=1)
    left.set_xlabel("iteration")
    left.set_ylabel("loss")
    if training:
        left.legend(fontsize=8)
    right.plot([line["iter"] for line in scores], [line["miou_pct"] for line in scores], marker="o", color="tab:red")
    right.set_xlabel("iteration")
    right.set_ylabel("mIoU on target val, %")
    last = max((line["iter"] for line in lines), default=1)
    for axes in (left, right):
        axes.grid(alpha=0.3)
        # One scale of time for both; a single evaluation would otherwise be drawn at fractions of an iteration.
        axes.set_xlim(0, last * 1.02)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    figure.suptitle(title, fontsize=10)
    figure.savefig(path)


def _part(line: dict[str, Any], domain: str) -> float | None:
    parts = [float(value) for name, value in line.items() if name.startswith(f"{domain}.") and "loss" in name]
    return sum(parts) if parts else None
