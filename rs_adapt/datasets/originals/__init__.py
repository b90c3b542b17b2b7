"""Original files of data sets, as they are shipped, and the tiles that published protocols cut from them.

Names are imported when they are first used: training on tiles needs no rasterio.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_adapt.lazy_names import load_names

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

__getattr__ = load_names(__name__, _MODULES)
