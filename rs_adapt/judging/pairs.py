"""The predictions of two models for the same pixels (K classes, H/W pixels)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class RasterPlace:
    """The place of a raster on the map.

    Attributes:
        crs: Coordinate system, as WKT.
        name: Its name, such as EPSG:32632; the WKT where it has none.
        transform: Six numbers (a, b, c, d, e, f) of the affine pixel -> map transform.
    """

    crs: str
    name: str
    transform: tuple[float, ...]

    def locate(self, column: float, row: float) -> tuple[float, float]:
        """Return x and y on the map of a position in pixels."""
        a, b, c, d, e, f = self.transform
        return a * column + b * row + c, d * column + e * row + f

    @classmethod
    def of(cls, crs: str, transform: tuple[float, ...]) -> RasterPlace:
        """Return a place from a coordinate system in any notation and a transform."""
        from rasterio.crs import CRS

        system = CRS.from_user_input(crs)
        epsg = system.to_epsg()
        return cls(crs=system.to_wkt(), name=f"EPSG:{epsg}" if epsg else system.to_wkt(), transform=transform[:6])


@dataclass(frozen=True, kw_only=True)
class PairPrediction:
    """What two models predict for a tile, or for a window of a scene.

    Attributes:
        image: Name of the tile or file of the scene.
        run_KHW: Class probabilities of RUN, float32, which sum to 1.
        against_KHW: Class probabilities of AGAINST, likewise.
        valid_HW: Whether a pixel shows an image, bool.
        read_pixels: Returns the image, uint8 RGB (H, W, 3); called only for pictures.
        left_px: First column of the window in the scene.
        top_px: First row of the window in the scene.
        place: Where the whole tile or scene lies; None where that is not known.
    """

    image: str
    run_KHW: NDArray[np.float32]
    against_KHW: NDArray[np.float32]
    valid_HW: NDArray[np.bool_]
    read_pixels: Callable[[], NDArray[np.uint8]] = field(repr=False)
    left_px: int = 0
    top_px: int = 0
    place: RasterPlace | None = None

    @cached_property
    def run_HW(self) -> NDArray[np.uint8]:
        """Classes of RUN, uint8 (H, W)."""
        labels_HW: NDArray[np.uint8] = self.run_KHW.argmax(axis=0).astype(np.uint8)
        return labels_HW

    @cached_property
    def against_HW(self) -> NDArray[np.uint8]:
        """Classes of AGAINST, uint8 (H, W)."""
        labels_HW: NDArray[np.uint8] = self.against_KHW.argmax(axis=0).astype(np.uint8)
        return labels_HW

    @cached_property
    def differs_HW(self) -> NDArray[np.bool_]:
        """Whether the two give different classes to a pixel that shows an image, bool (H, W)."""
        differs_HW: NDArray[np.bool_] = (self.run_HW != self.against_HW) & self.valid_HW
        return differs_HW
