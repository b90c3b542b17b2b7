"""Turn a few names into one flat mmengine config: cells, composition, wiring, overrides and paths. Loads no torch."""

from __future__ import annotations

from rs_adapt.config.cell import Cell
from rs_adapt.config.cell import resolve as resolve_cell
from rs_adapt.config.compose import compose, option_texts
from rs_adapt.config.text import to_python

__all__ = ["Cell", "compose", "option_texts", "resolve_cell", "to_python"]
