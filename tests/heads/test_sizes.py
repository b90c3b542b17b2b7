from __future__ import annotations

from typing import Any

import pytest
import torch

from rs_adapt.heads._sizes import prediction_size

SLIDE = {"mode": "slide"}


@pytest.mark.parametrize(
    ("input_px", "meta", "test_cfg", "expected"),
    [
        ((64, 96), {"img_shape": (64, 96)}, None, (64, 96)),
        ((64, 96), {"img_shape": (64, 96, 3), "pad_shape": (64, 96)}, {"mode": "whole"}, (64, 96)),
        # A training crop without labels, padded at the bottom and the right.
        ((64, 96), {"img_shape": (50, 90), "padding_size": (0, 6, 0, 14), "pad_shape": None}, None, (64, 96)),
        ((64, 96), {"img_shape": (50, 90), "img_padding_size": (0, 6, 0, 14)}, None, (64, 96)),
        # The same crop when the segmentor's test settings ask for sliding.
        ((64, 96), {"img_shape": (50, 90), "padding_size": (0, 6, 0, 14)}, SLIDE, (64, 96)),
        # A window of a padded image: the padding is not the window's.
        ((64, 64), {"img_shape": torch.Size((64, 64)), "padding_size": (0, 6, 0, 14)}, SLIDE, (64, 64)),
        ((64, 64), {"img_shape": torch.Size((64, 64)), "padding_size": [0, 0, 0, 0]}, SLIDE, (64, 64)),
    ],
)
def test_size_of_the_network_input(
    input_px: tuple[int, int], meta: dict[str, Any], test_cfg: dict[str, Any] | None, expected: tuple[int, int]
) -> None:
    features = [torch.zeros(1, 1, input_px[0] // 4, input_px[1] // 4)]
    assert prediction_size(features, [meta], test_cfg) == expected
