"""Paint a layout: materials with texture, roofs, crowns, shadows, cars and markings (H/W pixels)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from rs_adapt.datasets.synthetic import fields
from rs_adapt.datasets.synthetic.fields import Field
from rs_adapt.datasets.synthetic.layout import Building, Layout
from rs_adapt.datasets.synthetic.regions import CROP, FOREST, LAWN, MEADOW, PAVED, PLOUGHED, RGB, SOIL, Region

# Skylight still reaches shadows, and it is blue.
SHADE = np.array([0.44, 0.49, 0.58], dtype=np.float32)
# Standard deviation of the brightness within a material, RGB steps: (coarse patches, fine grain).
TEXTURE = {PAVED: (9, 5), LAWN: (9, 7), MEADOW: (14, 9), CROP: (8, 5), FOREST: (8, 8), SOIL: (12, 6), PLOUGHED: (8, 5)}
CAR_COLOURS = ((225, 225, 228), (40, 42, 46), (150, 30, 34), (52, 78, 130), (150, 152, 156))


def paint(rng: np.random.Generator, region: Region, layout: Layout) -> Field:
    """Paint the scene as seen without atmosphere: float32 RGB 0-255, shape (H, W, 3)."""
    size_px, gsd = layout.road.shape[0], region.gsd_m
    patch = fields.noise(rng, size_px, 14 / gsd, 3)
    fine = fields.grain(rng, size_px, 0.6)
    image = _ground(rng, region, layout, patch, fine)
    _water(rng, region, layout, image)
    _roads(rng, region, layout, image, patch, fine)
    _cars(rng, region, layout, image)
    shadow = _shadows(region, layout)
    image *= 1 - shadow[..., None] * (1 - SHADE)
    _crowns(rng, region, layout, image, fine)
    _roofs(rng, region, layout, image, fine)
    return image


def _ground(rng: np.random.Generator, region: Region, layout: Layout, patch: Field, fine: Field) -> Field:
    size_px, gsd = layout.road.shape[0], region.gsd_m
    colours = np.asarray(region.ground, dtype=np.float32)
    image = colours[layout.material]
    # Every block or field has its own tint, as each is mown, ploughed or paved at its own time.
    tint = fields.per_cell(layout.cell, rng.normal(0, 9, 61).astype(np.float32), 1)
    warm = fields.per_cell(layout.cell, rng.normal(0, 5, 67).astype(np.float32), 2)
    image += tint[..., None] + warm[..., None] * np.array([1.0, 0.2, -0.8], dtype=np.float32)
    coarse_of, fine_of = (np.array([TEXTURE[kind][i] for kind in range(7)], dtype=np.float32) for i in (0, 1))
    image += (patch * coarse_of[layout.material] + fine * fine_of[layout.material])[..., None]
    # Rows: crops 2.4 m, plough furrows 3.2 m apart; slabs of paved yards 6 m.
    x_HW, y_HW = fields.coordinates(size_px, gsd)
    across = y_HW * np.cos(layout.row_angle) - x_HW * np.sin(layout.row_angle)
    wobble = 0.5 * fields.noise(rng, size_px, 30 / gsd, 1)
    crop, plough = layout.material == CROP, layout.material == PLOUGHED
    rows = np.where(crop, np.sin((across + wobble) * np.float32(2 * np.pi / 2.4)), 0) * 11
    rows += np.where(plough, np.sin((across + wobble) * np.float32(2 * np.pi / 3.2)), 0) * 9
    image += rows[..., None].astype(np.float32)
    # Gaps in the crop show the soil.
    gaps = crop & (fields.noise(rng, size_px, 12 / gsd, 2) > 1.5)
    image[gaps] = 0.5 * image[gaps] + 0.5 * colours[SOIL]
    # Soil carries sparse weeds.
    weeds = (layout.material == SOIL) & (patch + 0.7 * fine > 1.9)
    image[weeds] = 0.45 * image[weeds] + 0.55 * colours[MEADOW]
    _joints(layout, image, x_HW, y_HW, gsd)
    return np.asarray(image, dtype=np.float32)


def _joints(layout: Layout, image: Field, x_HW: Field, y_HW: Field, gsd: float) -> None:
    """Joints between the slabs of paved ground, aligned with the field's direction."""
    c, s = np.cos(layout.row_angle), np.sin(layout.row_angle)
    line = (np.mod(x_HW * c + y_HW * s, 7.0) < gsd) | (np.mod(y_HW * c - x_HW * s, 7.0) < gsd)
    image[line & (layout.material == PAVED)] -= 13


