"""Pairs of synthetic regions whose differences are drawn: the ground on which adaptation is developed and tested.

A source is a random region. Its target has the same look and layout except for some factors of the shift, which are
drawn a second time: `FACTORS`. Each factor shifts with probability `SHIFT_SHARE`, at least `LEAST_FACTORS` of them in a
pair. Nothing of a pair was chosen by a score: each pair is the first draw of its own random stream.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType

import numpy as np

from rs_adapt.datasets.synthetic.regions import REGIONS, Region
from rs_adapt.datasets.synthetic.styles import random_region
from rs_adapt.errors import ConfigError

SHIFT_SHARE = 0.55
LEAST_FACTORS = 3
PAIRS = 6
# Keeps the random streams of pairs apart from those of regions and styles.
_STREAM = 2_000_000
_SETS = {"dev": 1, "test": 2}

_Draw = Callable[[np.random.Generator, Region, Region], Region]


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


def _season(rng: np.random.Generator, region: Region, fresh: Region) -> Region:
    return replace(region, ground=fresh.ground, crown=fresh.crown, water=fresh.water, trees=fresh.trees)


def _pixel_size(rng: np.random.Generator, region: Region, fresh: Region) -> Region:
    # From 1.25 to 2 times as coarse or as fine.
    ratio = float(np.exp(rng.uniform(np.log(1.25), np.log(2.0))))
    coarser = region.gsd_m * ratio <= 1.2 and (region.gsd_m / ratio < 0.25 or bool(rng.random() < 0.5))
    return replace(region, gsd_m=round(region.gsd_m * ratio if coarser else region.gsd_m / ratio, 2))


def _haze(rng: np.random.Generator, region: Region, fresh: Region) -> Region:
    return replace(
        region,
        haze=rng.uniform(0.15, 0.45),
        haze_rgb=fresh.haze_rgb,
        sun_azimuth_deg=fresh.sun_azimuth_deg,
        sun_elevation_deg=fresh.sun_elevation_deg,
    )


def _sensor(rng: np.random.Generator, region: Region, fresh: Region) -> Region:
    red, green, blue = (round(256 * factor) for factor in rng.uniform(0.75, 1.25, 3))
    return replace(region, gain=(red, green, blue), blur_px=rng.uniform(0.4, 1.6), noise=rng.uniform(2.0, 10.0))


def _buildings(rng: np.random.Generator, region: Region, fresh: Region) -> Region:
    return replace(
        region,
        roofs=fresh.roofs,
        pitched_share=fresh.pitched_share,
        house_m=fresh.house_m,
        hall_m=fresh.hall_m,
        house_gap_m=fresh.house_gap_m,
        height_m=fresh.height_m,
    )


def _class_shares(rng: np.random.Generator, region: Region, fresh: Region) -> Region:
    return replace(
        region,
        town_share=fresh.town_share,
        river_share=fresh.river_share,
        river_m=fresh.river_m,
        blocks=fresh.blocks,
        parcels=fresh.parcels,
        parcel_m=fresh.parcel_m,
    )


def _roads(rng: np.random.Generator, region: Region, fresh: Region) -> Region:
    return replace(
        region,
        street_pattern="grid" if region.street_pattern == "organic" else "organic",
        block_m=fresh.block_m,
        street_m=fresh.street_m,
        main_road_m=fresh.main_road_m,
        road=fresh.road,
        road_wear=fresh.road_wear,
        markings=fresh.markings,
    )


FACTORS: Mapping[str, _Draw] = MappingProxyType(
    {
        "season": _season,
        "pixel size": _pixel_size,
        "haze and sun": _haze,
        "sensor": _sensor,
        "buildings": _buildings,
        "class shares": _class_shares,
        "roads": _roads,
    }
)


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
    fresh = random_region(rng, f"{name}_target")
    shifts = rng.random(len(FACTORS)) < SHIFT_SHARE
    while shifts.sum() < LEAST_FACTORS:
        shifts[rng.integers(len(FACTORS))] = True
    target = replace(source, name=fresh.name, origin_m=(source.origin_m[0], source.origin_m[1] + 100_000.0))
    factors = tuple(factor for factor, differs in zip(FACTORS, shifts, strict=True) if differs)
    for factor in factors:
        target = FACTORS[factor](rng, target, fresh)
    return ShiftedPair(source=source, target=target, factors=factors)


def region_named(name: str) -> Region:
    """Return a region by name: "north", "south", or that of a pair, such as "dev1_source".

    Raises:
        ConfigError: There is no such region.
    """
    if name in REGIONS:
        return REGIONS[name]
    pair, _, role = name.partition("_")
    kind, digits = pair.rstrip("0123456789"), pair[len(pair.rstrip("0123456789")) :]
    if role not in ("source", "target") or kind not in _SETS or digits not in [str(n) for n in range(1, PAIRS + 1)]:
        raise ConfigError(
            f"There is no synthetic region {name!r}. Allowed: {', '.join(REGIONS)}, and dev1_source, dev1_target ... "
            f"dev{PAIRS}_target, test1_source ... test{PAIRS}_target."
        )
    regions = shifted_pair(kind, int(digits))
    return regions.source if role == "source" else regions.target
