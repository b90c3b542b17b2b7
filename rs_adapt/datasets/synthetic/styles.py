"""Random regions for pre-training: other colours, light, streets and land use than the two regions of the bench."""

from __future__ import annotations

import colorsys

import numpy as np
from numpy.typing import NDArray

from rs_adapt.datasets.synthetic.regions import REGIONS, RGB, Region

# Mean difference of the materials' colours as the sensor sees them, in steps of 255: north and south are 16 apart, and
# a random region has to keep nearly as much from both.
LEAST_APART = 14.0
_MOST_DRAWS = 100


def random_region(rng: np.random.Generator, name: str) -> Region:
    """Draw one region: layout, materials, light and sensor, each over a wide range.

    Regions that look like one of the bench's (`look_apart` below `LEAST_APART`) are drawn again, so that nothing which
    is trained on these scenes has seen the bench's colours.

    Args:
        rng: Source of all random numbers.
        name: Name of the region.
    """
    for _ in range(_MOST_DRAWS):
        region = _draw(rng, name)
        if all(look_apart(region, known) > LEAST_APART for known in REGIONS.values()):
            return region
    raise AssertionError(f"no region far enough from the bench's in {_MOST_DRAWS} draws")


def look_apart(one: Region, other: Region) -> float:
    """Mean absolute difference (0 to 255) of the materials' colours of two regions under their own light and haze."""
    return float(np.abs(_seen(one) - _seen(other)).mean())


def _seen(region: Region) -> NDArray[np.float64]:
    colours = np.array([*region.ground, region.road, region.water, region.crown], dtype=np.float64)
    lit = colours * np.array(region.gain) / 256
    return np.asarray(lit * (1 - region.haze) + np.array(region.haze_rgb) * region.haze, dtype=np.float64)


def _draw(rng: np.random.Generator, name: str) -> Region:
    bright = rng.uniform(0.75, 1.2)
    green = (rng.uniform(50, 135), rng.uniform(0.15, 0.55), bright * rng.uniform(0.28, 0.55))
    earth = (rng.uniform(8, 45), rng.uniform(0.08, 0.5), bright * rng.uniform(0.4, 0.8))
    stone = (rng.uniform(0, 360), rng.uniform(0.0, 0.1), bright * rng.uniform(0.4, 0.8))
    lawn, meadow, crop, forest = (
        _near(rng, green, hue=14, saturation=0.1, value=value) for value in (1.0, 1.15, 1.05, 0.65)
    )
    soil, ploughed = _near(rng, earth, hue=6, saturation=0.06), _near(rng, earth, hue=6, saturation=0.08, value=0.8)
    return Region(
        name=name,
        epsg=32632,
        origin_m=(440_000.0, 5_820_000.0),
        gsd_m=float(np.exp(rng.uniform(np.log(0.3), np.log(1.1)))),
        town_share=rng.uniform(0.35, 0.8),
        street_pattern=str(rng.choice(["organic", "grid"])),
        block_m=rng.uniform(60, 125),
        street_m=rng.uniform(6, 11),
        main_road_m=rng.uniform(9, 22),
        river_share=rng.uniform(0.5, 1.0),
        river_m=rng.uniform(18, 50),
        blocks=_shares(rng, (0.6, 0.2, 0.08, 0.14)),  # type: ignore[arg-type]
        parcels=_shares(rng, (0.25, 0.22, 0.2, 0.15, 0.2)),  # type: ignore[arg-type]
        parcel_m=rng.uniform(50, 110),
        house_m=(rng.uniform(8, 12), rng.uniform(16, 24)),
        hall_m=(rng.uniform(20, 28), rng.uniform(36, 60)),
        house_gap_m=rng.uniform(1.5, 4),
        height_m=(rng.uniform(3, 6), rng.uniform(8, 18)),
        pitched_share=rng.uniform(0, 1),
        trees=rng.uniform(0.3, 1.4),
        ground=(_rgb(stone), lawn, meadow, crop, forest, soil, ploughed),
        road=_near(rng, (stone[0], 0.04, bright * rng.uniform(0.25, 0.62)), hue=40, saturation=0.03),
        road_wear=rng.uniform(0.1, 0.6),
        markings=rng.uniform(0.2, 1.0),
        water=_rgb((rng.uniform(60, 225), rng.uniform(0.1, 0.6), bright * rng.uniform(0.15, 0.5))),
        crown=_near(rng, green, hue=12, saturation=0.1, value=rng.uniform(0.6, 0.85)),
        roofs=tuple(_roof(rng, bright) for _ in range(int(rng.integers(4, 9)))),
        sun_azimuth_deg=rng.uniform(90, 270),
        sun_elevation_deg=rng.uniform(28, 65),
        haze=rng.uniform(0.0, 0.25),
        haze_rgb=_near(rng, (rng.uniform(20, 230), 0.08, 0.78), hue=0, saturation=0.06),
        blur_px=rng.uniform(0.35, 1.1),
        noise=rng.uniform(1.0, 6.0),
        gain=(int(256 * rng.uniform(0.85, 1.15)), 256, int(256 * rng.uniform(0.85, 1.15))),
    )


def _roof(rng: np.random.Generator, bright: float) -> RGB:
    """Tiles (red to brown), metal and concrete (grey to white), dark felt, or any paint."""
    kind = rng.choice(4, p=[0.35, 0.35, 0.15, 0.15])
    if kind == 0:
        return _rgb((rng.uniform(0, 30), rng.uniform(0.25, 0.7), bright * rng.uniform(0.4, 0.75)))
    if kind == 1:
        return _rgb((rng.uniform(0, 360), rng.uniform(0, 0.1), bright * rng.uniform(0.5, 0.95)))
    if kind == 2:
        return _rgb((rng.uniform(0, 360), rng.uniform(0, 0.15), bright * rng.uniform(0.2, 0.4)))
    return _rgb((rng.uniform(0, 360), rng.uniform(0.1, 0.5), bright * rng.uniform(0.35, 0.8)))


def _near(
    rng: np.random.Generator, hsv: tuple[float, float, float], *, hue: float, saturation: float, value: float = 1.0
) -> RGB:
    h, s, v = hsv
    spread = rng.uniform(-1, 1, 3)
    return _rgb((h + hue * spread[0], s + saturation * spread[1], v * value * (1 + 0.12 * spread[2])))


def _rgb(hsv: tuple[float, float, float]) -> RGB:
    """RGB 0-255 from hue in degrees, saturation and value 0-1 (clipped)."""
    h, s, v = hsv
    r, g, b = colorsys.hsv_to_rgb(h % 360 / 360, min(max(s, 0.0), 1.0), min(max(v, 0.03), 0.97))
    return round(255 * r), round(255 * g), round(255 * b)


def _shares(rng: np.random.Generator, middle: tuple[float, ...]) -> tuple[float, ...]:
    weights = np.array(middle) * rng.uniform(0.4, 1.8, len(middle))
    return tuple(float(w) for w in weights / weights.sum())
