"""Which formats GDAL may read for a scene or its polygons, and with what settings: none asks the network.

GDAL recognises a file by its content. A few hundred bytes of XML named `x.tif` can be a web service (WMS), or a list of
any other files (VRT); so each file is opened with the drivers that are allowed for its name, and no others.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

# Formats that hold their pixels themselves or in a file of the same name. HDF5, netCDF and PCIDSK can name any file.
RASTER_DRIVERS: tuple[str, ...] = ("GTiff", "COG", "PNG", "JPEG", "BMP", "JP2OpenJPEG", "HFA", "ENVI", "EHdr")
RASTER_DRIVERS += (
    "AAIGrid",
    "NITF",
    "DTED",
    "SRTMHGT",
    "USGSDEM",
    "XYZ",
    "GRIB",
    "GPKG",
    "MBTiles",
    "GIF",
    "WEBP",
    "PNM",
)
VECTOR_DRIVERS: tuple[str, ...] = (
    "ESRI Shapefile",
    "GPKG",
    "FlatGeobuf",
    "OpenFileGDB",
    "GeoJSON",
    "GeoJSONSeq",
    "SQLite",
    "GML",
    "KML",
)
VECTOR_DRIVERS += ("MapInfo File", "DXF", "DGN", "GPX", "OGR_GMT", "S57", "CSV")

# Settings of GDAL for all that is opened here. What still reached for the network would find nobody there: port 9 of
# this machine is nobody's.
SETTINGS = {
    "CPL_VSIL_CURL_ALLOWED_FILENAME": "/nowhere",
    "GDAL_HTTP_PROXY": "127.0.0.1:9",
    "GDAL_HTTPS_PROXY": "127.0.0.1:9",
    "GDAL_HTTP_MAX_RETRY": "0",
    "GML_DOWNLOAD_SCHEMA": "NO",
    "GDAL_VRT_ENABLE_PYTHON": "NO",
    "GDAL_VRT_RAWRASTERBAND_ALLOWED_SOURCE": "SIBLING_OR_CHILD_OF_VRT_PATH",
    "PROJ_NETWORK": "OFF",
}


def open_with(path: Path, drivers: Sequence[str]) -> DatasetReader:
    """Open a raster with one of some drivers, and look at nothing that it names.

    Raises:
        RasterioError: None of them can read it.
    """
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning
    from rasterio.io import DatasetReader

    with rasterio.Env(**SETTINGS), warnings.catch_warnings():
        # Many images lie nowhere on a map.
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        return DatasetReader(str(path.absolute()), driver=list(drivers))
