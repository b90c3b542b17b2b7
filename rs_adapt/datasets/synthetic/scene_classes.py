"""Tiles of scene classes in the styles of the synthetic regions: a layout for each class, painted as whole scenes are.

Each class is a layout by itself (`farmland` parcels, `harbour` piers in water, ...), so that its name describes the
tile; streets, roofs, crowns, light and sensor are those of the region. Shapes: H/W pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rs_adapt.datasets.synthetic import fields
from rs_adapt.datasets.synthetic.canvas import Canvas
from rs_adapt.datasets.synthetic.regions import CROP, FOREST, LAWN, MEADOW, PAVED, PLOUGHED, SOIL, Region
from rs_adapt.datasets.synthetic.render import paint
from rs_adapt.datasets.synthetic.sensor import expose

# To be raised whenever a change here gives other pixels.
SCENE_CLASSES_VERSION = 1
# One metre a pixel: a tile of 128 px shows what makes a place a harbour or a suburb.
GSD_M = 1.0
# Keeps these random streams apart from those of whole scenes.
_STREAM = 2_000_000


def _bare_land(c: Canvas) -> None:
    c.material[c.rough(40) > 1.1] = PLOUGHED
    c.plant(4, np.ones_like(c.material, dtype=bool), (1.0, 1.8))


def _crossroads(c: Canvas) -> None:
    angle, width = c.rng.uniform(0, np.pi), c.rng.uniform(12, 18)
    for turn in (0.0, np.pi / 2 + c.rng.uniform(-0.2, 0.2)):
        c.pave(c.line_m(angle + turn, c.rng.uniform(-0.12, 0.12) * c.half_m), width)
    c.material[c.rough(30) > 0.9] = PAVED
    _houses(c, 12, (9, 16), angle=angle, pitched=0.5, gap_m=3)
    c.plant(18, np.ones_like(c.material, dtype=bool))


def _houses(
    c: Canvas, tries: int, long_m: tuple[float, float], *, angle: float, pitched: float, gap_m: float = 1.5
) -> None:
    for x, y in c.rng.uniform(0, c.size_px, (tries, 2)):
        length = c.rng.uniform(*long_m)
        turned = angle + c.rng.integers(2) * np.pi / 2
        width = length * c.rng.uniform(0.55, 0.85)
        c.build(x, y, length, width, turned, pitched=bool(c.rng.random() < pitched), gap_m=gap_m)


def _dense_residential(c: Canvas) -> None:
    angle, step = c.rng.uniform(0, np.pi), c.rng.uniform(13, 16)
    for shift in np.arange(-1.5, 2) * step * 3.2:
        c.pave(c.line_m(angle, float(shift)), 5)
    for i in np.arange(-9, 10):
        for j in np.arange(-9, 10):
            u, v = i * step, (j + 0.5) * step * 0.8
            x, y = c.place(u, v, angle)
            if c.shows(x, y):
                c.build(x, y, c.rng.uniform(9, 11.5), c.rng.uniform(7, 8.5), angle, pitched=True, gap_m=0.4)


def _sparse_residential(c: Canvas) -> None:
    angle = c.rng.uniform(0, np.pi)
    c.pave(c.curve_m(), 5)
    _houses(c, int(c.rng.integers(4, 8)), (12, 18), angle=angle, pitched=1.0, gap_m=8)
    c.plant(45, np.ones_like(c.material, dtype=bool))


def _farmland(c: Canvas) -> None:
    angle = c.rng.uniform(0, np.pi)
    u_HW, v_HW = fields.turned(c.x_HW, c.y_HW, angle)
    parcel, edge_m, _ = fields.cells(c.rng, u_HW, v_HW * np.float32(1.8), c.rng.uniform(38, 60), 0.2)
    kinds = np.asarray([CROP, PLOUGHED, CROP, PLOUGHED, CROP], dtype=np.float32)
    c.material = fields.per_cell(parcel, kinds).astype(np.uint8)
    c.material[edge_m < 1.0] = MEADOW
    c.cell = parcel
    c.row_angle = fields.per_cell(parcel, c.rng.uniform(0, np.pi, 31).astype(np.float32), 5)


def _forest(c: Canvas) -> None:
    clearing = c.rough(50) > 1.6
    c.material[clearing] = MEADOW
    c.plant(int(0.032 * c.size_px**2), ~clearing)


def _harbour(c: Canvas) -> None:
    angle = c.rng.uniform(0, np.pi)
    u_HW, v_HW = fields.turned(c.x_HW, c.y_HW, angle)
    quay_m = c.rng.uniform(-0.55, -0.3) * c.half_m
    c.flood(v_HW - np.float32(quay_m))
    step = c.rng.uniform(22, 30)
    for shift in np.arange(-3, 4) * step + c.rng.uniform(-6, 6):
        pier_m = np.abs(u_HW - np.float32(shift))
        reach = c.rng.uniform(0.3, 0.8) * c.half_m
        inside = (v_HW > quay_m - 4) & (v_HW < reach)
        c.pave(np.where(inside, pier_m, np.float32(99)), 4)
        for v in np.arange(quay_m + 8, reach - 6, 9.0):
            for side in (-8.0, 8.0):
                u = shift + side
                x, y = c.place(u, v, angle)
                if c.rng.random() < 0.7:
                    c.build(x, y, c.rng.uniform(6, 11), 3, angle, afloat=True, height_m=1.5, gap_m=0.2)


def _industrial(c: Canvas) -> None:
    angle = c.rng.uniform(0, np.pi)
    c.pave(c.line_m(angle, c.rng.uniform(-0.3, 0.3) * c.half_m), 9)
    for x, y in c.rng.uniform(0, c.size_px, (60, 2)):
        length = c.rng.uniform(34, 58)
        c.build(x, y, length, length * c.rng.uniform(0.45, 0.75), angle, height_m=9.0, gap_m=3)


def _lake(c: Canvas) -> None:
    cx, cy = c.rng.uniform(-0.2, 0.2, 2) * c.half_m
    distance = np.hypot(c.x_HW - np.float32(cx), (c.y_HW - np.float32(cy)) * np.float32(c.rng.uniform(0.8, 1.3)))
    c.flood(np.float32(c.rng.uniform(0.45, 0.65) * c.half_m) - distance + c.rough(40) * np.float32(5))
    c.plant(50, c.shore_m < -4)


def _river(c: Canvas) -> None:
    c.flood(np.float32(c.rng.uniform(9, 15)) - c.curve_m() + c.rough(40) * np.float32(1.5))
    c.plant(50, c.shore_m < -4)


def _orchard(c: Canvas) -> None:
    angle, step = c.rng.uniform(0, np.pi), c.rng.uniform(7.5, 9.5)
    ends = np.arange(-c.half_m * 1.5, c.half_m * 1.5, step)
    for u in ends:
        for v in ends:
            x, y = c.place(u, v, angle)
            if c.shows(x, y):
                c.trees.append((x, y, 2.4 / c.region.gsd_m))


def _parking_lot(c: Canvas) -> None:
    angle = c.rng.uniform(0, np.pi)
    for v in np.arange(-c.half_m * 1.4, c.half_m * 1.4, 5.6):
        if round(v / 5.6) % 3 == 2:
            continue
        for u in np.arange(-c.half_m * 1.4, c.half_m * 1.4, 3.1):
            x, y = c.place(u, v, angle)
            if c.rng.random() < 0.75 and c.shows(x, y, 2):
                c.build(x, y, 4.4, 2.0, angle + np.pi / 2, height_m=1.5, gap_m=0)


def _road(c: Canvas) -> None:
    angle = c.rng.uniform(0, np.pi)
    for shift in (-9.0, 9.0):
        c.pave(c.line_m(angle, shift), 13)
    c.plant(12, c.road_edge_m < -6)


def _sports_field(c: Canvas) -> None:
    angle = c.rng.uniform(0, np.pi)
    u_HW, v_HW = fields.turned(c.x_HW, c.y_HW, angle)
    straight, radius = np.float32(c.rng.uniform(22, 28)), np.float32(c.rng.uniform(20, 25))
    oval_m = np.hypot(np.maximum(np.abs(u_HW) - straight, 0), v_HW) - radius
    c.material[:] = PAVED
    c.material[oval_m < 0] = LAWN
    c.material[(oval_m >= 0) & (oval_m < 7)] = SOIL
    c.cell[oval_m < 0] = 1


# Ground material and drawing of each class, by its name as prompts spell it.
_CLASSES: dict[str, tuple[int, Callable[[Canvas], None]]] = {
    "bare land": (SOIL, _bare_land),
    "crossroads": (MEADOW, _crossroads),
    "dense residential": (PAVED, _dense_residential),
    "farmland": (CROP, _farmland),
    "forest": (FOREST, _forest),
    "harbour": (PAVED, _harbour),
    "industrial": (PAVED, _industrial),
    "lake": (MEADOW, _lake),
    "orchard": (MEADOW, _orchard),
    "parking lot": (PAVED, _parking_lot),
    "river": (MEADOW, _river),
    "road": (MEADOW, _road),
    "sparse residential": (LAWN, _sparse_residential),
    "sports field": (LAWN, _sports_field),
}
SCENE_CLASSES = tuple(_CLASSES)


def draw_scene_class(region: Region, name: str, *, seed: int, number: int, size_px: int) -> NDArray[np.uint8]:
    """Draw a tile of a scene class; equal arguments give equal pixels.

    Args:
        region: The style.
        name: One of `SCENE_CLASSES`.
        seed: Seed of the set, 0 or more.
        number: Number of the tile within its class, 0 or more.
        size_px: Side.

    Returns:
        RGB, uint8 1-255, shape (H, W, 3), at 1 m a pixel.
    """
    ground, draw = _CLASSES[name]
    of_class = SCENE_CLASSES.index(name)
    stream = np.random.SeedSequence([seed, _STREAM, sum(region.name.encode()), of_class, number])
    rng = np.random.Generator(np.random.PCG64(stream))
    styled = replace(region, gsd_m=GSD_M)
    canvas = Canvas(rng, styled, size_px, ground)
    draw(canvas)
    return expose(rng, styled, paint(rng, styled, canvas.layout()))
