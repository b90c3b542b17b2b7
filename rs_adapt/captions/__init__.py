"""Images with captions: CLIP's two towers trained against captions that say something else.

The data are `rs_adapt.datasets.captions`. A class is imported when it is first accessed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_adapt.lazy_names import load_names

if TYPE_CHECKING:
    from rs_adapt.captions.alignment import CaptionAlignment, CaptionBatch
    from rs_adapt.captions.towers import CaptionHead, CaptionModel

__all__ = ["CaptionAlignment", "CaptionBatch", "CaptionHead", "CaptionModel"]

_MODULES = {
    "CaptionAlignment": "alignment",
    "CaptionBatch": "alignment",
    "CaptionHead": "towers",
    "CaptionModel": "towers",
}

__getattr__ = load_names(__name__, _MODULES)
