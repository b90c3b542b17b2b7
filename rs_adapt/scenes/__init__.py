"""Scenes: rasters read by window as 8-bit RGB with a valid mask, class maps by colour legend, GeoTIFFs written.

Names are imported when they are first used: training on tiles needs no rasterio.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_adapt.lazy_names import load_names

if TYPE_CHECKING:
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

_MODULES = {
    "Alignment": "alignment",
    "Box": "sources",
    "MapWriter": "writer",
    "STRETCH_PCT": "sampling",
    "Scene": "reader",
    "SceneInfo": "sources",
    "StoredForm": "opening",
    "align": "alignment",
    "colours_to_classes": "legend",
    "count_off_legend": "legend",
    "files_behind": "companions",
    "percentile_ranges": "sampling",
    "stored_form": "opening",
    "write_geotiff": "writer",
}

__getattr__ = load_names(__name__, _MODULES)
