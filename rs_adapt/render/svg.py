"""Line and point plots as inline SVG: colours come from the page's style, so that they fit light and dark."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 420, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 12, 10, 42
# As many colours as the page's style has (`.s0` to `.s7`).
NUM_COLOURS = 8
_CHAR_PX = 6.6

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Series:
    """A line. `colour` is its number, `dashed` sets it apart from another one of that colour."""

    name: str
    points: Sequence[Point]
    colour: int
    dashed: bool = False


@dataclass(frozen=True, kw_only=True)
class Spot:
    """A labelled point; `front` joins it to the others that have it."""

    name: str
    x: float
    y: float
    front: bool = False


def line_plot(
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    alt: str,
    y_range: tuple[float, float] | None = None,
    spans: Sequence[tuple[float, float]] = (),
    roots: bool = False,
) -> str:
    """Lines over iterations.

    Args:
        series: Lines; those without points are left out.
        x_label: Below the axis.
        y_label: Above the axis.
        alt: What a screen reader says.
        y_range: Lowest and highest y; None fits the points.
        spans: From x to x, shaded.
        roots: The y axis is one of square roots, which keeps 0 and gives small values room.
    """
    points = [point for one in series for point in one.points]
    if not points:
        return ""
    ys = [y for _, y in points]
    low, high = y_range or _padded(min(ys), max(ys))
    right = max(max(x for x, _ in points), 1.0)
    bend: Callable[[float], float] = (lambda y: math.sqrt(max(y, 0.0))) if roots else (lambda y: y)
    place_x = _scale(0.0, right, _LEFT, WIDTH - _RIGHT)
    place_y = _scale(bend(low), bend(high), HEIGHT - _BOTTOM, _TOP)
    ticks = [tick for tick in (0, 1, 5, 10, 20, 50, 100) if low <= tick <= high] if roots else _ticks(low, high)
    parts = [
        f'<rect class="span" x="{place_x(a):.1f}" y="{_TOP}" width="{max(place_x(b) - place_x(a), 1):.1f}" '
        f'height="{HEIGHT - _TOP - _BOTTOM}"/>'
        for a, b in spans
    ]
    parts += _axes([(place_x(x), _number(x)) for x in _ticks(0.0, right)], [(place_y(bend(y)), y) for y in ticks])
    for one in series:
        found = [f"{place_x(x):.1f},{place_y(bend(min(max(y, low), high))):.1f}" for x, y in one.points]
        kind = f"s{one.colour % NUM_COLOURS}"
        dash = ' stroke-dasharray="5 4"' if one.dashed else ""
        parts.append(f'<polyline class="line {kind}"{dash} points="{" ".join(found)}"/>')
        # Few points are places where something was measured; two that are dashed are the ends of a level.
        if len(found) <= 12 and not (one.dashed and len(found) == 2):
            hollow = " open" if one.dashed else ""
            spots = (text.split(",") for text in found)
            parts += [f'<circle class="{kind}{hollow}" r="2.8" cx="{x}" cy="{y}"/>' for x, y in spots]
    return _svg(parts, alt, x_label, y_label)


def spot_plot(spots: Sequence[Spot], *, x_label: str, y_label: str, alt: str) -> str:
    """Points over a logarithmic x; the front is joined by steps. A point at 0 stands left of the least other x."""
    if not spots:
        return ""
    low_x = math.floor(math.log10(min((spot.x for spot in spots if spot.x > 0), default=1.0)))
    # Where 0 stands: beside the logarithmic scale, not on it.
    zero = [low_x - 0.6] if any(spot.x <= 0 for spot in spots) else []
    logs = {id(spot): math.log10(spot.x) if spot.x > 0 else zero[0] for spot in spots}
    high_x = max(math.ceil(max(logs.values()) - 1e-9), low_x + 1)
    low_y, high_y = _padded(min(spot.y for spot in spots), max(spot.y for spot in spots))
    place_x = _scale(min([low_x, *zero]), high_x, _LEFT + 14, WIDTH - _RIGHT - 14)
    place_y = _scale(low_y, high_y, HEIGHT - _BOTTOM - 8, _TOP + 10)
    powers = [(place_x(power), _number(10.0**power)) for power in range(low_x, high_x + 1)]
    powers += [(place_x(at), "0") for at in zero]
    parts = _axes(powers, [(place_y(y), y) for y in _ticks(low_y, high_y)])
    where = {id(spot): (place_x(logs[id(spot)]), place_y(spot.y)) for spot in spots}
    front = sorted(where[id(spot)] for spot in spots if spot.front)
    if len(front) > 1:
        steps = [f"M{front[0][0]:.1f} {front[0][1]:.1f}", *(f"H{x:.1f}V{y:.1f}" for x, y in front[1:])]
        parts.append(f'<path class="line front" d="{"".join(steps)}"/>')
    taken: list[tuple[float, float, float, float]] = [(x - 4, y - 4, x + 4, y + 4) for x, y in where.values()]
    for spot in sorted(spots, key=lambda one: -one.y):
        x, y = where[id(spot)]
        parts.append(f'<circle class="{"best" if spot.front else "other"}" r="4" cx="{x:.1f}" cy="{y:.1f}"/>')
        left, base = _free(spot.name, x, y, taken)
        parts.append(f'<text class="name" x="{left:.1f}" y="{base:.1f}">{escape(spot.name)}</text>')
    return _svg(parts, alt, x_label, y_label)


def _free(name: str, x: float, y: float, taken: list[tuple[float, float, float, float]]) -> Point:
    """Where a name covers no point and no other name; the nearest of some places."""
    width = _CHAR_PX * len(name)
    rights = [(x + 8, y + shift) for shift in (-6, 15, -18, 27, -30, 39)]
    lefts = [(x - 8 - width, y + shift) for shift in (-6, 15, -18, 27, -30, 39)]
    places = [place for pair in zip(rights, lefts, strict=True) for place in pair]
    inside = [place for place in places if _LEFT <= place[0] and place[0] + width <= WIDTH - 2]
    for left, base in inside:
        box = (left, base - 10, left + width, base + 2)
        if not any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in taken):
            taken.append(box)
            return left, base
    return inside[0] if inside else (max(_LEFT, WIDTH - 2 - width), y - 8)


def _svg(parts: Sequence[str], alt: str, x_label: str, y_label: str) -> str:
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT + 14}" role="img" aria-label="{escape(alt)}">'
        f'<g transform="translate(0 14)">{"".join(parts)}'
        f'<text class="axis" x="{middle:.0f}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x_label)}</text>'
        f'<text class="axis" x="4" y="-2">{escape(y_label)}</text></g></svg>'
    )


def _axes(xs: Sequence[tuple[float, str]], ys: Sequence[tuple[float, float]]) -> list[str]:
    bottom = HEIGHT - _BOTTOM
    parts = [
        f'<path class="grid" d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}"/>'
        f'<text class="tick" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_number(value)}</text>'
        for y, value in ys
    ]
    parts += [
        f'<path class="grid" d="M{x:.1f} {bottom}v4"/>'
        f'<text class="tick" x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{label}</text>'
        for x, label in xs
    ]
    return [*parts, f'<path class="frame" d="M{_LEFT} {_TOP}V{bottom}H{WIDTH - _RIGHT}"/>']


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    size = (high - low) or 1.0
    return lambda value: start + (end - start) * (value - low) / size


def _padded(low: float, high: float) -> tuple[float, float]:
    room = 0.08 * (high - low) or max(abs(high), 1.0) * 0.05
    return (max(0.0, low - room) if low >= 0 else low - room), high + room


def _ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from low to high."""
    step = 10.0 ** math.floor(math.log10((high - low) or 1.0))
    for factor in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0):
        if (high - low) / (step * factor) <= most:
            step *= factor
            break
    first = math.ceil(low / step - 1e-9)
    return [round(step * number, 10) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _number(value: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"
