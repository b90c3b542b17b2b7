"""Steps of the training pipelines: changes of the look, labels forgotten, a plain and a distorted view."""

from __future__ import annotations

from rs_adapt.pipelines.bands import BandJitter, BandMatch
from rs_adapt.pipelines.fourier import FourierAmplitudeMix
from rs_adapt.pipelines.histogram import HistogramMatch
from rs_adapt.pipelines.labels import ForgetLabels, IgnoreClasses, RenumberClasses
from rs_adapt.pipelines.random_convolution import RandomConvolution
from rs_adapt.pipelines.views import PackViews, RememberPlainView

__all__ = [
    "BandJitter",
    "BandMatch",
    "ForgetLabels",
    "FourierAmplitudeMix",
    "HistogramMatch",
    "IgnoreClasses",
    "PackViews",
    "RandomConvolution",
    "RememberPlainView",
    "RenumberClasses",
]
