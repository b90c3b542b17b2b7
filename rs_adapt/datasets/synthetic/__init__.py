"""Synthetic two-region scenes: labelled GeoTIFFs that look like aerial images, drawn from a seed."""

from __future__ import annotations

from rs_adapt.datasets.synthetic.regions import CLASSES, IGNORE_VALUE, PALETTE, REGIONS, Region
from rs_adapt.datasets.synthetic.scenes import (
    GENERATOR_VERSION,
    STYLE_GENERATOR_VERSION,
    SceneFiles,
    make_scene,
    make_style_scene,
    write_scenes,
)
from rs_adapt.datasets.synthetic.shifts import FACTORS, PAIRS, ShiftedPair, region_named, shifted_pair

__all__ = [
    "CLASSES",
    "FACTORS",
    "GENERATOR_VERSION",
    "IGNORE_VALUE",
    "PAIRS",
    "PALETTE",
    "REGIONS",
    "STYLE_GENERATOR_VERSION",
    "Region",
    "SceneFiles",
    "ShiftedPair",
    "make_scene",
    "make_style_scene",
    "region_named",
    "shifted_pair",
    "write_scenes",
]
