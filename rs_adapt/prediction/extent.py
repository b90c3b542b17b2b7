"""The part of a scene that is mapped: a rectangle of coordinates, polygons, or both (H/W pixels)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.transform import Affine

from rs_adapt.errors import ConfigError, DataError
from rs_adapt.prediction.damage import Pixels
from rs_adapt.scenes import Box
from rs_adapt.scenes.polygons.arrays import Bounds

if TYPE_CHECKING:
    from rs_adapt.scenes import SceneInfo
    from rs_adapt.scenes.polygons import Polygons

# How messages about polygons of labels name what is given here otherwise.
_WORDS = {
    'Give the right one as crs = "EPSG:..." in [...labels].': "Store the polygons with their reference system.",
    "name one with layer = ... in [...labels]": "name one with --aoi-layer",
    "give its name, or its number from 1, as layer = ... in [...labels]": "give its name with --aoi-layer",
    ", so there is no layer": ", so there is no layer of --aoi-layer",
}


class OutsideArea(DataError):
    """Raised when a scene has no pixel in the area that is to be mapped."""


@dataclass(frozen=True, kw_only=True)
class Area:
    """The area that is mapped; a pixel belongs to it if its centre does.

    Attributes:
        bounds: Smallest x, smallest y, largest x, largest y, in the scene's coordinates or those of `bounds_crs`; None
            for no rectangle. The map is the window around the pixels whose centres it holds.
        bounds_crs: Reference system of `bounds` ("EPSG:4326"); None for the scene's.
        aoi: File of polygons, outside of which the map has no data; None for none.
        aoi_layer: Layer of the file.

    Raises:
        ConfigError: The rectangle is none, or its system is unknown or of no rectangle.
    """

    bounds: tuple[float, float, float, float] | None = None
    bounds_crs: str | None = None
    aoi: Path | None = None
    aoi_layer: str | int | None = None

    def __post_init__(self) -> None:
        """Check the rectangle and its system."""
        from rs_adapt.scenes.crs import parse_crs

        if self.bounds is not None:
            x0, y0, x1, y1 = self.bounds
            if not (all(map(math.isfinite, self.bounds)) and x0 < x1 and y0 < y1):
                raise ConfigError(
                    f"--bounds is {_list(self.bounds)}. Allowed: west, south, east, north, or smallest x, smallest y, "
                    "largest x, largest y."
                )
        if self.bounds_crs is not None:
            if self.bounds is None:
                raise ConfigError(f"--bounds-crs is {self.bounds_crs}, but there are no --bounds.")
            if parse_crs(self.bounds_crs) is None:
                raise ConfigError(
                    f"--bounds-crs is {self.bounds_crs!r:.80}, which is no known reference system. Give a code such as "
                    "EPSG:4326."
                )
        if self.aoi_layer is not None and self.aoi is None:
            raise ConfigError(f"--aoi-layer is {self.aoi_layer}, but there is no --aoi.")

    @property
    def is_everything(self) -> bool:
        """Whether scenes are mapped whole."""
        return self.bounds is None and self.aoi is None


EVERYWHERE = Area()


def parse_bounds(bounds: Sequence[float] | None) -> tuple[float, float, float, float] | None:
    """Return four numbers as a rectangle.

    Raises:
        ConfigError: There are more or fewer.
    """
    if bounds is None:
        return None
    if len(bounds) != 4:
        raise ConfigError(
            f"--bounds is {_list(bounds)}. Allowed: four numbers, such as --bounds 500000,4999000,501000,5000000."
        )
    x0, y0, x1, y1 = map(float, bounds)
    return x0, y0, x1, y1


class AreaPixels:
    """A scene whose pixels outside of polygons count as being without data; the model still sees them.

    Args:
        pixels: The scene.
        polygons: Polygons in its pixels.
    """

    def __init__(self, pixels: Pixels, polygons: Polygons) -> None:
        self._pixels, self._polygons = pixels, polygons
        self.info, self.block_size = pixels.info, pixels.block_size
        self._ones_P = np.ones(len(polygons), dtype=np.int64)

    def read_rgb(self, box: Box | None = None) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Return colours, uint8 (H, W, 3), and where there are data inside of the polygons, bool (H, W)."""
        from rs_adapt.scenes.polygons import rasterize_polygons

        image_HW3, valid_HW = self._pixels.read_rgb(box)
        if box is None:
            box = Box(0, 0, valid_HW.shape[1], valid_HW.shape[0])
        inside_HW = rasterize_polygons(self._polygons, self._ones_P, box, background=0) > 0
        return image_HW3, valid_HW & inside_HW