def _water(rng: np.random.Generator, region: Region, layout: Layout, image: Field) -> None:
    size_px, gsd = layout.road.shape[0], region.gsd_m
    ripple = fields.noise(rng, size_px, 9 / gsd, 2) * 2.2 + fields.noise(rng, size_px, 90 / gsd, 2) * 5
    shallow = np.clip(1 - layout.shore_m / 7, 0, 1)[..., None]
    deep = np.asarray(region.water, dtype=np.float32) + rng.normal(0, 6, 3).astype(np.float32)
    ground = np.asarray(region.ground[SOIL], dtype=np.float32)
    colour = (deep + ripple[..., None]) * (1 - 0.35 * shallow) + ground * (0.35 * shallow)
    image[layout.water] = colour[layout.water]


def _roads(rng: np.random.Generator, region: Region, layout: Layout, image: Field, patch: Field, fine: Field) -> None:
    size_px, gsd = layout.road.shape[0], region.gsd_m
    old = fields.noise(rng, size_px, 120 / gsd, 2) * 7 * (1 + region.road_wear)
    tarmac = np.asarray(region.road, dtype=np.float32) + rng.normal(0, 5) + (old + patch * 3.5 + fine * 4)[..., None]
    # Dust from the roadside lies on the outer metre of worn roads.
    dust = region.road_wear * np.clip(1 - layout.road_edge_m / 1.8, 0, 1)[..., None]
    soil = np.asarray(region.ground[SOIL], dtype=np.float32)
    tarmac = tarmac * (1 - 0.6 * dust) + soil * (0.6 * dust)
    middle = np.abs(layout.road_edge_m - region.street_m / 2) < gsd * 0.55
    verge = np.abs(layout.road_edge_m - 1.0) < gsd * 0.5
    main = layout.road_edge_m > region.street_m / 2 + 0.8
    x_HW, y_HW = fields.coordinates(size_px, gsd)
    dashes = np.mod(x_HW + y_HW, 9.0) < 5.0
    tarmac[middle & dashes & ~main] += 70 * region.markings
    tarmac[verge] += 26 * region.markings
    lane = np.abs(layout.road_edge_m - region.main_road_m / 2) < gsd * 0.6
    tarmac[lane] += 80 * region.markings
    image[layout.road] = tarmac[layout.road]


def _cars(rng: np.random.Generator, region: Region, layout: Layout, image: Field) -> None:
    """Cars on streets and paved yards; they belong to the class of the ground below."""
    size_px, gsd = layout.road.shape[0], region.gsd_m
    count = int((size_px * gsd) ** 2 / 260)
    spots = rng.integers(2, size_px - 2, (count, 2))
    draws = rng.uniform(0, 1, (count, 2))
    for (y, x), (turn, paint_of) in zip(spots, draws, strict=True):
        on_road = layout.road[y, x] and 0.8 < layout.road_edge_m[y, x] < 3.4
        parked = layout.material[y, x] == PAVED and turn < 0.35 and layout.cell[y, x] < 500_000
        if not (on_road or parked) or layout.building[y, x] or layout.water[y, x]:
            continue
        angle = float(np.degrees(layout.row_angle[y, x]))
        if on_road:
            edge = layout.road_edge_m
            down, right = edge[y + 1, x] - edge[y - 1, x], edge[y, x + 1] - edge[y, x - 1]
            angle = float(np.degrees(np.arctan2(right, -down)))
        box = cv2.boxPoints(((float(x), float(y)), (4.4 / gsd, 1.9 / gsd), angle))
        colour = CAR_COLOURS[int(paint_of * len(CAR_COLOURS))]
        cv2.fillPoly(image, [np.round(box).astype(np.int32)], [float(c) for c in colour])


def _shadows(region: Region, layout: Layout) -> Field:
    size_px, gsd = layout.road.shape[0], region.gsd_m
    azimuth, elevation = np.radians(region.sun_azimuth_deg), np.radians(region.sun_elevation_deg)
    # Image rows run to the south: a sun in the south throws shadows upwards.
    away = np.array([-np.sin(azimuth), np.cos(azimuth)]) / np.tan(elevation) / gsd
    mask = np.zeros((size_px, size_px), dtype=np.uint8)
    for x, y, r in layout.trees:
        cv2.circle(mask, tuple(int(v) for v in np.round([x, y] + away * r * gsd * 1.1)), max(1, round(r)), 1, -1)
    for house in layout.buildings:
        corners = house.corners()
        outline = cv2.convexHull(np.concatenate([corners, corners + away * house.height_m]).astype(np.float32))
        cv2.fillPoly(mask, [np.round(outline).astype(np.int32)], 1)
    return fields.blurred(mask.astype(np.float32), 0.6)


