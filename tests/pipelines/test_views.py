"""Two views of a crop: what was there before the colours were distorted, and after it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from mmseg.datasets.transforms import PackSegInputs, PhotoMetricDistortion

from rs_adapt.datasets.stream import seeded
from rs_adapt.pipelines import PackViews, RememberPlainView


def test_the_plain_view_is_the_image_before_the_distortion(noise_HWC: Callable[..., np.ndarray[Any, Any]]) -> None:
    results = {"img": noise_HWC(0), "img_path": "a.png", "flip": True}
    plain = PackSegInputs()(copy.deepcopy(results))
    for seed in range(4):
        with seeded(seed):
            distorted = PackSegInputs()(PhotoMetricDistortion()(copy.deepcopy(results)))
        with seeded(seed):
            views = PackViews()(PhotoMetricDistortion()(RememberPlainView()(copy.deepcopy(results))))
        assert sorted(views) == ["data_samples", "inputs", "plain"]
        assert torch.equal(views["plain"], plain["inputs"])
        # The student's view is that of a pipeline without views, to the last bit.
        assert torch.equal(views["inputs"], distorted["inputs"])
        assert views["plain"].dtype == views["inputs"].dtype == torch.uint8
        assert views["data_samples"].metainfo == distorted["data_samples"].metainfo
    assert not torch.equal(views["plain"], views["inputs"])
