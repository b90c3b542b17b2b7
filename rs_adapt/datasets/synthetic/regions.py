"""The synthetic regions: what differs between them is stated here, as numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace

CLASSES = ("background", "building", "road", "water", "vegetation", "bare")
PALETTE = ((200, 200, 200), (220, 40, 40), (250, 210, 60), (40, 90, 220), (50, 160, 70), (170, 120, 80))
BACKGROUND, BUILDING, ROAD, WATER, VEGETATION, BARE = range(6)
IGNORE_VALUE = 255

# Ground materials; each belongs to one class.
PAVED, LAWN, MEADOW, CROP, FOREST, SOIL, PLOUGHED = range(7)
MATERIAL_CLASS = (BACKGROUND, VEGETATION, VEGETATION, VEGETATION, VEGETATION, BARE, BARE)

RGB = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Region:
    """Everything that makes one region look and be laid out as it does.

    Lengths are metres, colours RGB 0-255, shares 0 to 1. Material colours follow the order paved, lawn, meadow, crop,
    forest floor, bare soil, ploughed soil. `blocks` holds the shares of residential, commercial, park and vacant town
    blocks, `parcels` those of crop, ploughed, meadow, forest and paved parcels of open land.
    """

    name: str
    epsg: int
    origin_m: tuple[float, float]
    gsd_m: float
    # Layout.
    town_share: float
    street_pattern: str
    block_m: float
    street_m: float
    main_road_m: float
    river_share: float
    river_m: float
    blocks: tuple[float, float, float, float]
    parcels: tuple[float, float, float, float, float]
    parcel_m: float
    house_m: tuple[float, float]
    hall_m: tuple[float, float]
    house_gap_m: float
    height_m: tuple[float, float]
    pitched_share: float
    trees: float
    # Materials.
    ground: tuple[RGB, RGB, RGB, RGB, RGB, RGB, RGB]
    road: RGB
    road_wear: float
    markings: float
    water: RGB
    crown: RGB
    roofs: tuple[RGB, ...]
    # Light and sensor.
    sun_azimuth_deg: float
    sun_elevation_deg: float
    haze: float
    haze_rgb: RGB
    blur_px: float
    noise: float
    gain: RGB


NORTH = Region(
    name="north",
    epsg=32632,
    origin_m=(440_000.0, 5_820_000.0),
    gsd_m=0.5,
    town_share=0.6,
    street_pattern="organic",
    block_m=92.0,
    street_m=8.0,
    main_road_m=12.0,
    river_share=0.9,
    river_m=26.0,
    blocks=(0.62, 0.2, 0.08, 0.1),
    parcels=(0.27, 0.27, 0.18, 0.18, 0.1),
    parcel_m=70.0,
    house_m=(11.0, 19.0),
    hall_m=(24.0, 42.0),
    house_gap_m=2.5,
    height_m=(5.0, 10.0),
    # Flat roofs are half of the north's too: a source without them cannot teach them.
    pitched_share=0.5,
    trees=1.0,
    ground=(
        (152, 148, 144),
        (88, 116, 62),
        (120, 134, 78),
        (98, 132, 60),
        (58, 78, 44),
        (150, 122, 92),
        (124, 98, 74),
    ),
    road=(92, 93, 97),
    road_wear=0.25,
    markings=0.9,
    water=(46, 66, 70),
    crown=(54, 84, 44),
    roofs=((160, 84, 64), (142, 74, 60), (112, 84, 70), (88, 90, 98), (176, 174, 172), (132, 132, 134)),
    sun_azimuth_deg=150.0,
    sun_elevation_deg=40.0,
    haze=0.04,
    haze_rgb=(190, 200, 210),
    blur_px=0.55,
    noise=2.5,
    gain=(256, 256, 256),
)

SOUTH = Region(
    name="south",
    epsg=32640,
    origin_m=(330_000.0, 2_770_000.0),
    gsd_m=0.7,
    town_share=0.62,
    street_pattern="grid",
    block_m=78.0,
    street_m=9.0,
    main_road_m=18.0,
    river_share=0.75,
    river_m=34.0,
    blocks=(0.6, 0.18, 0.06, 0.16),
    parcels=(0.22, 0.16, 0.24, 0.08, 0.3),
    parcel_m=95.0,
    house_m=(13.0, 22.0),
    hall_m=(26.0, 52.0),
    house_gap_m=2.5,
    height_m=(5.0, 14.0),
    pitched_share=0.4,
    trees=0.55,
    ground=(
        (162, 155, 146),
        (108, 122, 72),
        (138, 138, 88),
        (106, 128, 66),
        (84, 90, 56),
        (172, 126, 92),
        (146, 100, 74),
    ),
    road=(104, 103, 104),
    road_wear=0.45,
    markings=0.6,
    water=(56, 82, 82),
    crown=(68, 88, 50),
    # The pale ones well above paved ground: a roof that looks like ground leaves self-training nothing to go by.
    roofs=((230, 226, 220), (178, 104, 84), (162, 92, 70), (120, 136, 150), (154, 84, 66), (84, 86, 92)),
    sun_azimuth_deg=205.0,
    sun_elevation_deg=52.0,
    haze=0.12,
    haze_rgb=(206, 196, 178),
    blur_px=0.75,
    noise=4.0,
    gain=(264, 255, 244),
)

REGIONS = {region.name: region for region in (NORTH, SOUTH)}
# The south with pixels twice as large as those of the north.
COARSE_SOUTH = replace(SOUTH, name="coarse_south", gsd_m=2 * NORTH.gsd_m)
