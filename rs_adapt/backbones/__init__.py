"""Vision foundation models that give a pyramid of feature maps; importing this package registers them."""

from __future__ import annotations

from rs_adapt.backbones.clip import Clip
from rs_adapt.backbones.dinov2 import Dinov2
from rs_adapt.backbones.dinov3 import Dinov3
from rs_adapt.backbones.features import Features
from rs_adapt.backbones.sam import Sam
from rs_adapt.backbones.vit import Vit
from rs_adapt.backbones.weights import file_sha256, find_weights, load_state

__all__ = ["Clip", "Dinov2", "Dinov3", "Features", "Sam", "Vit", "file_sha256", "find_weights", "load_state"]
