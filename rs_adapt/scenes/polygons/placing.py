"""Bring polygons onto the pixel grid of a scene, or say why they do not fit it (H/W pixels)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from rasterio.crs import CRS
from rasterio.transform import Affine

from rs_adapt.errors import DataError
from rs_adapt.scenes.crs import parse_crs
from rs_adapt.scenes.polygons.arrays import Bounds, Polygons
from rs_adapt.scenes.polygons.burning import reach
from rs_adapt.scenes.polygons.clipping import clip_polygons
from rs_adapt.scenes.polygons.systems import crs_name, is_lon_lat, is_on_earth, transform_points, transform_rectangle
from rs_adapt.scenes.sources import SceneInfo

# A rectangle in one system is none in another: it is made larger by this share, for what its bent edges may hold.
MARGIN = 0.05
# Coordinates of an image without georeference are read with y upwards where this much more of the polygons fits.
CLEARLY = 4.0
# Vertices further away from a scene are cut off: projections fold the far side of the world back onto it.
FAR_DEGREES, FAR_M = 5.0, 500_000.0
_REMEDY = (
    "Add the polygons of this scene, leave the scene out (pattern), or name with aoi a file of polygons that says "
    "where labels are complete: what is inside of it and outside of all polygons is background."
)
_GIVE_CRS = 'Give the right one as crs = "EPSG:..." in [...labels].'


@dataclass(frozen=True, kw_only=True)
class SystemOfFile:
    """The reference system of a file of polygons, and who states it: the user, the file, or GeoJSON's default."""

    crs: CRS | None
    origin: Literal["given", "stated", "presumed"]


class File(Protocol):
    """What placing needs of a `PolygonFile`."""

    path: Path
    system: SystemOfFile

    @property
    def num_skipped(self) -> int:
        """Number of features and parts that are no polygons."""

    @property
    def bounds(self) -> Bounds | None:
        """Bounding box of all polygons; None where there is none."""

    def near(self, bounds: Bounds) -> Polygons:
        """Return the polygons whose bounding box touches a rectangle."""


def place(file: File, image: SceneInfo, *, may_miss: bool) -> Polygons:
    """Return the polygons of a file that lie on a scene, in its pixels; see `PolygonFile.on_grid`."""
    try:
        return _place(file, image, may_miss)
    except DataError as error:
        if image.place_fault is None:
            raise
        raise DataError(f"{file.path} does not fit the scene {image.path}, which {image.place_fault}") from error


def _place(file: File, image: SceneInfo, may_miss: bool) -> Polygons:
    everywhere = file.bounds
    if everywhere is None:
        if may_miss:
            return file.near(Bounds(0, 0, 0, 0))
        skipped = f" ({file.num_skipped} features are none)" if file.num_skipped else ""
        raise DataError(f"{file.path} holds no polygon{skipped}, so the scene {image.path} has no label. {_REMEDY}")
    if not image.has_place:
        polygons = _as_pixels(file, image)
    else:
        _require_system(file, image, everywhere)
        polygons = _on_scene(file, image)
    if not reach(polygons, image.width_px, image.height_px):
        _require_x_first(file, image)
        if not may_miss:
            raise _miss(file, image, everywhere)
    return polygons


def _footprint(image: SceneInfo) -> Bounds:
    """Return the bounding box of a scene in its own coordinates."""
    to_map = Affine(*image.transform)
    corners = np.array([to_map @ (x, y) for x in (0, image.width_px) for y in (0, image.height_px)])
    return Bounds(*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist())


def _systems(file: File, image: SceneInfo) -> tuple[CRS, CRS] | None:
    """Return the systems of file and scene; None where numbers are compared as they are."""
    crs = _scene_crs(image)
    return None if file.system.crs is None or crs is None else (file.system.crs, crs)


def _scene_crs(image: SceneInfo) -> CRS | None:
    """Return the system of a scene; None also for a local one, which has no relation to any other."""
    crs = None if image.crs is None else parse_crs(image.crs)
    return crs if crs is not None and is_on_earth(crs) else None


def _scene_in_file(file: File, image: SceneInfo) -> Bounds:
    """Return the bounding box of a scene in coordinates of the file."""
    systems = _systems(file, image)
    if systems is None:
        return _footprint(image)
    try:
        return transform_rectangle(_footprint(image), systems[1], systems[0])
    except DataError as error:
        raise DataError(f"The scene {image.path} cannot be compared with {file.path}: {error}. {_GIVE_CRS}") from error


def _on_scene(file: File, image: SceneInfo, *, swapped: bool = False) -> Polygons:
    """Return the polygons whose bounding box touches a scene, in its pixels, with x and y swapped on demand."""
    bounds = _scene_in_file(file, image)
    width = bounds.x1 - bounds.x0 + (360.0 if bounds.x0 > bounds.x1 else 0.0)
    dx, dy = MARGIN * width, MARGIN * (bounds.y1 - bounds.y0)
    around = Bounds(bounds.x0 - dx, bounds.y0 - dy, bounds.x1 + dx, bounds.y1 + dy)
    polygons = file.near(Bounds(around.y0, around.x0, around.y1, around.x1) if swapped else around)
    if swapped:
        polygons = polygons.moved(polygons.xy_N2[:, ::-1])
    if (systems := _systems(file, image)) is not None:
        try:
            if bounds.x0 <= bounds.x1:
                far = FAR_DEGREES if systems[0].is_geographic else FAR_M
                around = Bounds(bounds.x0 - far, bounds.y0 - far, bounds.x1 + far, bounds.y1 + far)
                polygons = clip_polygons(polygons, around)
            polygons = polygons.moved(transform_points(polygons.xy_N2, *systems))
        except DataError as error:
            raise DataError(
                f"A polygon of {file.path} at the scene {image.path} reaches too far: {error}. Cut the polygons to the "
                "area of the scenes."
            ) from error
    a, b, c, d, e, f = tuple(~Affine(*image.transform))[:6]
    x_N, y_N = polygons.xy_N2.T
    polygons = polygons.moved(np.stack([a * x_N + b * y_N + c, d * x_N + e * y_N + f], axis=1))
    return polygons.take(polygons.touch(_frame(image)))


