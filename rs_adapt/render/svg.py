"""Plots as inline SVG whose colours come from the page's style sheet, so that they suit light and dark pages."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

# As many line colours as the style sheet has (`.s0` to `.s7`).
NUM_COLOURS = 8
# Up to this many points of a line are marked: they are measurements, not a curve.
_MOST_MARKED = 12
_ROOT_TICKS = (0, 1, 5, 10, 20, 50, 100)

Point = tuple[float, float]
Scale = Callable[[float], float]


@dataclass(frozen=True, kw_only=True)
class Frame:
    """Size of a plot and of the margins around its axes, in SVG pixels."""

    width: int = 420
    height: int = 260
    left: int = 44
    right: int = 12
    top: int = 10
    bottom: int = 42

    @property
    def right_end(self) -> int:
        """X of the right end of the x axis."""
        return self.width - self.right

    @property
    def base(self) -> int:
        """The y coordinate of the x axis."""
        return self.height - self.bottom


@dataclass(frozen=True, kw_only=True)
class Series:
    """A line.

    Attributes:
        name: Its name.
        points: Its points (x, y), ordered by x.
        colour: Number of its colour.
        dashed: The line is dashed, to tell it from the solid one of the same colour.
    """

    name: str
    points: Sequence[Point]
    colour: int
    dashed: bool = False


def line_plot(
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    alt: str,
    y_range: tuple[float, float] | None = None,
    spans: Sequence[tuple[float, float]] = (),
    root_scale: bool = False,
) -> str:
    """Return lines over iterations as SVG; "" without any point.

    Args:
        series: Lines; those without points are left out.
        x_label: Text below the x axis.
        y_label: Text above the y axis.
        alt: Description for screen readers.
        y_range: Lowest and highest y; None fits the points.
        spans: Shaded ranges of x.
        root_scale: Use a square-root scale for y, which keeps 0 and spreads small values.
    """
    points = [point for line in series for point in line.points]
    if not points:
        return ""
    frame = Frame()
    ys = [y for _, y in points]
    low, high = y_range or padded_range(min(ys), max(ys))
    right = max(max(x for x, _ in points), 1.0)
    bend: Scale = (lambda y: math.sqrt(max(y, 0.0))) if root_scale else (lambda y: y)
    to_x = linear_scale(0.0, right, frame.left, frame.right_end)
    to_y = linear_scale(bend(low), bend(high), frame.base, frame.top)
    ticks = [tick for tick in _ROOT_TICKS if low <= tick <= high] if root_scale else round_ticks(low, high)
    parts = [
        f'<rect class="span" x="{to_x(a):.1f}" y="{frame.top}" width="{max(to_x(b) - to_x(a), 1):.1f}" '
        f'height="{frame.base - frame.top}"/>'
        for a, b in spans
    ]
    parts += axes(
        frame, [(to_x(x), short_number(x)) for x in round_ticks(0.0, right)], [(to_y(bend(y)), y) for y in ticks]
    )
    for line in series:
        places = [(to_x(x), to_y(bend(min(max(y, low), high)))) for x, y in line.points]
        parts += _line(line, places)
    return plot_svg(frame, parts, alt=alt, x_label=x_label, y_label=y_label)


def _line(line: Series, places: Sequence[Point]) -> list[str]:
    kind = f"s{line.colour % NUM_COLOURS}"
    dash = ' stroke-dasharray="5 4"' if line.dashed else ""
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    parts = [f'<polyline class="line {kind}"{dash} points="{corners}"/>']
    # Two dashed points are the ends of a level, not measurements.
    if len(places) <= _MOST_MARKED and not (line.dashed and len(places) == 2):
        hollow = " open" if line.dashed else ""
        parts += [f'<circle class="{kind}{hollow}" r="2.8" cx="{x:.1f}" cy="{y:.1f}"/>' for x, y in places]
    return parts


def plot_svg(frame: Frame, parts: Sequence[str], *, alt: str, x_label: str, y_label: str) -> str:
    """Return the parts of a plot as one SVG element with the labels of its axes; the texts are escaped."""
    middle = (frame.left + frame.right_end) / 2
    return (
        f'<svg viewBox="0 0 {frame.width} {frame.height + 14}" role="img" aria-label="{escape(alt)}">'
        f'<g transform="translate(0 14)">{"".join(parts)}'
        f'<text class="axis" x="{middle:.0f}" y="{frame.height - 6}" text-anchor="middle">{escape(x_label)}</text>'
        f'<text class="axis" x="4" y="-2">{escape(y_label)}</text></g></svg>'
    )


def axes(frame: Frame, xs: Sequence[tuple[float, str]], ys: Sequence[tuple[float, float]]) -> list[str]:
    """Return both axes with ticks: (place, label) of x, and (place, value) of y with a grid line each."""
    parts = [
        f'<path class="grid" d="M{frame.left} {y:.1f}H{frame.right_end}"/>'
        f'<text class="tick" x="{frame.left - 6}" y="{y + 4:.1f}" text-anchor="end">{short_number(value)}</text>'
        for y, value in ys
    ]
    parts += [
        f'<path class="grid" d="M{x:.1f} {frame.base}v4"/>'
        f'<text class="tick" x="{x:.1f}" y="{frame.base + 16}" text-anchor="middle">{label}</text>'
        for x, label in xs
    ]
    return [*parts, f'<path class="frame" d="M{frame.left} {frame.top}V{frame.base}H{frame.right_end}"/>']


def linear_scale(low: float, high: float, start: float, end: float) -> Scale:
    """Return the linear map from [low, high] to [start, end]."""
    size = (high - low) or 1.0
    return lambda value: start + (end - start) * (value - low) / size


def padded_range(low: float, high: float) -> tuple[float, float]:
    """Return a range somewhat wider than [low, high], which does not go below 0 for values that do not."""
    padding = 0.08 * (high - low) or max(abs(high), 1.0) * 0.05
    return (max(0.0, low - padding) if low >= 0 else low - padding), high + padding


def round_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Return about `most` round numbers from low to high."""
    step = 10.0 ** math.floor(math.log10((high - low) or 1.0))
    for factor in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0):
        if (high - low) / (step * factor) <= most:
            step *= factor
            break
    first = math.ceil(low / step - 1e-9)
    return [round(step * number, 10) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def short_number(value: float) -> str:
    """Return a number with k, M or G in place of thousands, millions or billions."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"
