"""Training of the nano CLIP that comes with the package."""

from __future__ import annotations

from rs_adapt.pretraining.nano_clip.build import build_nano_clip, write_clip
from rs_adapt.pretraining.nano_clip.recipe import NANO_CLIP, ClipRecipe
from rs_adapt.pretraining.nano_clip.towers import NanoClip
from rs_adapt.pretraining.nano_clip.train import train_clip

__all__ = ["NANO_CLIP", "ClipRecipe", "NanoClip", "build_nano_clip", "train_clip", "write_clip"]
