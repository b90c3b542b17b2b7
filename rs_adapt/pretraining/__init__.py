"""Pre-training of the nano backbone on synthetic scenes of many styles; the result is shipped with the package."""

from __future__ import annotations

from rs_adapt.pretraining.build import build_nano, write_weights
from rs_adapt.pretraining.crops import MATERIALS, StyleCrops
from rs_adapt.pretraining.recipe import NANO, PretrainingRecipe
from rs_adapt.pretraining.train import MaterialObjective, pretrain

__all__ = [
    "MATERIALS",
    "NANO",
    "MaterialObjective",
    "PretrainingRecipe",
    "StyleCrops",
    "build_nano",
    "pretrain",
    "write_weights",
]