def locate(area: Area, info: SceneInfo) -> tuple[Box, Polygons | None]:
    """Return the window of a scene that an area covers, and its polygons in the scene's pixels.

    Raises:
        OutsideArea: No pixel of the scene lies in it.
        DataError: The scene has no regular place on the map, or the area cannot be brought into its reference system.
    """
    if not area.is_everything and info.place_fault is not None:
        raise DataError(f"{info.path} {info.place_fault} Without a grid, no area can be found in it.")
    box = Box(0, 0, info.width_px, info.height_px)
    if area.bounds is not None:
        box = _intersect(box, _bounds_in_pixels(area, info))
        _require_pixels(box, f"--bounds {_list(area.bounds)}", info)
    polygons = None
    if area.aoi is not None:
        polygons = _polygons(area, info)
        if len(polygons):
            x0_P, y0_P, x1_P, y1_P = polygons.bounds_P4.T
            around = (float(x0_P.min()), float(y0_P.min()), float(x1_P.max()), float(y1_P.max()))
            box = _intersect(box, around)
        else:
            box = Box(0, 0, 0, 0)
        _require_pixels(box, f"--aoi {area.aoi}", info)
    return box, polygons


def _bounds_in_pixels(area: Area, info: SceneInfo) -> tuple[float, float, float, float]:
    from rs_adapt.scenes.crs import parse_crs
    from rs_adapt.scenes.polygons.systems import transform_rectangle

    assert area.bounds is not None
    bounds = Bounds(*area.bounds)
    if area.bounds_crs is not None:
        given = parse_crs(area.bounds_crs)
        if info.crs is None or given is None:
            raise DataError(
                f"{info.path} states no reference system, so bounds in {area.bounds_crs} cannot be found in it. Give "
                "them in the scene's coordinates, or write the system into the file (gdal_edit -a_srs EPSG:...)."
            )
        try:
            bounds = transform_rectangle(bounds, given, CRS.from_wkt(info.crs))
        except DataError as error:
            raise DataError(
                f"--bounds cannot be found in {info.path}: {error}. Give them in the scene's system."
            ) from error
        bounds = _unwrapped(bounds, info)
    to_pixels = ~Affine(*info.transform)
    corners_42 = np.array([to_pixels @ (x, y) for x in (bounds.x0, bounds.x1) for y in (bounds.y0, bounds.y1)])
    (x0, y0), (x1, y1) = corners_42.min(axis=0).tolist(), corners_42.max(axis=0).tolist()
    return x0, y0, x1, y1


def _unwrapped(bounds: Bounds, info: SceneInfo) -> Bounds:
    """Return a rectangle that was brought into a scene's system, at the scene's side of 180 degrees."""
    if bounds.x0 > bounds.x1:
        bounds = bounds._replace(x1=bounds.x1 + 360.0)
    if info.crs is None or not CRS.from_wkt(info.crs).is_geographic:
        return bounds
    middle = (Affine(*info.transform) @ (info.width_px / 2, info.height_px / 2))[0]
    turns = 360.0 * round((middle - (bounds.x0 + bounds.x1) / 2) / 360.0)
    return bounds._replace(x0=bounds.x0 + turns, x1=bounds.x1 + turns)


def _polygons(area: Area, info: SceneInfo) -> Polygons:
    from rs_adapt.scenes.polygons import open_polygon_file

    assert area.aoi is not None
    try:
        # Without a system of their own, coordinates that are no longitude and latitude are those of the scene.
        opened = open_polygon_file(area.aoi, layer=area.aoi_layer, fallback_crs=info.crs)
        if opened.bounds is None:
            raise DataError(f"{area.aoi} holds no polygon, so there is nothing to map.")
        return opened.on_grid(info, may_miss=True)
    except DataError as error:
        text = str(error)
        for old, new in _WORDS.items():
            text = text.replace(old, new)
        raise DataError(text) from error


def _intersect(box: Box, around: tuple[float, float, float, float]) -> Box:
    """Return the pixels of a box whose centres lie in a rectangle of pixel coordinates; an empty box for none."""
    # Far coordinates are cut first: they may be beyond whole numbers.
    x0, x1 = (math.floor(min(max(x, box.x0), box.x1) + 0.5) for x in (around[0], around[2]))
    y0, y1 = (math.floor(min(max(y, box.y0), box.y1) + 0.5) for y in (around[1], around[3]))
    return Box(x0, y0, x1, y1)


def _require_pixels(box: Box, area: str, info: SceneInfo) -> None:
    if box.x0 < box.x1 and box.y0 < box.y1:
        return
    corners = np.array([Affine(*info.transform) @ (x, y) for x in (0, info.width_px) for y in (0, info.height_px)])
    scene = Bounds(*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist())
    raise OutsideArea(f"{info.path} has no pixel in {area}. The scene spans {scene}, in its own reference system.")


def _list(numbers: Sequence[float]) -> str:
    return ",".join(f"{number:.15g}" for number in numbers)
