"""Scenes: rasters read by window as 8-bit RGB with a valid mask, class maps by colour legend, GeoTIFFs written."""

from __future__ import annotations

from rs_adapt.scenes.legend import colours_to_classes, count_off_legend
from rs_adapt.scenes.reader import Box, Scene, SceneInfo
from rs_adapt.scenes.writer import MapWriter, write_geotiff

__all__ = ["Box", "MapWriter", "Scene", "SceneInfo", "colours_to_classes", "count_off_legend", "write_geotiff"]
