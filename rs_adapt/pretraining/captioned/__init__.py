"""Drawn tiles with captions that are true of them, on which the shipped nano CLIP is trained."""

from __future__ import annotations

from rs_adapt.pretraining.captioned.facts import TILE_PX, SeenObject, TileFacts
from rs_adapt.pretraining.captioned.grammar import Caption, Claim, Described
from rs_adapt.pretraining.captioned.held_out import HELD_OUT_KINDS, HELD_OUT_PAIRS
from rs_adapt.pretraining.captioned.objects import KINDS, TRAINING_KINDS
from rs_adapt.pretraining.captioned.tiles import CAPTION_VERSION, CaptionedTile, CaptionedTiles

__all__ = [
    "CAPTION_VERSION",
    "HELD_OUT_KINDS",
    "HELD_OUT_PAIRS",
    "KINDS",
    "TILE_PX",
    "TRAINING_KINDS",
    "Caption",
    "CaptionedTile",
    "CaptionedTiles",
    "Claim",
    "Described",
    "SeenObject",
    "TileFacts",
]
