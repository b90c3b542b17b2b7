"""Original files of data sets, as they are shipped, and the tiles that published protocols cut from them.

Names are imported when they are first used: training on tiles needs no rasterio.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rs_adapt.datasets.originals.layout import Layout, Part, layout_names, load_layout
    from rs_adapt.datasets.originals.plan import Plan, Prepared
    from rs_adapt.datasets.originals.prepare import prepare_originals

__all__ = ["Layout", "Part", "Plan", "Prepared", "layout_names", "load_layout", "prepare_originals"]

_MODULES = {
    "Layout": "layout",
    "Part": "layout",
    "Plan": "plan",
    "Prepared": "plan",
    "layout_names": "layout",
    "load_layout": "layout",
    "prepare_originals": "prepare",
}


def __getattr__(name: str) -> object:
    """Load a name from its module (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    return found
