"""Data sets as mmengine reads them: folders of tiles, and endless reproducible streams over one or two of them.

The classes are loaded when they are asked for: manifests are read by commands that need no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rs_adapt.datasets.stream import DomainStream, DrawSampler
    from rs_adapt.datasets.tile_dataset import TileDataset

__all__ = ["DomainStream", "DrawSampler", "TileDataset"]

_MODULES = {"DomainStream": "stream", "DrawSampler": "stream", "TileDataset": "tile_dataset"}


def __getattr__(name: str) -> Any:
    """Load a class from its module (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
