"""Tiles: scenes cut on a grid into PNG files, an index of them, and class maps or logits put back together."""

from __future__ import annotations

from rs_adapt.tiles.blend import RowBlender, blend_weights, stitch
from rs_adapt.tiles.cut import cut_scene
from rs_adapt.tiles.grid import tile_boxes, tile_name, tile_origins
from rs_adapt.tiles.index import Tile, read_index, write_index
from rs_adapt.tiles.originals import CutOriginal, Recipe, cut_original, tiles_sha256

__all__ = [
    "CutOriginal",
    "Recipe",
    "RowBlender",
    "Tile",
    "blend_weights",
    "cut_original",
    "cut_scene",
    "read_index",
    "stitch",
    "tile_boxes",
    "tile_name",
    "tile_origins",
    "tiles_sha256",
    "write_index",
]
