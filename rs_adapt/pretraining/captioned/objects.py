"""Objects that are drawn onto tiles: their forms, colours and sizes, in pixels of the tile (H/W pixels)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rs_adapt.pretraining.captioned.held_out import HELD_OUT_KINDS

Grid = NDArray[np.floating[Any]]
RGB = tuple[float, float, float]
# Colours of objects that come in several; what a caption names is read from the pixels (`facts.colour_name`).
COLOURS: dict[str, RGB] = {
    "red": (178, 52, 44),
    "blue": (48, 84, 172),
    "green": (58, 138, 70),
    "white": (236, 236, 234),
    "grey": (128, 128, 130),
    "black": (34, 34, 38),
    "brown": (118, 78, 50),
    "yellow": (222, 190, 62),
}
_ALL = tuple(COLOURS)
# Samples a pixel and direction, averaged.
_SAMPLES = 2
_WHITE = np.array([235, 235, 232], dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of object.

    Attributes:
        long_px: Shortest and longest side; the lower third is small, the upper third large.
        aspect: Least and greatest width over length.
        colours: Names of its colours; none where it has a look of its own.
        tall: Whether it throws a shadow.
        on_water: Whether it lies on water; the others never do.
        look: Colours of the object's own coordinates u, v (pixels from its middle), half sizes and its colour: a mask
            and RGB.
    """

    long_px: tuple[float, float]
    aspect: tuple[float, float]
    colours: tuple[str, ...]
    tall: bool
    look: Callable[[Grid, Grid, float, float, NDArray[np.float32]], tuple[NDArray[np.bool_], Grid]]
    on_water: bool = False


@dataclass(frozen=True, kw_only=True)
class Stamp:
    """An object to draw: kind, middle, half length and half width in pixels, direction, and colour."""

    kind: str
    x: float
    y: float
    half_long: float
    half_wide: float
    angle: float
    colour: RGB


def _rectangle(u: Grid, v: Grid, long: float, wide: float) -> NDArray[np.bool_]:
    return np.asarray((np.abs(u) <= long) & (np.abs(v) <= wide))


def _rim(u: Grid, v: Grid, long: float, wide: float) -> Grid:
    return np.minimum(long - np.abs(u), wide - np.abs(v))


def _lit(colour: NDArray[np.float32], light: Grid) -> Grid:
    return np.asarray(colour * light[..., None], dtype=np.float32)


def _house(u: Grid, v: Grid, long: float, wide: float, colour: NDArray[np.float32]) -> tuple[NDArray[np.bool_], Grid]:
    light = 1 + 0.16 * np.sign(v) + np.where(np.abs(v) < 0.6, 0.15, 0)
    return _rectangle(u, v, long, wide), _lit(colour, light)


def _warehouse(
    u: Grid, v: Grid, long: float, wide: float, colour: NDArray[np.float32]
) -> tuple[NDArray[np.bool_], Grid]:
    light = 1 + 0.05 * np.sign(np.sin(u * 2 * np.pi / 5)) + np.where(_rim(u, v, long, wide) < 1.2, 0.14, 0)
    return _rectangle(u, v, long, wide), _lit(colour, light)


def _tank(u: Grid, v: Grid, long: float, wide: float, colour: NDArray[np.float32]) -> tuple[NDArray[np.bool_], Grid]:
    del wide
    radius = np.hypot(u, v)
    light = 1 - 0.14 * u / long - np.where(radius > long - 1, 0.22, 0) - np.where(radius < 1, 0.2, 0)
    return radius <= long, _lit(colour, light)


def _pool(u: Grid, v: Grid, long: float, wide: float, colour: NDArray[np.float32]) -> tuple[NDArray[np.bool_], Grid]:
    edge = _rim(u, v, long, wide)[..., None] < 1.2
    return _rectangle(u, v, long, wide), np.where(edge, _WHITE, colour).astype(np.float32)


