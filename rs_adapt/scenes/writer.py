"""Write GeoTIFFs: whole arrays, or a class map row band by row band (H/W pixels, C bands)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import Affine
from rasterio.windows import Window

from rs_adapt.errors import DataError


class MapWriter:
    """A GeoTIFF that is filled from top to bottom; use it as a context manager.

    Args:
        path: The file to write; its folder must exist.
        height_px: Rows.
        width_px: Columns.
        num_bands: Bands.
        dtype: "uint8", "uint16", "float32" ...
        crs: WKT or "EPSG:n"; None writes no reference system.
        transform: Six numbers (a, b, c, d, e, f) of the affine pixel -> map transform.
        nodata: The value that marks pixels without data, or None.
        colours: RGB colours of the values 0, 1, 2 ... for the colour table of a one-band uint8 map.
    """

    def __init__(
        self,
        path: Path,
        *,
        height_px: int,
        width_px: int,
        num_bands: int = 1,
        dtype: str = "uint8",
        crs: str | None = None,
        transform: Sequence[float] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
        nodata: float | None = None,
        colours: Sequence[Sequence[int]] | None = None,
    ) -> None:
        profile: dict[str, object] = {
            "driver": "GTiff",
            "height": height_px,
            "width": width_px,
            "count": num_bands,
            "dtype": dtype,
            "nodata": nodata,
            "compress": "deflate",
            "tiled": True,
            "blockxsize": 256,
            "blockysize": 256,
            "interleave": "pixel",
            "bigtiff": "if_safer",
        }
        if num_bands > 3:
            # GDAL would mark the fourth band as transparency, and readers would take its dark pixels for no data.
            profile |= {"photometric": "RGB", "alpha": "unspecified"}
        if crs is not None:
            profile["crs"] = crs
        if crs is not None or tuple(transform) != (1.0, 0.0, 0.0, 0.0, 1.0, 0.0):
            profile["transform"] = Affine(*transform)
        self.path = path
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            self._dataset = rasterio.open(path, "w", **profile)
        if colours is not None:
            self._dataset.write_colormap(1, {value: (*map(int, rgb), 255) for value, rgb in enumerate(colours)})

    def __enter__(self) -> MapWriter:
        """Return the writer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the file."""
        self._dataset.close()

    def write(self, array: NDArray[Any], *, x0: int = 0, y0: int = 0) -> None:
        """Write an array of shape (H, W), or (H, W, C) for several bands, with its upper left pixel at (x0, y0).

        Raises:
            DataError: The array does not fit into the raster.
        """
        bands_CHW = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
        count, height_px, width_px = bands_CHW.shape
        full = self._dataset
        if count != full.count or x0 + width_px > full.width or y0 + height_px > full.height:
            raise DataError(
                f"{count} x {height_px} x {width_px} pixels at column {x0}, row {y0} do not fit into {self.path} "
                f"({full.count} x {full.height} x {full.width})."
            )
        full.write(bands_CHW.astype(full.dtypes[0], copy=False), window=Window(x0, y0, width_px, height_px))


def write_geotiff(
    path: Path,
    array: NDArray[Any],
    *,
    crs: str | None = None,
    transform: Sequence[float] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
    nodata: float | None = None,
    colours: Sequence[Sequence[int]] | None = None,
) -> None:
    """Write an array of shape (H, W) or (H, W, C) as a compressed, tiled GeoTIFF of the array's dtype.

    Args:
        path: The file to write; its folder must exist.
        array: Pixels.
        crs: WKT or "EPSG:n"; None writes no reference system.
        transform: Six numbers (a, b, c, d, e, f) of the affine pixel -> map transform.
        nodata: The value that marks pixels without data, or None.
        colours: RGB colours of the values 0, 1, 2 ... for a one-band uint8 map.
    """
    with MapWriter(
        path,
        height_px=array.shape[0],
        width_px=array.shape[1],
        num_bands=1 if array.ndim == 2 else array.shape[2],
        dtype=str(np.dtype(array.dtype)),
        crs=crs,
        transform=transform,
        nodata=nodata,
        colours=colours,
    ) as writer:
        writer.write(array)
