"""Reference systems by name or definition, as files state them; never by the address of a file or page."""

from __future__ import annotations

import os
import re

import rasterio
from rasterio.crs import CRS
from rasterio.errors import CRSError

from rs_adapt.scenes.drivers import SETTINGS

LON_LAT = "OGC:CRS84"

# EPSG:32632, urn:ogc:def:crs:EPSG::32632, http://www.opengis.net/def/crs/EPSG/0/32632, .../gml/srs/epsg.xml#32632
_EPSG = re.compile(r"[^\s]*\bEPSG(?:\.xml#|[:/](?:[\d.]*[:/])?)(\d{1,9})", re.IGNORECASE)
_CRS84 = re.compile(r"(?:.*[:/])?CRS:?84", re.IGNORECASE)
# A name ("WGS84", "ESRI:54009", "urn:ogc:def:crs:OGC:1.3:CRS84"), WKT, PROJ's parameters, or PROJ's JSON. Anything else
# GDAL would take for the name of a file or of a page in the network.
_NAME = re.compile(r"[A-Za-z0-9_+. -]{1,60}(?::[A-Za-z0-9_+. -]{0,60}){0,8}")
_WKT = re.compile(r"[A-Za-z_0-9]{3,40}\s*[\[(]")
# Parameters of PROJ that name files.
_PROJ_FILES = re.compile(r"\+?(?:nadgrids|geoidgrids|grids|init|catalog|file)\s*=", re.IGNORECASE)
_LONGEST_NAME = 500
# A definition with its axes and its history has a few thousand letters.
_LONGEST = 200_000


def parse_crs(name: str) -> CRS | None:
    """Return the reference system of a name or definition; None where it is none that is known."""
    text = name.strip()
    if len(text) > _LONGEST:
        return None
    if len(text) <= _LONGEST_NAME:
        if epsg := _EPSG.fullmatch(text):
            text = f"EPSG:{epsg[1]}"
        elif _CRS84.fullmatch(text):
            text = LON_LAT
    if not _is_definition(text):
        return None
    try:
        with rasterio.Env(**SETTINGS):
            return CRS.from_user_input(text)
    except (CRSError, ValueError):
        return None


def _is_definition(text: str) -> bool:
    if (_NAME.fullmatch(text) and not os.path.exists(text)) or _WKT.match(text) or text.startswith("{"):
        return True
    is_proj = text.startswith("+proj=") or text.lower().startswith("+init=epsg:")
    return is_proj and (not _PROJ_FILES.search(text) or text.lower().startswith("+init=epsg:"))
