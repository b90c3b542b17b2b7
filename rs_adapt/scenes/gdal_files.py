"""Files for GDAL, looked at before it opens them: rasters, and polygons in files of GDAL's vector formats."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from rs_adapt.errors import DataError
from rs_adapt.scenes.drivers import RASTER_DRIVERS, open_with
from rs_adapt.scenes.vrt_parts import check_sidecar, check_vrt
from rs_adapt.zips import check_unpacked_size

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

# Formats of text that may begin with "<".
_XML = (".gml", ".kml", ".gpx")


def open_raster(path: Path) -> DatasetReader:
    """Open a raster with the drivers that are allowed for its name: a VRT only where its name ends with `.vrt`.

    Raises:
        RasterioError: No such driver can read it.
        DataError: Its list of parts, or a file beside it, names places that are not allowed.
    """
    is_list = path.suffix.lower() == ".vrt"
    if is_list:
        check_vrt(path)
    check_sidecar(path)
    return open_with(path, ["VRT"] if is_list else RASTER_DRIVERS)


def check_vector_file(path: Path) -> None:
    """Refuse a vector file that is a list of others, a web service, or larger inside than it may be.

    Raises:
        DataError: It is one of these.
    """
    if path.suffix.lower() == ".zip":
        if not zipfile.is_zipfile(path):
            raise DataError(f"{path} is no zip, or damaged: copy it again.")
        check_unpacked_size(path, error=DataError)
        return
    if path.is_dir():
        return
    with path.open("rb") as file:
        start = file.read(1 << 16)
    if not start.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\0").startswith(b"<"):
        return
    if path.suffix.lower() not in _XML:
        raise DataError(
            f"{path} is XML, and not what its name says: such a file can name other files and web services. Export the "
            "polygons as GeoPackage or GeoJSON."
        )
    if b"<!" in start.replace(b"<!--", b""):
        raise DataError(f"{path} declares entities or a document type, which are not read: export it as GeoPackage.")
