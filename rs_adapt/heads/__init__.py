"""Decode heads: from four feature maps of a backbone to per-pixel class scores."""

from __future__ import annotations

from rs_adapt.heads.linear import LinearHead
from rs_adapt.heads.mask2former import Mask2FormerHead

__all__ = ["LinearHead", "Mask2FormerHead"]
