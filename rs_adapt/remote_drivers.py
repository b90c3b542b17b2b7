"""Drivers of GDAL that ask the network: switched off for the command line. Imports neither rasterio nor fiona."""

from __future__ import annotations

import logging
import os

# Drivers that ask the network, run programs or list other files; for GDAL's own search through all drivers.
_REMOTE = "WMS WCS WMTS HTTP PLMOSAIC DAAS EEDA EEDAI STACIT STACTA GTI OGCAPI NGW MRF Rasterlite ESRIC"
_REMOTE += " AmigoCloud Carto CSW Elasticsearch GPSBabel OAPIF WFS PLSCENES MapML OGR_VRT PGDUMP LVBAG"


def refuse_remote_drivers() -> None:
    """Make GDAL forget the drivers that ask the network, in this process and its children.

    It has an effect before rasterio or fiona is used for the first time. The command line calls it; a program that
    imports the package keeps the drivers for its own use.
    """
    os.environ["GDAL_SKIP"] = " ".join(dict.fromkeys([*os.environ.get("GDAL_SKIP", "").split(), *_REMOTE.split()]))


def quiet_fiona() -> None:
    """Keep fiona's warnings from standard error, such as those on refused drivers that its GDAL does not have.

    To be called before fiona is imported. A program that has set up logging still gets them.
    """
    logging.getLogger("fiona").addHandler(logging.NullHandler())
