"""Vision foundation models that give a pyramid of feature maps; importing this package registers them."""

from __future__ import annotations

from rs_adapt.backbones.dinov2 import Dinov2
from rs_adapt.backbones.features import Features
from rs_adapt.backbones.weights import file_sha256, find_weights, load_state

__all__ = ["Dinov2", "Features", "file_sha256", "find_weights", "load_state"]