def _court(u: Grid, v: Grid, long: float, wide: float, colour: NDArray[np.float32]) -> tuple[NDArray[np.bool_], Grid]:
    inside = (np.abs(u) < 0.85 * long) & (np.abs(v) < 0.8 * wide)
    line = (np.abs(np.abs(v) - 0.7 * wide) < 0.5) | (np.abs(np.abs(u) - 0.8 * long) < 0.5) | (np.abs(u) < 0.5)
    return _rectangle(u, v, long, wide), np.where((inside & line)[..., None], _WHITE, colour).astype(np.float32)


def _pond(u: Grid, v: Grid, long: float, wide: float, colour: NDArray[np.float32]) -> tuple[NDArray[np.bool_], Grid]:
    depth = (u / long) ** 2 + (v / wide) ** 2
    return depth <= 1, _lit(colour, 1 + 0.25 * np.clip(depth, 0, 1))


def _car(u: Grid, v: Grid, long: float, wide: float, colour: NDArray[np.float32]) -> tuple[NDArray[np.bool_], Grid]:
    glass = np.abs(np.abs(u) - 0.45 * long) < 0.6
    return _rectangle(u, v, long, wide), _lit(colour, np.where(glass, 0.45, 1.0))


def _container(
    u: Grid, v: Grid, long: float, wide: float, colour: NDArray[np.float32]
) -> tuple[NDArray[np.bool_], Grid]:
    return _rectangle(u, v, long, wide), _lit(colour, 1 + 0.1 * np.sign(np.sin(u * 2 * np.pi / 3)))


def _boat(u: Grid, v: Grid, long: float, wide: float, colour: NDArray[np.float32]) -> tuple[NDArray[np.bool_], Grid]:
    hull = np.abs(v) <= wide * np.sqrt(np.clip(1 - (u / long) ** 2, 0, 1))
    cabin = _rectangle(u, v, 0.3 * long, 0.4 * wide)
    return hull, _lit(colour, np.where(cabin, 0.7, 1.0))


def _panels(u: Grid, v: Grid, long: float, wide: float, colour: NDArray[np.float32]) -> tuple[NDArray[np.bool_], Grid]:
    line = (np.mod(u + long, 4) < 0.8) | (np.mod(v + wide, 4) < 0.8)
    return _rectangle(u, v, long, wide), np.where(line[..., None], 165, colour).astype(np.float32)


def _greenhouse(
    u: Grid, v: Grid, long: float, wide: float, colour: NDArray[np.float32]
) -> tuple[NDArray[np.bool_], Grid]:
    return _rectangle(u, v, long, wide), _lit(colour, np.where(np.mod(v + wide, 3) < 1, 0.72, 1.0))


def _helipad(u: Grid, v: Grid, long: float, wide: float, colour: NDArray[np.float32]) -> tuple[NDArray[np.bool_], Grid]:
    del wide
    radius = np.hypot(u, v)
    letter = (np.abs(u) < 0.45 * long) & (np.abs(v) < 0.5 * long) & ((np.abs(u) > 0.25 * long) | (np.abs(v) < 0.8))
    marked = letter | (np.abs(radius - 0.8 * long) < 0.7)
    return radius <= long, np.where(marked[..., None], _WHITE, colour).astype(np.float32)


