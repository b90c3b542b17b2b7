"""A crop that looks at labels, and a sample that no longer holds them."""

from __future__ import annotations

import numpy as np
from mmseg.datasets.transforms import PackSegInputs

from rs_adapt.pipelines import ForgetLabels


def test_nothing_of_the_label_is_left() -> None:
    results = {
        "img": np.zeros((4, 4, 3), np.uint8),
        "img_path": "a.png",
        "gt_seg_map": np.ones((4, 4), np.uint8),
        "seg_map_path": "labels/a.png",
        "seg_fields": ["gt_seg_map", "another"],
    }
    left = ForgetLabels()(results)
    assert sorted(left) == ["img", "img_path", "seg_fields"]
    assert left["seg_fields"] == ["another"]
    assert not hasattr(PackSegInputs()(left)["data_samples"], "gt_sem_seg")
