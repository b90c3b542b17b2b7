"""Polygons of a map of classes: regions that touch pixel by pixel, as features with class, area and confidence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from rs_adapt.prediction.areas import Coordinates, PixelPlaces
from rs_adapt.prediction.borders import BorderTracer, Ring
from rs_adapt.prediction.layers import SHARE_STEP
from rs_adapt.prediction.regions import Regions, Strip, find_regions, label_strip
from rs_adapt.prediction.simplify import simplify_ring

Strips = Callable[[], Iterable[Strip]]


@dataclass(frozen=True, kw_only=True)
class PolygonSettings:
    """How polygons are made.

    Attributes:
        vector: Their file, ending in .gpkg or .geojson; or `gpkg` or `geojson`, for a file beside the map.
        min_area_m2: Smaller polygons become part of the neighbour with the longest shared border.
        simplify_m: Metres by which a border may move when it is simplified; 0 keeps every pixel corner.
    """

    vector: str
    min_area_m2: float = 0.0
    simplify_m: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Polygon:
    """A feature.

    Attributes:
        class_index: Index of its class.
        area_m2: Area of its pixels.
        confidence: Mean of their largest probabilities, 0 to 1.
        rings: Map coordinates of its outer ring, counter-clockwise, and of its holes, clockwise; the last corner of a
            ring is the first one again.
    """

    class_index: int
    area_m2: float
    confidence: float
    rings: tuple[tuple[Coordinates, Coordinates], ...]


def find_polygons(
    strips: Strips, size_px: tuple[int, int], places: PixelPlaces, settings: PolygonSettings, *, source: str
) -> Iterator[Polygon]:
    """Yield the polygons of a map in the order in which they end, from top to bottom.

    The map is read twice: its regions are counted, and then their borders are traced. Borders wait in memory until the
    end of their region.

    Args:
        strips: Gives the map from top to bottom, each time that it is called.
        size_px: Columns and rows of the map.
        places: Coordinates and areas of its pixels.
        settings: Least area and tolerance.
        source: The map, for errors.

    Yields:
        Polygons that cover the map without gaps or overlaps, except where it has no data.

    Raises:
        RunFailed: They do not fit into memory.
        DataError: The places of the pixels are not on the earth.
    """
    width_px, height_px = size_px
    row_area_m2_H = places.row_areas_m2(width_px, height_px)
    tolerance_px = settings.simplify_m / float(np.sqrt(row_area_m2_H[height_px // 2]))
    regions = find_regions(strips(), row_area_m2_H, min_area_m2=settings.min_area_m2, source=source)
    tracer = BorderTracer(width_px, regions.last_strip_N, source)
    for number, (regions_HW, first_row) in enumerate(_with_neighbours(strips(), regions)):
        tracer.add(regions_HW, first_row)
        for rings in tracer.take(number):
            polygon = _make_polygon(rings, regions, places, tolerance_px)
            if polygon is not None:
                yield polygon


def _with_neighbours(strips: Iterable[Strip], regions: Regions) -> Iterator[tuple[NDArray[np.int32], int]]:
    """Yield the regions of each strip with the rows above and below it, and its first row."""
    labels_before = 0

    def numbered(strip: Strip) -> tuple[NDArray[np.int32], int]:
        nonlocal labels_before
        labels_HW, number = label_strip(strip.classes_HW)
        # The last entry is for pixels without data, whose label is -1.
        regions_HW = np.append(regions.region_of_label_L[labels_before : labels_before + number], -1)[labels_HW]
        labels_before += number
        return regions_HW.astype(np.int32), strip.first_row

    above: NDArray[np.int32] | None = None
    waiting: tuple[NDArray[np.int32], int] | None = None
    for following in chain(map(numbered, strips), [None]):
        if waiting is not None:
            regions_HW, first_row = waiting
            none = np.full_like(regions_HW[:1], -1)
            below = none if following is None else following[0][:1]
            stacked = np.concatenate([none if above is None else above, regions_HW, below])
            yield stacked, first_row
            above = regions_HW[-1:]
        waiting = following


def _make_polygon(rings: list[Ring], regions: Regions, places: PixelPlaces, tolerance_px: float) -> Polygon | None:
    """Return the polygon of a region; None where its simplified outer ring is but a line."""
    corners: list[NDArray[np.int64]] = []
    for ring in rings:
        corners_V2 = np.stack([ring.x_V, ring.y_V], axis=1) if tolerance_px <= 0 else simplify_ring(ring, tolerance_px)
        if corners_V2 is not None:
            corners.append(np.concatenate([corners_V2, corners_V2[:1]]))
        elif ring.is_outer:
            return None
    all_V2 = np.concatenate(corners)
    x, y = places.coordinates(all_V2[:, 0], all_V2[:, 1])
    # Rings run the way that the picture shows them, unless the transform mirrors it.
    step = -1 if places.is_mirrored else 1
    stops = np.cumsum([len(corners_V2) for corners_V2 in corners])
    drawn = [
        (x[start:stop][::step], y[start:stop][::step]) for start, stop in zip([0, *stops[:-1]], stops, strict=True)
    ]
    region = rings[0].region
    return Polygon(
        class_index=int(regions.class_N[region]),
        area_m2=float(regions.area_m2_N[region]),
        confidence=float(regions.confidence_N[region]) * SHARE_STEP,
        rings=tuple(drawn),
    )