def _crowns(rng: np.random.Generator, region: Region, layout: Layout, image: Field, fine: Field) -> None:
    size_px = layout.road.shape[0]
    azimuth = np.radians(region.sun_azimuth_deg)
    sunny = np.array([np.sin(azimuth), -np.cos(azimuth)])
    light = np.full((size_px, size_px), -14, dtype=np.float32)
    tones = rng.normal(0, 9, len(layout.trees))
    for (x, y, r), tone in zip(layout.trees, tones, strict=True):
        for shrink, lift in ((1.0, -9), (0.72, 3), (0.42, 17)):
            centre = np.round([x, y] + sunny * r * (1 - shrink) * 0.8)
            cv2.circle(light, (int(centre[0]), int(centre[1])), max(1, round(r * shrink)), float(tone + lift), -1)
    light = fields.blurred(light, 0.7) + 6 * fine
    leaf_green = np.array([0.85, 1.0, 0.6], dtype=np.float32)
    colour = np.asarray(region.crown, dtype=np.float32) + light[..., None] * leaf_green
    image[layout.crown] = colour[layout.crown]


def _roofs(rng: np.random.Generator, region: Region, layout: Layout, image: Field, fine: Field) -> None:
    for house in layout.buildings:
        _roof(region, house, image, fine, rng.normal(0, 8, 3).astype(np.float32), rng.uniform(0, 1, 6))


def _roof(
    region: Region, house: Building, image: Field, fine: Field, tint: NDArray[np.float32], draw: NDArray[np.float64]
) -> None:
    size_px, gsd = image.shape[0], region.gsd_m
    corners = house.corners()
    (x0, y0), (x1, y1) = np.floor(corners.min(axis=0)).astype(int), np.ceil(corners.max(axis=0)).astype(int) + 1
    x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, size_px), min(y1, size_px)
    stamp = np.zeros((y1 - y0, x1 - x0), dtype=np.uint8)
    cv2.fillPoly(stamp, [np.round(corners - (x0, y0)).astype(np.int32)], 1)
    y_HW, x_HW = np.mgrid[y0:y1, x0:x1].astype(np.float32)
    u_HW, v_HW = fields.turned(x_HW - np.float32(house.x), y_HW - np.float32(house.y), house.angle)
    base: RGB = region.roofs[house.roof % len(region.roofs)]
    colour = np.asarray(base, dtype=np.float32) + tint.mean() + 0.4 * tint
    level = 3.5 * fine[y0:y1, x0:x1]
    azimuth = np.radians(region.sun_azimuth_deg)
    sun = np.array([np.sin(azimuth), -np.cos(azimuth)])
    along = np.array([np.cos(house.angle), np.sin(house.angle)])
    across = np.array([-along[1], along[0]])
    if house.pitched:
        hip = (np.abs(u_HW) - (house.half_long - house.half_wide) > np.abs(v_HW)) & (draw[0] < 0.5)
        facet = np.where(hip, np.sign(u_HW) * (sun @ along), np.sign(v_HW) * (sun @ across))
        level += 26 * facet
        # Rows of tiles run along the ridge; the ridge itself catches the light.
        level += 5 * np.sin(v_HW * gsd * 2 * np.pi / 1.6)
        level += np.where((np.abs(v_HW) < 0.6) & ~hip, 14, 0)
    else:
        rim = np.minimum(house.half_long - np.abs(u_HW), house.half_wide - np.abs(v_HW)) * gsd
        level += np.where(rim < 0.9, 20, 0) - np.where((rim >= 0.9) & (rim < 1.6), 10, 0)
        level += 4 * np.sign(np.sin(u_HW * gsd * 2 * np.pi / 5.0))
        for i in range(2):
            du, dv = (draw[1 + i] - 0.5) * house.half_long, (draw[3 + i] - 0.5) * house.half_wide
            unit = (np.abs(u_HW - du) * gsd < 1.3) & (np.abs(v_HW - dv) * gsd < 1.0)
            level += np.where(unit, 34 if draw[5] < 0.5 else -38, 0)
    part = image[y0:y1, x0:x1]
    inside = stamp.astype(bool)
    part[inside] = (colour + level[..., None])[inside]
