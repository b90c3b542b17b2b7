"""Data sets as mmengine reads them: folders of tiles, and endless reproducible streams over one or two of them.

The classes are loaded when they are asked for: manifests are read by commands that need no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_adapt.lazy_names import load_names

if TYPE_CHECKING:
    from rs_adapt.datasets.stream import DomainStream, DrawSampler
    from rs_adapt.datasets.tile_dataset import TileDataset

__all__ = ["DomainStream", "DrawSampler", "TileDataset"]

_MODULES = {"DomainStream": "stream", "DrawSampler": "stream", "TileDataset": "tile_dataset"}

__getattr__ = load_names(__name__, _MODULES)
