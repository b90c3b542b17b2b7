"""Decode heads: from feature maps of a backbone to per-pixel class scores.

A head is imported when it is first accessed: Mask2Former imports much of transformers, others mmsegmentation's heads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_adapt.lazy_names import load_names

if TYPE_CHECKING:
    from rs_adapt.heads.cost import CostHead
    from rs_adapt.heads.dpt import DptHead
    from rs_adapt.heads.eomt import EomtHead
    from rs_adapt.heads.linear import LinearHead
    from rs_adapt.heads.linear_bn import LinearBnHead
    from rs_adapt.heads.mask2former import Mask2FormerHead
    from rs_adapt.heads.pmt import PmtHead
    from rs_adapt.heads.segmenter import SegmenterHead
    from rs_adapt.heads.text import TextHead
    from rs_adapt.heads.upernet import UperNetHead

__all__ = [
    "CostHead",
    "DptHead",
    "EomtHead",
    "LinearBnHead",
    "LinearHead",
    "Mask2FormerHead",
    "PmtHead",
    "SegmenterHead",
    "TextHead",
    "UperNetHead",
]

_MODULES = {
    "CostHead": "cost",
    "DptHead": "dpt",
    "EomtHead": "eomt",
    "LinearBnHead": "linear_bn",
    "LinearHead": "linear",
    "Mask2FormerHead": "mask2former",
    "PmtHead": "pmt",
    "SegmenterHead": "segmenter",
    "TextHead": "text",
    "UperNetHead": "upernet",
}

__getattr__ = load_names(__name__, _MODULES)
