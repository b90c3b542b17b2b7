"""Augmentations that lend an image the look of another one: mmcv transforms, off unless a bench asks for them."""

from __future__ import annotations

from rs_adapt.pipelines.fourier import FourierAmplitudeMix
from rs_adapt.pipelines.histogram import HistogramMatch

__all__ = ["FourierAmplitudeMix", "HistogramMatch"]
