"""Where the pixels of a raster lie on the map: tags, ground control points, world files and their .prj."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.errors import CRSError, NotGeoreferencedWarning, RasterioError
from rasterio.transform import Affine, from_gcps

from rs_adapt.scenes.crs import parse_crs
from rs_adapt.scenes.gdal_files import open_raster

METRES_PER_DEGREE = 111_320.0
# Ground control points are a grid where an affine transform meets each of them as closely as this.
GCP_FIT_PX = 0.5
_WARP = "Warp it first: gdalwarp -t_srs EPSG:... {name} warped.tif"


@dataclass(frozen=True, kw_only=True)
class Georeference:
    """The place of a raster: its transform of stored pixels to the map, and the system that this is in.

    Attributes:
        transform: The identity where there is no georeference.
        crs: None where it is not stated.
        fault: Why what the file has is no regular grid, with what to do; None where it is one, or there is nothing.
    """

    transform: Affine
    crs: CRS | None
    fault: str | None = None


NOWHERE = Georeference(transform=Affine.identity(), crs=None)


def read_georeference(dataset: rasterio.DatasetReader, path: Path) -> Georeference:
    """Return the place of an open raster, from its tags or its sidecar files."""
    crs, transform = dataset.crs, dataset.transform
    if not all(map(math.isfinite, transform)) or transform.determinant == 0:
        fault = "has a georeference whose pixels have no area: write a right one (gdal_edit), or none"
        return Georeference(transform=Affine.identity(), crs=None, fault=fault)
    if not transform.is_identity:
        return Georeference(transform=transform, crs=crs or _sidecar_crs(path))
    points, points_crs = dataset.gcps
    if points:
        return _from_points(points, points_crs or crs, path)
    if dataset.rpcs is not None:
        fault = f"is placed by rational polynomials (RPCs) only, which is no regular grid. {_WARP.format(name=path)}"
        return Georeference(transform=Affine.identity(), crs=None, fault=fault)
    return Georeference(transform=Affine.identity(), crs=crs)


def plain_georeference(path: Path) -> Georeference:
    """Return the place of a jpg, png or bmp: GDAL reads its world file and its .aux.xml."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with open_raster(path) as dataset:
                return read_georeference(dataset, path)
    except RasterioError:
        # PIL knows more variants of these formats than GDAL does.
        return NOWHERE


def pixel_size_m(place: Georeference, width_px: int, height_px: int) -> float | None:
    """Return the side of a square with a pixel's ground area; degrees are turned to metres at the raster's centre.

    Args:
        place: The place of the raster.
        width_px: Its columns.
        height_px: Its rows.

    Returns:
        Metres; None without a reference system, or where its unit is unknown.
    """
    crs, t = place.crs, place.transform
    if crs is None:
        return None
    side = math.sqrt(abs(t.a * t.e - t.b * t.d))
    if crs.is_geographic:
        latitude = t.d * width_px / 2 + t.e * height_px / 2 + t.f
        return side * METRES_PER_DEGREE * math.sqrt(max(math.cos(math.radians(latitude)), 0.0))
    try:
        return side * float(crs.linear_units_factor[1])
    except CRSError:
        # A local system, or one that is neither projected nor geographic.
        return None


def _from_points(points: list[GroundControlPoint], crs: CRS | None, path: Path) -> Georeference:
    none = Georeference(transform=Affine.identity(), crs=None)
    if len(points) < 3:
        fault = f"has {len(points)} ground control points, and a grid needs three. {_WARP.format(name=path)}"
        return Georeference(transform=none.transform, crs=None, fault=fault)
    transform = from_gcps(points)
    if transform.determinant == 0:
        fault = f"has ground control points on one line, which give no grid. {_WARP.format(name=path)}"
        return Georeference(transform=none.transform, crs=None, fault=fault)
    pixels_N2 = np.array([(point.col, point.row) for point in points])
    fitted_2N = np.array(~transform @ (np.array([p.x for p in points]), np.array([p.y for p in points])))
    miss_px = float(np.abs(fitted_2N.T - pixels_N2).max())
    if miss_px > GCP_FIT_PX:
        fault = (
            f"has {len(points)} ground control points that no affine transform fits (off by up to {miss_px:.1f} px, "
            f"allowed is {GCP_FIT_PX}). {_WARP.format(name=path)}"
        )
        return Georeference(transform=none.transform, crs=None, fault=fault)
    return Georeference(transform=transform, crs=crs)


def _sidecar_crs(path: Path) -> CRS | None:
    """Return the system that a .prj beside a raster states, as ArcGIS and QGIS write it with a world file."""
    for suffix in (".prj", ".PRJ"):
        file = path.with_suffix(suffix)
        if file.is_file():
            try:
                return parse_crs(file.read_text(encoding="utf-8-sig"))
            except (OSError, ValueError):
                return None
    return None
