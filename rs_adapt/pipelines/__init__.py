"""Steps of the training pipelines: the look of another image (off unless a bench asks for it), labels forgotten."""

from __future__ import annotations

from rs_adapt.pipelines.fourier import FourierAmplitudeMix
from rs_adapt.pipelines.histogram import HistogramMatch
from rs_adapt.pipelines.labels import ForgetLabels

__all__ = ["ForgetLabels", "FourierAmplitudeMix", "HistogramMatch"]
