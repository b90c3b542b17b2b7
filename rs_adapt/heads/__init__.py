"""Decode heads: from four feature maps of a backbone to per-pixel class scores.

A head is imported when it is first accessed: Mask2Former imports much of transformers.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rs_adapt.heads.linear import LinearHead
    from rs_adapt.heads.mask2former import Mask2FormerHead

__all__ = ["LinearHead", "Mask2FormerHead"]

_MODULES = {"LinearHead": "linear", "Mask2FormerHead": "mask2former"}


def __getattr__(name: str) -> Any:
    """Load a class from its module (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