def _frame(image: SceneInfo) -> Bounds:
    return Bounds(0.0, 0.0, float(image.width_px), float(image.height_px))


def _require_system(file: File, image: SceneInfo, everywhere: Bounds) -> None:
    """Refuse coordinates without a system beside a scene that has one, and degrees that are none."""
    if _scene_crs(image) is None:
        return
    crs, origin = file.system.crs, file.system.origin
    if crs is None:
        raise DataError(
            f"{file.path} states no reference system (of a Shapefile the .prj is missing), and the scene {image.path} "
            f"has one. {_GIVE_CRS}{_own_system_hint(image, everywhere)}"
        )
    if is_lon_lat(everywhere) or not crs.is_geographic:
        return
    _require_x_first(file, image)
    system = (
        "states no reference system, which in GeoJSON means longitude and latitude"
        if origin == "presumed"
        else f"is in {crs_name(crs)} ({'as crs says' if origin == 'given' else 'as it states'}), which is of degrees"
    )
    raise DataError(
        f"{file.path} {system}, but its coordinates are none: {everywhere}. "
        f"{_GIVE_CRS}{_own_system_hint(image, everywhere)}"
    )


def _own_system_hint(image: SceneInfo, everywhere: Bounds, given: CRS | None = None) -> str:
    scene_crs = _scene_crs(image)
    if scene_crs is None or scene_crs == given:
        return ""
    own, name = _footprint(image), crs_name(scene_crs)
    apart = own.x0 > everywhere.x1 or own.x1 < everywhere.x0 or own.y0 > everywhere.y1 or own.y1 < everywhere.y0
    if apart or not name.startswith("EPSG:"):
        return ""
    return f' Their numbers are those of the scene\'s system: if they are in it, crs = "{name}".'


def _require_x_first(file: File, image: SceneInfo) -> None:
    """Refuse coordinates that lie on the scene when they are read as y, x."""
    if not image.has_place:
        return
    try:
        polygons = _on_scene(file, image, swapped=True)
    except DataError:
        return
    if reach(polygons, image.width_px, image.height_px):
        crs = file.system.crs
        order = "latitude, longitude" if crs is None or crs.is_geographic else "northing, easting"
        raise DataError(
            f"The coordinates of {file.path} are {order}: so read they lie on the scene {image.path}, and as x, y none "
            "does. Store them as x, y (in QGIS: Swap X and Y coordinates; in PostGIS: ST_FlipCoordinates)."
        )


def _as_pixels(file: File, image: SceneInfo) -> Polygons:
    """Return the polygons on an image without georeference, whose coordinates are its pixels."""
    width, height = float(image.width_px), float(image.height_px)
    if file.system.origin == "given":
        raise DataError(
            f"crs is given for {file.path}, but the scene {image.path} has no georeference: its labels are polygons in "
            "pixels. Leave out crs, or use a GeoTIFF or an image with a world file."
        )
    polygons = file.near(Bounds(0.0, -height, width, height))
    x0_P, y0_P, x1_P, y1_P = polygons.bounds_P4.T
    across_P = np.minimum(x1_P, width) - np.maximum(x0_P, 0.0)
    down = float((across_P * np.clip(np.minimum(y1_P, height) - np.maximum(y0_P, 0.0), 0.0, None)).sum())
    up = float((across_P * np.clip(np.minimum(y1_P, 0.0) - np.maximum(y0_P, -height), 0.0, None)).sum())
    if len(polygons) and float(np.median(np.maximum(x1_P - x0_P, y1_P - y0_P))) < 1.0:
        raise DataError(
            f"The scene {image.path} has no georeference, so the coordinates of {file.path} are taken as its pixels, "
            f"but its polygons are smaller than one ({polygons.bounds}): they look like longitude and latitude. "
            "Use a GeoTIFF or an image with a world file."
        )
    if min(up, down) > 0 and max(up, down) < CLEARLY * min(up, down):
        raise DataError(
            f"The scene {image.path} has no georeference, and the polygons of {file.path} lie above and below its "
            "upper edge. Give pixels, with y growing downwards from 0 at the upper edge, and cut them to the image."
        )
    if up > down:
        polygons = polygons.moved(polygons.xy_N2 * (1.0, -1.0))
    return polygons.take(polygons.touch(_frame(image)))


def _miss(file: File, image: SceneInfo, everywhere: Bounds) -> DataError:
    if not image.has_place:
        where = "The scene has no georeference, so coordinates are its pixels"
    elif _scene_crs(image) is None:
        where = "The scene states no known reference system, so the numbers are compared as they are"
    else:
        assert file.system.crs is not None
        where = f"In {crs_name(file.system.crs)}, the system of the file"
    hint = _own_system_hint(image, everywhere, file.system.crs) if image.has_place else ""
    return DataError(
        f"No polygon of {file.path} lies on the scene {image.path}. {where}: the polygons span {everywhere}, the scene "
        f"{_scene_in_file(file, image)}.{hint} {_REMEDY}"
    )
