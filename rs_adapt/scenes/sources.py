"""Windows of a raster in pixels, and the facts of a raster; what `plain` and `raster` read has both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rs_adapt.errors import DataError

# The transform of a raster without a georeference.
NO_TRANSFORM = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


class Box(NamedTuple):
    """A window in pixels: columns x0 to x1 and rows y0 to y1, the ends not included."""

    x0: int
    y0: int
    x1: int
    y1: int


@dataclass(frozen=True, kw_only=True)
class SceneInfo:
    """Facts of a raster.

    `transform` holds the six numbers (a, b, c, d, e, f) of the affine pixel -> map transform, x = a*col + b*row + c and
    y = d*col + e*row + f. `crs` is the WKT of the reference system; `gsd_m` the ground size of a pixel in metres. Both
    are None where the raster has no georeference, the latter also where the system's unit is unknown. `place_fault`
    states why a georeference that the file has is no regular grid, as the end of a sentence about the file; None for
    all others.
    """

    path: Path
    width_px: int
    height_px: int
    num_bands: int
    dtype: str
    crs: str | None
    transform: tuple[float, float, float, float, float, float]
    gsd_m: float | None
    nodata: float | None
    place_fault: str | None = None

    @property
    def has_place(self) -> bool:
        """Whether pixels have a place on the map, even if the reference system is not stated."""
        return self.transform != NO_TRANSFORM


def require_one_band(path: Path, num_bands: int) -> None:
    """Refuse a raster that cannot hold class values because it has several bands.

    Raises:
        DataError: There is not one band.
    """
    if num_bands >= 3:
        raise DataError(
            f"{path} is a colour image: class values need one band, or a colour legend. If all of its {num_bands} "
            "bands are equal, or each marks the pixels of a class, write one band with the number of the class instead."
        )
    if num_bands != 1:
        raise DataError(
            f"{path} has {num_bands} bands of values: class values need one band. If each band marks the pixels of a "
            "class, write one band with the number of the class instead."
        )
