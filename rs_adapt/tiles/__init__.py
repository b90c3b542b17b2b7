"""Tiles: scenes cut on a grid into PNG files, an index of them, and class maps or logits put back together.

Names are imported when they are first used: training on tiles needs no rasterio.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_adapt.lazy_names import load_names

if TYPE_CHECKING:
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

_MODULES = {
    "CutOriginal": "originals",
    "Recipe": "originals",
    "RowBlender": "blend",
    "Tile": "index",
    "blend_weights": "blend",
    "cut_original": "originals",
    "cut_scene": "cut",
    "read_index": "index",
    "stitch": "blend",
    "tile_boxes": "grid",
    "tile_name": "grid",
    "tile_origins": "grid",
    "tiles_sha256": "originals",
    "write_index": "index",
}

__getattr__ = load_names(__name__, _MODULES)
