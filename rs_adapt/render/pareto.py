"""The Pareto front of some choices, and the plot of a cost against a result with the front joined by steps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from rs_adapt.render.svg import Frame, Point, axes, linear_scale, padded_range, plot_svg, round_ticks, short_number

# Width of a character of a name, and the shifts of a name's base line that are tried, in SVG pixels.
_CHAR_PX = 6.6
_SHIFTS_PX = (-6, 15, -18, 27, -30, 39, -42, 51)

_Box = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class ParetoPoint:
    """One choice of a Pareto plot.

    Attributes:
        name: Its label.
        x: The cost, at least 0.
        y: The other cost, or the result.
        y_range: Ends of its error bar; None for none.
        on_front: No other choice is better in one and as good in the other.
        is_reference: The choice is not compared, only shown: a square with a dotted line at its y.
    """

    name: str
    x: float
    y: float
    y_range: tuple[float, float] | None = None
    on_front: bool = False
    is_reference: bool = False


def pareto_front(costs: Mapping[str, Sequence[float]]) -> list[str]:
    """Return the names of the choices that no other choice dominates, in their order.

    A choice dominates another if none of its costs is larger and at least one is smaller; equal choices do not dominate
    each other.

    Args:
        costs: Costs by name, the same number for each; less is better.
    """
    return [
        name
        for name, cost in costs.items()
        if not any(_dominates(other, cost) for rival, other in costs.items() if rival != name)
    ]


def pareto_plot(
    points: Sequence[ParetoPoint], *, x_label: str, y_label: str, alt: str, frame: Frame | None = None
) -> str:
    """Return the points as SVG over a logarithmic x, with the front joined by steps; "" without points.

    Between two points of the front nothing was measured, and a straight line would promise it: hence the steps. A
    point at x = 0 stands left of the smallest other x, beside the logarithmic scale.

    Args:
        points: The choices.
        x_label: Text below the x axis.
        y_label: Text above the y axis.
        alt: Description for screen readers.
        frame: Size of the plot.
    """
    if not points:
        return ""
    frame = frame or Frame()
    low_x = math.floor(math.log10(min((point.x for point in points if point.x > 0), default=1.0)))
    zero = [low_x - 0.6] if any(point.x <= 0 for point in points) else []
    logs = [math.log10(point.x) if point.x > 0 else zero[0] for point in points]
    high_x = max(math.ceil(max(logs) - 1e-9), low_x + 1)
    ys = [y for point in points for y in (point.y, *(point.y_range or ()))]
    low_y, high_y = padded_range(min(ys), max(ys))
    to_x = linear_scale(min([low_x, *zero]), high_x, frame.left + 14, frame.right_end - 14)
    to_y = linear_scale(low_y, high_y, frame.base - 8, frame.top + 10)
    x_ticks = [(to_x(power), short_number(10.0**power)) for power in range(low_x, high_x + 1)]
    x_ticks += [(to_x(place), "0") for place in zero]
    parts = axes(frame, x_ticks, [(to_y(y), y) for y in round_ticks(low_y, high_y)])
    places = [(to_x(log), to_y(point.y)) for log, point in zip(logs, points, strict=True)]
    parts += [
        f'<path class="reference" d="M{frame.left} {y:.1f}H{frame.right_end}"/>'
        for point, (_, y) in zip(points, places, strict=True)
        if point.is_reference
    ]
    front = sorted(place for point, place in zip(points, places, strict=True) if point.on_front)
    if len(front) > 1:
        steps = [f"M{front[0][0]:.1f} {front[0][1]:.1f}", *(f"H{x:.1f}V{y:.1f}" for x, y in front[1:])]
        parts.append(f'<path class="line front" d="{"".join(steps)}"/>')
    taken: list[_Box] = [(x - 4, y - 4, x + 4, y + 4) for x, y in places]
    for point, (x, y) in sorted(zip(points, places, strict=True), key=lambda pair: pair[1][1]):
        if point.y_range is not None:
            top, bottom = sorted(to_y(end) for end in point.y_range)
            parts.append(f'<path class="error" d="M{x:.1f} {top:.1f}V{bottom:.1f}"/>')
        parts.append(_mark(point, x, y))
        left, base = _free_place(point.name, x, y, taken, frame)
        parts.append(f'<text class="name" x="{left:.1f}" y="{base:.1f}">{escape(point.name)}</text>')
    return plot_svg(frame, parts, alt=alt, x_label=x_label, y_label=y_label)


def _mark(point: ParetoPoint, x: float, y: float) -> str:
    if point.is_reference:
        return f'<rect class="reference" x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8"/>'
    return f'<circle class="{"best" if point.on_front else "other"}" r="4" cx="{x:.1f}" cy="{y:.1f}"/>'


def _free_place(name: str, x: float, y: float, taken: list[_Box], frame: Frame) -> Point:
    """Return the nearest place for a name (left end, base line) where it covers no point and no other name."""
    width = _CHAR_PX * len(name)
    places = [place for shift in _SHIFTS_PX for place in ((x + 8, y + shift), (x - 8 - width, y + shift))]
    inside = [
        (left, base)
        for left, base in places
        if frame.left <= left and left + width <= frame.width - 2 and base - 10 >= 0 and base <= frame.base - 2
    ]
    for left, base in inside:
        box = (left, base - 10, left + width, base + 2)
        if not any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in taken):
            taken.append(box)
            return left, base
    return inside[0] if inside else (max(frame.left, frame.width - 2 - width), y - 8)


def _dominates(cost: Sequence[float], other: Sequence[float]) -> bool:
    pairs = list(zip(cost, other, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)
