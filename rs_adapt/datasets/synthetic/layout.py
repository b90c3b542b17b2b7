"""The layout of a synthetic scene: water, streets, blocks, fields, buildings and trees (H/W pixels)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from rs_adapt.datasets.synthetic import fields
from rs_adapt.datasets.synthetic.fields import Field
from rs_adapt.datasets.synthetic.regions import (
    BUILDING,
    CROP,
    FOREST,
    LAWN,
    MATERIAL_CLASS,
    MEADOW,
    PAVED,
    PLOUGHED,
    ROAD,
    SOIL,
    VEGETATION,
    WATER,
    Region,
)

RESIDENTIAL, COMMERCIAL, PARK, VACANT = range(4)
# Trees per 1000 square metres by material, before the region's own factor.
TREE_DENSITY = {LAWN: 3.2, MEADOW: 0.5, FOREST: 26.0, PAVED: 0.35, SOIL: 0.15}


@dataclass(frozen=True, kw_only=True)
class Building:
    """A rectangle: centre in pixels, half length and half width in pixels, direction, height in metres."""

    x: float
    y: float
    half_long: float
    half_wide: float
    angle: float
    height_m: float
    pitched: bool
    roof: int

    def corners(self, *, margin: float = 0.0) -> NDArray[np.float64]:
        """Return the four corners in pixels, moved outwards by a margin, shape (4, 2)."""
        along = np.array([np.cos(self.angle), np.sin(self.angle)])
        across = np.array([-along[1], along[0]])
        signs = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)])
        ends = signs[:, :1] * along * (self.half_long + margin) + signs[:, 1:] * across * (self.half_wide + margin)
        return np.asarray(np.add(ends, (self.x, self.y)), dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A layout: materials of the ground, masks, and objects (trees are rows of x, y, radius in pixels)."""

    material: NDArray[np.uint8]
    cell: NDArray[np.int32]
    row_angle: Field
    road: NDArray[np.bool_]
    road_edge_m: Field
    water: NDArray[np.bool_]
    shore_m: Field
    buildings: tuple[Building, ...]
    building: NDArray[np.bool_]
    trees: NDArray[np.float64]
    crown: NDArray[np.bool_]

    def classes(self) -> NDArray[np.uint8]:
        """Class index of every pixel, uint8; what lies on top counts: crowns over roads and ground, roofs over all."""
        of_material = np.asarray((*MATERIAL_CLASS, ROAD, WATER, VEGETATION, BUILDING), dtype=np.uint8)
        return np.asarray(of_material[self.materials()])

    def materials(self) -> NDArray[np.uint8]:
        """Return every pixel's material, uint8: ground 0 to 6, then 7 road, 8 water, 9 tree crown, 10 building."""
        material_HW = self.material.copy()
        on_top = (self.water, self.road, self.crown, self.building)
        for value, mask_HW in zip((8, 7, 9, 10), on_top, strict=True):
            material_HW[mask_HW] = value
        return material_HW


def make_layout(rng: np.random.Generator, region: Region, size_px: int) -> Layout:
    """Lay out one scene of `size_px` x `size_px` pixels."""
    gsd = region.gsd_m
    x_HW, y_HW = fields.coordinates(size_px, gsd)
    zone = fields.noise(rng, size_px, 150 / gsd, octaves=2)
    share = float(np.clip(region.town_share + rng.uniform(-0.2, 0.2), 0.2, 0.9))
    town = zone > np.quantile(zone, 1 - share)

    shore_m = _shore(rng, region, x_HW, y_HW)
    block, street_m, street_angle = _streets(rng, region, x_HW, y_HW)
    main_angle = rng.uniform(0, np.pi)
    u_HW, v_HW = fields.turned(x_HW, y_HW, main_angle)
    shift = rng.uniform(-0.3, 0.3) * size_px * gsd
    main_m = fields.curve_distance(rng, u_HW - np.float32(shift), v_HW, rng.uniform(4, 14), rng.uniform(260, 420))
    water = shore_m > 0
    edge_m = np.where(town & ~water, region.street_m / 2 - street_m, np.float32(-99))
    edge_m = np.maximum(edge_m, np.float32(region.main_road_m / 2) - main_m).astype(np.float32)
    road = edge_m > 0
    # Bridges: the main road crosses the water, streets end at the bank.
    water &= ~road

    parcel_angle = rng.uniform(0, np.pi)
    pu_HW, pv_HW = fields.turned(x_HW, y_HW, parcel_angle)
    parcel, parcel_edge_m, _ = fields.cells(rng, pu_HW, pv_HW * np.float32(1.6), region.parcel_m, 0.28)
    kinds = per_share(region.blocks, parcel_count=97, rng=rng)
    crops = per_share(region.parcels, parcel_count=89, rng=rng)
    block_kind = fields.per_cell(block, kinds).astype(np.uint8)
    crop_kind = fields.per_cell(parcel, crops).astype(np.uint8)
    material = np.asarray((CROP, PLOUGHED, MEADOW, FOREST, PAVED), dtype=np.uint8)[crop_kind]
    material[parcel_edge_m < 1.2] = MEADOW
    material = np.where(town, _yards(rng, block_kind, size_px, gsd), material)
    bank = (shore_m > -5) & (fields.noise(rng, size_px, 20 / gsd, 2) > -0.3)
    material[bank] = SOIL if rng.random() < 0.4 else MEADOW

    free = ~road & (shore_m < -3) & town
    buildings, building = _buildings(rng, region, free, block_kind, street_angle, edge_m)
    trees, crown = _trees(rng, region, material, road | building | water)
    rows = fields.per_cell(parcel, rng.uniform(0, np.pi, 31).astype(np.float32), 5)
    return Layout(
        material=material,
        cell=np.where(town, block, parcel + 500_000),
        row_angle=rows,
        road=road,
        road_edge_m=edge_m,
        water=water,
        shore_m=shore_m,
        buildings=tuple(buildings),
        building=building,
        trees=trees,
        crown=crown & ~building,
    )


