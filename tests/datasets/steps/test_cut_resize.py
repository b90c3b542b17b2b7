from __future__ import annotations

import cv2
import numpy as np

from rs_adapt.datasets.steps.cut_resize import resize_upper_left, rows_below


def test_part_equals_the_whole_bit_for_bit() -> None:
    rng = np.random.default_rng(0)
    for case in range(300):
        shape = tuple(int(side) for side in rng.integers(1, 200, 2))
        factor = (0.5, 2.0, 1.0, 0.1, rng.uniform(0.3, 2.5))[min(case % 8, 4)]
        resized = tuple(max(1, int(side * factor + 0.5)) for side in shape)
        end = tuple(int(rng.integers(1, side + 1)) for side in resized)
        image = rng.integers(0, 256, (*shape, 3), np.uint8)
        whole = cv2.resize(image, resized[::-1], interpolation=cv2.INTER_LINEAR)
        part = resize_upper_left(image[: rows_below(end[0], shape[0], resized[0])], shape, resized, end)
        assert np.array_equal(part[: end[0], : end[1]], whole[: end[0], : end[1]]), (shape, resized, end)
