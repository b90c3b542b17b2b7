"""Scenes in random styles and seasons, with the material and the building of every pixel (H/W pixels)."""

from __future__ import annotations

import colorsys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from rs_adapt.datasets.synthetic.layout import Building, make_layout
from rs_adapt.datasets.synthetic.regions import CROP, FOREST, LAWN, MEADOW, PAVED, REGIONS, RGB, Region
from rs_adapt.datasets.synthetic.render import paint
from rs_adapt.datasets.synthetic.sensor import expose
from rs_adapt.datasets.synthetic.shifts import PAIRS, shifted_pair
from rs_adapt.datasets.synthetic.styles import LEAST_APART, look_apart, random_region
from rs_adapt.pretraining.captioned.held_out import LEAST_APART_FROM_PAIRS

SEASONS = ("summer", "autumn", "winter", "dry season")
_SEASON_SHARES = (0.4, 0.2, 0.2, 0.2)
# Keeps these scenes apart from those that other weights are trained on, and training from validation.
_STREAMS = {"train": 3_000_000, "val": 3_500_000}
_MOST_DRAWS = 100
_SNOW = (243, 246, 250)
# Longest side in metres up to which a building is a house, and from which it is a warehouse.
HOUSE_M, WAREHOUSE_M = 20.0, 28.0


@dataclass(frozen=True, kw_only=True)
class SceneBuilding:
    """A building of a scene: what it is called, whether its roof is pitched, and its pixels in the whole scene."""

    kind: str
    pitched: bool
    area_px: int


@dataclass(frozen=True, kw_only=True, eq=False)
class StyleScene:
    """A drawn scene.

    Attributes:
        image_HW3: RGB, uint8 1-255.
        material_HW: Material of each pixel, uint8; see `rs_adapt.pretraining.MATERIALS`.
        building_HW: Number of the building of each pixel plus 1, uint16; 0 where there is none.
        buildings: The buildings.
        region: The style, after the season.
        season: One of `SEASONS`.
    """

    image_HW3: NDArray[np.uint8]
    material_HW: NDArray[np.uint8]
    building_HW: NDArray[np.uint16]
    buildings: tuple[SceneBuilding, ...]
    region: Region
    season: str


def draw_style_scene(*, seed: int, split: str, number: int, size_px: int) -> StyleScene:
    """Draw one scene; equal arguments give equal pixels.

    Args:
        seed: Seed of the set, 0 or more.
        split: "train" or "val"; no two splits share a style.
        number: Number of the scene in its split.
        size_px: Side of the scene.
    """
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, _STREAMS[split], number])))
    region, season = random_style(rng, f"caption{number:04d}")
    layout = make_layout(rng, region, size_px)
    image_HW3 = expose(rng, region, paint(rng, region, layout))
    building_HW = np.zeros((size_px, size_px), dtype=np.uint16)
    for index, house in enumerate(layout.buildings, start=1):
        cv2.fillPoly(building_HW, [np.round(house.corners()).astype(np.int32)], index)
    building_HW[~layout.building] = 0
    areas = np.bincount(building_HW.ravel(), minlength=len(layout.buildings) + 1)[1:]
    return StyleScene(
        image_HW3=image_HW3,
        material_HW=layout.materials(),
        building_HW=building_HW,
        buildings=tuple(
            SceneBuilding(kind=_kind(house, region.gsd_m), pitched=house.pitched, area_px=int(area))
            for house, area in zip(layout.buildings, areas, strict=True)
        ),
        region=region,
        season=season,
    )


def random_style(rng: np.random.Generator, name: str) -> tuple[Region, str]:
    """Draw a region and a season, far enough in colour from every region of the benches."""
    for _ in range(_MOST_DRAWS):
        season = str(rng.choice(SEASONS, p=_SEASON_SHARES))
        region = _in_season(rng, random_region(rng, name), season)
        if all(look_apart(region, known) > least for known, least in bench_regions()):
            return region, season
    raise AssertionError(f"no style far enough from the benches' in {_MOST_DRAWS} draws")


@cache
def bench_regions() -> tuple[tuple[Region, float], ...]:
    """Return every region that a bench shows, and the least distance in colour of a style from it."""
    return (*((region, LEAST_APART) for region in REGIONS.values()), *_regions_of_pairs())


def _regions_of_pairs() -> Iterator[tuple[Region, float]]:
    for kind in ("dev", "test"):
        for number in range(1, PAIRS + 1):
            pair = shifted_pair(kind, number)
            yield pair.source, LEAST_APART_FROM_PAIRS
            yield pair.target, LEAST_APART_FROM_PAIRS


def _kind(house: Building, gsd_m: float) -> str:
    long_m = 2 * max(house.half_long, house.half_wide) * gsd_m
    return "house" if long_m <= HOUSE_M else "warehouse" if long_m >= WAREHOUSE_M else "building"


def _in_season(rng: np.random.Generator, region: Region, season: str) -> Region:
    ground, crown = list(region.ground), region.crown
    if season == "summer":
        hue = rng.uniform(85, 125)
        for kind in (LAWN, MEADOW, CROP, FOREST):
            ground[kind] = _recoloured(ground[kind], hue + rng.uniform(-10, 10), rng.uniform(0.3, 0.55))
        crown = _recoloured(crown, hue + rng.uniform(-10, 10), rng.uniform(0.35, 0.6))
    elif season == "autumn":
        crown = _recoloured(crown, rng.uniform(14, 42), rng.uniform(0.45, 0.75), rng.uniform(0.4, 0.6))
        ground[FOREST] = _recoloured(ground[FOREST], rng.uniform(14, 42), rng.uniform(0.35, 0.6))
    elif season == "dry season":
        hue = rng.uniform(38, 52)
        for kind in (LAWN, MEADOW, CROP):
            ground[kind] = _recoloured(
                ground[kind], hue + rng.uniform(-5, 5), rng.uniform(0.25, 0.5), rng.uniform(0.5, 0.75)
            )
    else:
        for kind in range(PAVED + 1, len(ground)):
            ground[kind] = _mixed(ground[kind], _SNOW, rng.uniform(0.75, 0.95))
        crown = _mixed(crown, _SNOW, rng.uniform(0.1, 0.4))
    paved, lawn, meadow, crop, forest, soil, ploughed = ground
    return replace(region, ground=(paved, lawn, meadow, crop, forest, soil, ploughed), crown=crown)


def _recoloured(colour: RGB, hue_deg: float, saturation: float, value: float | None = None) -> RGB:
    own = max(colour) / 255
    r, g, b = colorsys.hsv_to_rgb(hue_deg % 360 / 360, saturation, own if value is None else value)
    return round(255 * r), round(255 * g), round(255 * b)


def _mixed(colour: RGB, other: RGB, share: float) -> RGB:
    r, g, b = (round((1 - share) * own + share * new) for own, new in zip(colour, other, strict=True))
    return r, g, b