def per_share(shares: tuple[float, ...], *, parcel_count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Kinds 0, 1, 2 ... in the given shares, shuffled."""
    counts = np.maximum(1, np.round(np.asarray(shares) / sum(shares) * parcel_count)).astype(int)
    kinds = np.repeat(np.arange(len(shares)), counts).astype(np.float32)
    rng.shuffle(kinds)
    return kinds


def _shore(rng: np.random.Generator, region: Region, x_HW: Field, y_HW: Field) -> Field:
    """Distance in metres from the bank, positive in the water."""
    size_px, gsd = x_HW.shape[0], region.gsd_m
    half_m = size_px * gsd / 2
    rough = fields.noise(rng, size_px, 60 / gsd, 3)
    depth = np.full_like(x_HW, -999.0)
    if rng.random() < region.river_share:
        u_HW, v_HW = fields.turned(x_HW, y_HW, rng.uniform(0, np.pi))
        u_HW = u_HW - np.float32(rng.uniform(-0.6, 0.6) * half_m)
        distance = fields.curve_distance(rng, u_HW, v_HW, rng.uniform(10, 30), rng.uniform(200, 360))
        depth = region.river_m * rng.uniform(0.35, 0.8) - distance + rough * 2.0
    if rng.random() < 0.5:
        cx, cy = rng.uniform(-0.8, 0.8, 2) * half_m
        distance = np.hypot(x_HW - np.float32(cx), (y_HW - np.float32(cy)) * np.float32(rng.uniform(0.7, 1.4)))
        depth = np.maximum(depth, rng.uniform(0.14, 0.3) * half_m - distance + rough * 5.0)
    return np.asarray(depth, dtype=np.float32)


def _streets(
    rng: np.random.Generator, region: Region, x_HW: Field, y_HW: Field
) -> tuple[NDArray[np.int32], Field, Field]:
    """Block numbers, distance to the street's middle line, and the direction of that street."""
    size_px, angle = x_HW.shape[0], rng.uniform(0, np.pi)
    u_HW, v_HW = fields.turned(x_HW, y_HW, angle)
    if region.street_pattern == "grid":
        block, middle_m, along_v = fields.lattice(rng, u_HW, v_HW, region.block_m)
        return block, middle_m, (np.float32(angle) + np.where(along_v, np.float32(np.pi / 2), np.float32(0)))
    bend = 9.0
    u_HW = u_HW + bend * fields.noise(rng, size_px, 110 / region.gsd_m, 1)
    v_HW = v_HW + bend * fields.noise(rng, size_px, 110 / region.gsd_m, 1)
    block, middle_m, direction = fields.cells(rng, u_HW, v_HW, region.block_m, 0.3)
    return block, middle_m, direction + np.float32(angle)


def _yards(rng: np.random.Generator, block_kind: NDArray[np.uint8], size_px: int, gsd: float) -> NDArray[np.uint8]:
    """Ground of town blocks: gardens and drives, paved yards, parks, empty lots."""
    mix = fields.noise(rng, size_px, 22 / gsd, 3)
    yards = np.where(mix > -0.35, LAWN, PAVED)
    yards = np.where(block_kind == COMMERCIAL, np.where(mix > 1.2, LAWN, PAVED), yards)
    yards = np.where(block_kind == PARK, np.where(mix > 0.2, FOREST, LAWN), yards)
    yards = np.where(block_kind == VACANT, np.where(mix > 1.0, MEADOW, SOIL), yards)
    return yards.astype(np.uint8)


def _buildings(
    rng: np.random.Generator,
    region: Region,
    free: NDArray[np.bool_],
    block_kind: NDArray[np.uint8],
    angle_HW: Field,
    edge_m: Field,
) -> tuple[list[Building], NDArray[np.bool_]]:
    """Try random places and keep the buildings that touch nothing; large halls come first."""
    size_px, gsd = free.shape[0], region.gsd_m
    taken = (~free | (block_kind == PARK) | (block_kind == VACANT)).astype(np.uint8)
    mask = np.zeros_like(taken)
    buildings: list[Building] = []
    area = (size_px * gsd) ** 2
    for kind, tries, (low, high), aspect in (
        (COMMERCIAL, int(area / 40), region.hall_m, (0.45, 0.8)),
        (RESIDENTIAL, int(area / 8), region.house_m, (0.55, 0.85)),
    ):
        least_px = low * aspect[0] / gsd / 2
        room_HW = cv2.distanceTransform(1 - taken, cv2.DIST_L2, 3)
        open_HW = (block_kind == kind) & (room_HW > least_px) & (edge_m > -26)
        closed = (~open_HW).astype(np.uint8)
        spots = rng.uniform(0, size_px, (tries, 2))
        draws = rng.uniform(0, 1, (tries, 5))
        hopeful = open_HW[spots[:, 1].astype(int), spots[:, 0].astype(int)]
        for (x, y), draw in zip(spots[hopeful], draws[hopeful], strict=True):
            at = (int(y), int(x))
            if closed[at]:
                continue
            long_m = low + (high - low) * draw[0]
            wide_m = long_m * (aspect[0] + (aspect[1] - aspect[0]) * draw[1])
            house = Building(
                x=x,
                y=y,
                half_long=long_m / gsd / 2,
                half_wide=wide_m / gsd / 2,
                angle=float(angle_HW[at]),
                height_m=region.height_m[0] + (region.height_m[1] - region.height_m[0]) * draw[2] ** 2,
                pitched=kind == RESIDENTIAL and bool(draw[3] < region.pitched_share),
                roof=int(draw[4] * 997),
            )
            if _place(house, taken, mask, region.house_gap_m / gsd):
                buildings.append(house)
                # No centre of a further building can lie here: cheaper to look up than to try.
                near = house.corners(margin=least_px + region.house_gap_m / gsd)
                cv2.fillPoly(closed, [np.round(near).astype(np.int32)], 1)
    return buildings, mask.astype(bool)


def _place(house: Building, taken: NDArray[np.uint8], mask: NDArray[np.uint8], gap_px: float) -> bool:
    corners, wide = house.corners(), house.corners(margin=gap_px)
    centre = np.array([house.x, house.y])
    reach = np.abs(wide - centre).max(axis=0) + 1
    (x0, y0), (x1, y1) = np.floor(centre - reach).astype(int), np.ceil(centre + reach).astype(int) + 1
    size_px = taken.shape[0]
    if x0 < -reach[0] or y0 < -reach[1] or x1 > size_px + reach[0] or y1 > size_px + reach[1]:
        return False
    x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, size_px), min(y1, size_px)
    corner = np.array([x0, y0])
    stamp = np.zeros((y1 - y0, x1 - x0), dtype=np.uint8)
    cv2.fillPoly(stamp, [np.round(wide - corner).astype(np.int32)], 1)
    if np.any(stamp & taken[y0:y1, x0:x1]):
        return False
    stamp[:] = 0
    cv2.fillPoly(stamp, [np.round(corners - corner).astype(np.int32)], 1)
    taken[y0:y1, x0:x1] |= stamp
    mask[y0:y1, x0:x1] |= stamp
    return True


def _trees(
    rng: np.random.Generator, region: Region, material: NDArray[np.uint8], blocked: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Scatter crowns by the density of the ground, and paint them as one mask with ragged rims."""
    size_px, gsd = material.shape[0], region.gsd_m
    density = np.zeros(PLOUGHED + 1)
    for kind, per_1000 in TREE_DENSITY.items():
        density[kind] = per_1000 * (1.0 if kind == FOREST else region.trees)
    most = float(density.max())
    count = int(most * (size_px * gsd) ** 2 / 1000)
    spots = rng.uniform(0, size_px, (count, 2))
    at = (spots[:, 1].astype(int), spots[:, 0].astype(int))
    keep = (rng.uniform(0, most, count) < density[material[at]]) & ~blocked[at]
    radius = rng.uniform(1.8, 4.6, count) / gsd
    trees = np.column_stack([spots, radius])[keep]
    mask = np.zeros((size_px, size_px), dtype=np.uint8)
    for x, y, r in trees:
        cv2.circle(mask, (round(x), round(y)), max(1, round(r)), 1, -1)
    soft = fields.blurred(mask.astype(np.float32), 1.0)
    return trees, (soft + 0.16 * fields.grain(rng, size_px, 1.2) > 0.5) & (soft > 0.2)
