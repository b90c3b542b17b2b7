"""Pairs of synthetic regions whose differences are drawn: the ground on which adaptation is developed and tested.

A source is a random region. Its target has the same look and layout except for some factors of the shift, which are
drawn a second time: `FACTORS`. Each factor shifts with probability `SHIFT_SHARE`, at least `LEAST_FACTORS` of them in a
pair. Nothing of a pair was chosen by a score: each pair is the first draw of its own random stream.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np

from rs_adapt.datasets.synthetic.regions import COARSE_SOUTH, REGIONS, Region
from rs_adapt.datasets.synthetic.styles import random_region
from rs_adapt.errors import ConfigError

SHIFT_SHARE = 0.55
LEAST_FACTORS = 3
PAIRS = 6
# Keeps the random streams of pairs apart from those of regions and styles.
_STREAM = 2_000_000
_SETS = {"dev": 1, "test": 2}
_REGION_OF_PAIR = re.compile(rf"(dev|test)([1-{PAIRS}])_(source|target)")


@dataclass(frozen=True, kw_only=True)
class ShiftedPair:
    """Two regions, and what differs between them.

    Attributes:
        source: The region with labels.
        target: The region to adapt to.
        factors: Names of the factors that differ, in the order of `FACTORS`.
    """

    source: Region
    target: Region
    factors: tuple[str, ...]


# Values of the target that are those of a second random region, by factor; some factors change further ones (`_shift`).
FACTORS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "season": ("ground", "crown", "water", "trees"),
        "pixel size": (),
        "haze and sun": ("haze_rgb", "sun_azimuth_deg", "sun_elevation_deg"),
        "sensor": (),
        "buildings": ("roofs", "pitched_share", "house_m", "hall_m", "house_gap_m", "height_m"),
        "class shares": ("town_share", "river_share", "river_m", "blocks", "parcels", "parcel_m"),
        "roads": ("block_m", "street_m", "main_road_m", "road", "road_wear", "markings"),
    }
)


def _shift(rng: np.random.Generator, region: Region, factor: str, second: Region) -> Region:
    """Return a region in which one factor differs."""
    changes: dict[str, Any] = {name: getattr(second, name) for name in FACTORS[factor]}
    if factor == "pixel size":
        changes["gsd_m"] = _shifted_pixel_m(rng, region.gsd_m)
    elif factor == "haze and sun":
        changes["haze"] = rng.uniform(0.15, 0.45)
    elif factor == "sensor":
        red, green, blue = (round(256 * gain) for gain in rng.uniform(0.75, 1.25, 3))
        changes |= {"gain": (red, green, blue), "blur_px": rng.uniform(0.4, 1.6), "noise": rng.uniform(2.0, 10.0)}
    elif factor == "roads":
        changes["street_pattern"] = "grid" if region.street_pattern == "organic" else "organic"
    return replace(region, **changes)


def _shifted_pixel_m(rng: np.random.Generator, gsd_m: float) -> float:
    """Return a pixel 1.25 to 2 times as coarse or as fine."""
    ratio = float(np.exp(rng.uniform(np.log(1.25), np.log(2.0))))
    coarser = gsd_m * ratio <= 1.2 and (gsd_m / ratio < 0.25 or bool(rng.random() < 0.5))
    return round(gsd_m * ratio if coarser else gsd_m / ratio, 2)


@cache
def shifted_pair(kind: str, number: int) -> ShiftedPair:
    """Return one pair of regions; equal arguments give equal regions.

    Args:
        kind: "dev" for the pairs on which settings are chosen, "test" for those that are scored at the end alone.
        number: Number of the pair in its set, 1 to `PAIRS`.

    Returns:
        The pair; its regions are called `<kind><number>_source` and `<kind><number>_target`.

    Raises:
        ConfigError: There is no such pair.
    """
    if kind not in _SETS or not 1 <= number <= PAIRS:
        raise ConfigError(f"There is no pair {kind}{number}: pairs are dev1 to dev{PAIRS} and test1 to test{PAIRS}.")
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([_STREAM, _SETS[kind], number])))
    name = f"{kind}{number}"
    drawn = random_region(rng, f"{name}_source")
    source = replace(drawn, gsd_m=round(drawn.gsd_m, 2))
    second = random_region(rng, f"{name}_target")
    shifts = rng.random(len(FACTORS)) < SHIFT_SHARE
    while shifts.sum() < LEAST_FACTORS:
        shifts[rng.integers(len(FACTORS))] = True
    target = replace(source, name=second.name, origin_m=(source.origin_m[0], source.origin_m[1] + 100_000.0))
    factors = tuple(factor for factor, differs in zip(FACTORS, shifts, strict=True) if differs)
    for factor in factors:
        target = _shift(rng, target, factor, second)
    return ShiftedPair(source=source, target=target, factors=factors)


def region_named(name: str) -> Region:
    """Return a region by name: "north", "south", "coarse_south", or that of a pair, such as "dev1_source".

    Raises:
        ConfigError: There is no such region.
    """
    if name in REGIONS:
        return REGIONS[name]
    if name == COARSE_SOUTH.name:
        return COARSE_SOUTH
    match = _REGION_OF_PAIR.fullmatch(name)
    if match is None:
        raise ConfigError(
            f"There is no synthetic region {name!r}. Allowed: {', '.join([*REGIONS, COARSE_SOUTH.name])}, and "
            f"dev1_source, dev1_target ... dev{PAIRS}_target, test1_source ... test{PAIRS}_target."
        )
    pair = shifted_pair(match[1], int(match[2]))
    return pair.source if match[3] == "source" else pair.target
