"""Original files of data sets, as they are shipped, and the tiles that published protocols cut from them."""

from __future__ import annotations

from rs_adapt.datasets.originals.layout import Layout, Part, layout_names, load_layout
from rs_adapt.datasets.originals.plan import Plan, Prepared
from rs_adapt.datasets.originals.prepare import prepare_originals

__all__ = ["Layout", "Part", "Plan", "Prepared", "layout_names", "load_layout", "prepare_originals"]