KINDS: dict[str, Kind] = {
    "house": Kind(long_px=(9, 19), aspect=(0.6, 0.9), colours=_ALL, tall=True, look=_house),
    "warehouse": Kind(long_px=(22, 34), aspect=(0.45, 0.75), colours=_ALL, tall=True, look=_warehouse),
    "storage tank": Kind(long_px=(8, 20), aspect=(1, 1), colours=_ALL, tall=True, look=_tank),
    "swimming pool": Kind(long_px=(7, 16), aspect=(0.45, 0.7), colours=(), tall=False, look=_pool),
    "tennis court": Kind(
        long_px=(16, 24), aspect=(0.5, 0.6), colours=("red", "blue", "green"), tall=False, look=_court
    ),
    "pond": Kind(long_px=(10, 26), aspect=(0.6, 0.95), colours=(), tall=False, look=_pond),
    "car": Kind(long_px=(7, 9), aspect=(0.45, 0.5), colours=_ALL, tall=True, look=_car),
    "container": Kind(long_px=(11, 15), aspect=(0.35, 0.42), colours=_ALL, tall=True, look=_container),
    "boat": Kind(
        long_px=(9, 17), aspect=(0.35, 0.42), colours=("white", "red", "blue"), tall=False, look=_boat, on_water=True
    ),
    "solar panels": Kind(long_px=(10, 24), aspect=(0.5, 0.8), colours=(), tall=False, look=_panels),
    "greenhouse": Kind(long_px=(14, 26), aspect=(0.4, 0.6), colours=(), tall=True, look=_greenhouse),
    "helipad": Kind(long_px=(12, 18), aspect=(1, 1), colours=(), tall=False, look=_helipad),
}
TRAINING_KINDS = tuple(kind for kind in KINDS if kind not in HELD_OUT_KINDS)
# Middle colour of the kinds that have one look.
_OWN: dict[str, RGB] = {
    "swimming pool": (78, 182, 214),
    "pond": (48, 78, 92),
    "solar panels": (34, 42, 84),
    "greenhouse": (214, 226, 220),
    "helipad": (112, 112, 116),
}


def draw_stamp(rng: np.random.Generator, kind: str, x: float, y: float) -> Stamp:
    """Draw size, direction and colour of an object at a place."""
    facts = KINDS[kind]
    long = rng.uniform(*facts.long_px) / 2
    middle = np.array(COLOURS[str(rng.choice(facts.colours))] if facts.colours else _OWN[kind])
    r, g, b = (float(v) for v in (middle * rng.uniform(0.92, 1.06) + rng.uniform(-8, 8, 3)).clip(8, 250))
    return Stamp(
        kind=kind,
        x=x,
        y=y,
        half_long=long,
        half_wide=long * rng.uniform(*facts.aspect),
        angle=rng.uniform(0, np.pi),
        colour=(r, g, b),
    )


def paint_stamp(
    stamp: Stamp, side_px: int, *, shift_px: tuple[float, float] = (0.0, 0.0)
) -> tuple[tuple[slice, slice], Grid, Grid]:
    """Return where on a tile an object lies: a window, and in it the share of each pixel it covers and its colour.

    Args:
        stamp: The object.
        side_px: Side of the tile.
        shift_px: By how much it is moved in x and y, for its shadow.

    Returns:
        Rows and columns of the window; shares, 0 to 1 (h, w); RGB (h, w, 3). The window is empty outside the tile.
    """
    x, y = stamp.x + shift_px[0], stamp.y + shift_px[1]
    reach = float(np.hypot(stamp.half_long, stamp.half_wide)) + 1
    (x0, x1), (y0, y1) = (
        (min(max(int(at - reach), 0), side_px), min(max(int(at + reach) + 1, 0), side_px)) for at in (x, y)
    )
    h, w = y1 - y0, x1 - x0
    u_w = (np.arange(w * _SAMPLES, dtype=np.float32) + 0.5) / _SAMPLES + np.float32(x0 - x)
    v_h = (np.arange(h * _SAMPLES, dtype=np.float32) + 0.5) / _SAMPLES + np.float32(y0 - y)
    c, s = np.float32(np.cos(stamp.angle)), np.float32(np.sin(stamp.angle))
    u, v = u_w[None] * c + v_h[:, None] * s, v_h[:, None] * c - u_w[None] * s
    colour = np.asarray(stamp.colour, dtype=np.float32)
    inside, rgb = KINDS[stamp.kind].look(u, v, stamp.half_long, stamp.half_wide, colour)
    share = inside.astype(np.float32)
    fine = (h, _SAMPLES, w, _SAMPLES)
    covered_hw = share.reshape(fine).mean(axis=(1, 3))
    rgb_hw3 = (rgb * share[..., None]).reshape(*fine, 3).mean(axis=(1, 3)) / np.maximum(covered_hw, 1e-6)[..., None]
    return (slice(y0, y1), slice(x0, x1)), covered_hw, rgb_hw3.astype(np.float32)
