"""A layout that is put together piece by piece: ground, roads, water, buildings and trees (H/W pixels)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from rs_adapt.datasets.synthetic import fields
from rs_adapt.datasets.synthetic.layout import Building, Layout
from rs_adapt.datasets.synthetic.regions import Region

_FAR = np.float32(-99)


class Canvas:
    """A layout that is being drawn: ground, roads, water, buildings and trees."""

    def __init__(self, rng: np.random.Generator, region: Region, size_px: int, ground: int) -> None:
        self.rng, self.region, self.size_px = rng, region, size_px
        self.x_HW, self.y_HW = fields.coordinates(size_px, region.gsd_m)
        self.half_m = size_px * region.gsd_m / 2
        self.material = np.full((size_px, size_px), ground, dtype=np.uint8)
        self.cell = np.zeros((size_px, size_px), dtype=np.int32)
        self.row_angle = np.full((size_px, size_px), rng.uniform(0, np.pi), dtype=np.float32)
        self.road_edge_m = np.full((size_px, size_px), _FAR, dtype=np.float32)
        self.shore_m = np.full((size_px, size_px), np.float32(-999), dtype=np.float32)
        self.buildings: list[Building] = []
        # Pixels under buildings so far.
        self.built_HW = np.zeros((size_px, size_px), dtype=np.uint8)
        self.trees: list[tuple[float, float, float]] = []

    def rough(self, length_m: float) -> fields.Field:
        """Return smooth noise of about unit size that changes over a length."""
        return fields.noise(self.rng, self.size_px, length_m / self.region.gsd_m, 2)

    def line_m(self, angle: float, shift_m: float = 0.0) -> fields.Field:
        """Return the distance of each pixel to a straight line through the tile, metres."""
        _, v_HW = fields.turned(self.x_HW, self.y_HW, angle)
        distance_m: fields.Field = np.abs(v_HW - np.float32(shift_m))
        return distance_m

    def curve_m(self) -> fields.Field:
        """Return the distance of each pixel to a winding line through the tile, metres."""
        u_HW, v_HW = fields.turned(self.x_HW, self.y_HW, self.rng.uniform(0, np.pi))
        shift = np.float32(self.rng.uniform(-0.2, 0.2) * self.half_m)
        return fields.curve_distance(self.rng, u_HW - shift, v_HW, self.rng.uniform(6, 16), self.rng.uniform(120, 220))

    def pave(self, distance_m: fields.Field, width_m: float) -> None:
        """Lay a road along a line."""
        self.road_edge_m = np.maximum(self.road_edge_m, np.float32(width_m / 2) - distance_m).astype(np.float32)

    def flood(self, depth_m: fields.Field) -> None:
        """Fill with water where the depth is positive."""
        self.shore_m = np.maximum(self.shore_m, depth_m).astype(np.float32)

    def place(self, u_m: float, v_m: float, angle: float) -> tuple[float, float]:
        """Return the pixel at a distance along and across a direction from the centre."""
        x = self.size_px / 2 + (u_m * np.cos(angle) - v_m * np.sin(angle)) / self.region.gsd_m
        y = self.size_px / 2 + (u_m * np.sin(angle) + v_m * np.cos(angle)) / self.region.gsd_m
        return float(x), float(y)

    def shows(self, x: float, y: float, margin_px: float = 0) -> bool:
        """Return whether a place in pixels lies in the tile."""
        return margin_px <= x < self.size_px - margin_px and margin_px <= y < self.size_px - margin_px

    def build(
        self,
        x: float,
        y: float,
        long_m: float,
        wide_m: float,
        angle: float,
        *,
        height_m: float = 6.0,
        pitched: bool = False,
        gap_m: float = 0.6,
        afloat: bool = False,
    ) -> None:
        """Put a building at a place in pixels, unless it would stand on a road, in water or on another building."""
        gsd = self.region.gsd_m
        house = Building(
            x=x,
            y=y,
            half_long=long_m / gsd / 2,
            half_wide=wide_m / gsd / 2,
            angle=angle,
            height_m=height_m,
            pitched=pitched,
            roof=int(self.rng.integers(997)),
        )
        stamp = np.zeros_like(self.built_HW)
        cv2.fillPoly(stamp, [np.round(house.corners(margin=gap_m / gsd)).astype(np.int32)], 1)
        inside = stamp.astype(bool)
        in_water = not afloat and bool((self.shore_m[inside] > 0).any())
        if inside.any() and not (in_water or (self.road_edge_m[inside] > 0).any() or self.built_HW[inside].any()):
            self.buildings.append(house)
            cv2.fillPoly(self.built_HW, [np.round(house.corners()).astype(np.int32)], 1)

    def plant(self, count: int, where: NDArray[np.bool_], radius_m: tuple[float, float] = (1.8, 4.6)) -> None:
        """Scatter trees over the pixels of a mask."""
        spots = self.rng.uniform(0, self.size_px, (count, 2))
        inside = where[spots[:, 1].astype(int), spots[:, 0].astype(int)]
        radii = self.rng.uniform(*radius_m, count) / self.region.gsd_m
        self.trees += [(float(x), float(y), float(r)) for (x, y), r, ok in zip(spots, radii, inside, strict=True) if ok]

    def layout(self) -> Layout:
        """Return the finished layout."""
        building, road = self.built_HW.astype(bool), self.road_edge_m > 0
        water = (self.shore_m > 0) & ~road
        crown = np.zeros_like(building, dtype=np.uint8)
        for x, y, r in self.trees:
            cv2.circle(crown, (round(x), round(y)), max(1, round(r)), 1, -1)
        soft = fields.blurred(crown.astype(np.float32), 1.0)
        rim = soft + 0.16 * fields.grain(self.rng, self.size_px, 1.2) > 0.5
        return Layout(
            material=self.material,
            cell=self.cell,
            row_angle=self.row_angle,
            road=road,
            road_edge_m=self.road_edge_m,
            water=water,
            shore_m=self.shore_m,
            buildings=tuple(self.buildings),
            building=building,
            trees=np.asarray(self.trees, dtype=np.float64).reshape(-1, 3),
            crown=rim & (soft > 0.2) & ~building & ~road & ~water,
        )
