"""Data sets as mmengine reads them: folders of tiles, and endless reproducible streams over one or two of them."""

from __future__ import annotations

from rs_adapt.datasets.stream import DomainStream, DrawSampler
from rs_adapt.datasets.tile_dataset import TileDataset

__all__ = ["DomainStream", "DrawSampler", "TileDataset"]
