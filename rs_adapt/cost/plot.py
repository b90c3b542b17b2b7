"""A cost comparison as a picture: what trains in the backbone against the time of an iteration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

# Places of a label around its point, in points: the nearest free one is taken.
_PLACES = [
    (distance * x, distance * y)
    for distance in (8, 14, 22, 32, 44, 58)
    for x, y in ((1, 0), (0, 1), (0, -1), (-1, 0), (0.8, 0.8), (0.8, -0.8), (-0.8, 0.8), (-0.8, -0.8))
]


def draw_costs(path: Path, content: dict[str, Any], title: str) -> None:
    """A PNG with a point a method, its middle half of the rounds as a bar; methods that no other beats are joined.

    Args:
        path: File to write.
        content: Of `cost.json`; the first method is the reference.
        title: Of the comparison.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5.2), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    reference, *others = content["methods"]
    axes.axhline(reference["train_ms"]["median"], color="tab:gray", linewidth=1, linestyle=":")
    _draw_points(axes, [reference], marker="s", color="tab:gray", label="frozen backbone (reference)")
    best = [row for row in others if row["non_dominated"]]
    _draw_points(axes, [row for row in others if not row["non_dominated"]], marker="o", color="tab:blue", mfc="white")
    _draw_points(axes, best, marker="o", color="tab:red", label="no other method is cheaper in both")
    front = sorted(_point(row) for row in best)
    # Steps: between two of them nothing was measured, and a straight line would promise it.
    axes.step(*zip(*front, strict=True), where="post", color="tab:red", linewidth=1, alpha=0.6) if front else None
    _scale(axes, [_point(row)[0] for row in content["methods"]])
    axes.set_xlabel("trainable parameters in the backbone")
    axes.set_ylabel("ms / training iteration")
    axes.grid(alpha=0.3)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2, fontsize=8, frameon=False)
    figure.suptitle(title, fontsize=10)
    # Places in pixels are known once the layout is.
    figure.draw_without_rendering()
    _label(axes, others)
    figure.savefig(path)


def _point(row: dict[str, Any]) -> tuple[int, float]:
    return row["parameters"]["backbone"], row["train_ms"]["median"]


def _draw_points(axes: Any, rows: list[dict[str, Any]], **style: Any) -> None:
    if not rows:
        return
    x, y = zip(*(_point(row) for row in rows), strict=True)
    times = [row["train_ms"] for row in rows]
    below_above = ([t["median"] - t["q1"] for t in times], [t["q3"] - t["median"] for t in times])
    axes.errorbar(x, y, yerr=below_above, linestyle="", markersize=6, elinewidth=1, zorder=3, **style)


def _scale(axes: Any, counts: list[int]) -> None:
    """Logarithmic from the power of ten below the smallest count that is above 0, so that 0 has a place beside it."""
    least = len(str(min((count for count in counts if count), default=1))) - 1
    axes.set_xscale("symlog", linthresh=10**least, linscale=0.5)
    powers = range(least, len(str(max(counts))) + 1)
    axes.set_xticks([0, *(10**power for power in powers)], ["0", *(f"$10^{{{power}}}$" for power in powers)])
    # Ticks beyond the last point would widen the axis.
    axes.set_xlim(auto=True)
    axes.minorticks_off()
    axes.margins(x=0.08, y=0.12)


def _label(axes: Any, rows: list[dict[str, Any]]) -> None:
    """Name each point where the name covers neither a point nor another name."""
    frame = axes.get_window_extent()
    dots = [axes.transData.transform(_point(row)) for row in rows]
    taken: list[Any] = []
    for row in rows:
        name = row["method"].replace("_", "-")
        for x, y in _PLACES:
            text = axes.annotate(
                name,
                _point(row),
                xytext=(x, y),
                textcoords="offset points",
                ha="left" if x > 0 else "right" if x < 0 else "center",
                va="bottom" if y > 0 else "top" if y < 0 else "center",
                fontsize=8,
                arrowprops={"arrowstyle": "-", "linewidth": 0.5, "color": "tab:gray", "shrinkA": 0, "shrinkB": 3},
            )
            box = text.get_window_extent()
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
            covered = any(box.x0 <= dot[0] <= box.x1 and box.y0 - 4 <= dot[1] <= box.y1 + 4 for dot in dots)
            if inside and not covered and not any(box.overlaps(other) for other in taken):
                break
            if (x, y) != _PLACES[-1]:
                text.remove()
        taken.append(box)
