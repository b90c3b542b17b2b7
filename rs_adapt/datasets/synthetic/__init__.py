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

__all__ = [
    "CLASSES",
    "GENERATOR_VERSION",
    "IGNORE_VALUE",
    "PALETTE",
    "REGIONS",
    "STYLE_GENERATOR_VERSION",
    "Region",
    "SceneFiles",
    "make_scene",
    "make_style_scene",
    "write_scenes",
]
