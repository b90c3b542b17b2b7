"""Scenes: rasters read by window as 8-bit RGB with a valid mask, class maps by colour legend, GeoTIFFs written."""

from __future__ import annotations

from rs_adapt.scenes.alignment import Alignment, align
from rs_adapt.scenes.companions import files_behind
from rs_adapt.scenes.legend import colours_to_classes, count_off_legend
from rs_adapt.scenes.opening import StoredForm, stored_form
from rs_adapt.scenes.reader import Scene
from rs_adapt.scenes.sampling import STRETCH_PCT, percentile_ranges
from rs_adapt.scenes.sources import Box, SceneInfo
from rs_adapt.scenes.writer import MapWriter, write_geotiff

__all__ = [
    "STRETCH_PCT",
    "Alignment",
    "Box",
    "MapWriter",
    "Scene",
    "SceneInfo",
    "StoredForm",
    "align",
    "colours_to_classes",
    "count_off_legend",
    "files_behind",
    "percentile_ranges",
    "stored_form",
    "write_geotiff",
]
