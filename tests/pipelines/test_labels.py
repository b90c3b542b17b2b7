"""A crop that looks at labels, and a sample that no longer holds them."""

from __future__ import annotations

import numpy as np
import pytest
from mmseg.datasets.transforms import PackSegInputs

from rs_adapt.errors import ConfigError, DataError
from rs_adapt.pipelines import ForgetLabels, IgnoreClasses, RenumberClasses


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


def test_ignored_classes_look_as_if_nobody_had_labelled_them() -> None:
    label = np.array([[0, 1, 2], [3, 255, 1]], np.uint8)
    changed = IgnoreClasses(classes=[1, 3], ignore_index=255)({"gt_seg_map": label})["gt_seg_map"]
    assert changed.tolist() == [[0, 255, 2], [255, 255, 255]]
    assert changed.dtype == label.dtype
    assert label[0, 1] == 1, "the file's own array stays"
    with pytest.raises(ConfigError, match="IgnoreClasses: classes is"):
        IgnoreClasses(classes=[300])


def test_classes_get_the_numbers_of_a_longer_list_and_unlabelled_pixels_stay() -> None:
    label = np.array([[0, 1, 2], [255, 2, 0]], np.uint8)
    step = RenumberClasses(numbers=[5, 0, 9])
    assert step.transform({"gt_seg_map": label})["gt_seg_map"].tolist() == [[5, 0, 9], [255, 9, 5]]
    with pytest.raises(DataError, match=r"a\.png holds the class 3, but its data set has the classes 0 to 2"):
        step.transform({"gt_seg_map": label + 1, "seg_map_path": "a.png"})
    with pytest.raises(ConfigError, match=r"numbers holds 255, which stands for pixels without label"):
        RenumberClasses(numbers=[0, 255])
