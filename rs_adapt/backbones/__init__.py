"""Vision foundation models that return a pyramid of feature maps.

A class is imported, and thereby registered, when it is first accessed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_adapt.lazy_names import load_names

if TYPE_CHECKING:
    from rs_adapt.backbones.backbone import Backbone
    from rs_adapt.backbones.clip import Clip
    from rs_adapt.backbones.convnext import ConvNext
    from rs_adapt.backbones.dinov2 import Dinov2
    from rs_adapt.backbones.dinov3 import Dinov3
    from rs_adapt.backbones.features import Features
    from rs_adapt.backbones.mit import Mit
    from rs_adapt.backbones.mobilevit import MobileVit
    from rs_adapt.backbones.plain_vit import PlainVit
    from rs_adapt.backbones.pyramid import Pyramid
    from rs_adapt.backbones.sam import Sam
    from rs_adapt.backbones.scale_mae import ScaleMae
    from rs_adapt.backbones.vit import Vit
    from rs_adapt.backbones.weights import file_sha256, find_weights, load_state

__all__ = [
    "Backbone",
    "Clip",
    "ConvNext",
    "Dinov2",
    "Dinov3",
    "Features",
    "Mit",
    "MobileVit",
    "PlainVit",
    "Pyramid",
    "Sam",
    "ScaleMae",
    "Vit",
    "file_sha256",
    "find_weights",
    "load_state",
]

_MODULES = {
    "Backbone": "backbone",
    "Clip": "clip",
    "ConvNext": "convnext",
    "Dinov2": "dinov2",
    "Dinov3": "dinov3",
    "Features": "features",
    "Mit": "mit",
    "MobileVit": "mobilevit",
    "PlainVit": "plain_vit",
    "Pyramid": "pyramid",
    "Sam": "sam",
    "ScaleMae": "scale_mae",
    "Vit": "vit",
    "file_sha256": "weights",
    "find_weights": "weights",
    "load_state": "weights",
}

__getattr__ = load_names(__name__, _MODULES)
