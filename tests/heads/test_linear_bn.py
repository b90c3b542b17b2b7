from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from rs_adapt.heads import LinearBnHead


def test_equals_batch_norm_and_one_convolution_on_the_concatenated_levels() -> None:
    torch.manual_seed(0)
    head, levels = LinearBnHead(in_channels=[8] * 3, num_classes=4), [torch.randn(2, 8, 5, 7) for _ in range(3)]
    torch.nn.init.normal_(head.classifier.weight)
    stacked = torch.cat(levels, dim=1)
    normed = F.batch_norm(stacked, None, None, training=True)
    plain = F.conv2d(normed, head.classifier.weight, head.classifier.bias)
    torch.testing.assert_close(head(levels), plain, atol=1e-4, rtol=1e-4)


def test_levels_on_other_grids_are_resized_to_the_first(pyramid: Callable[..., list[Tensor]]) -> None:
    head = LinearBnHead(in_channels=[16] * 4, num_classes=3).eval()
    features = pyramid(grid=(4, 4))
    resized = [F.interpolate(x, size=(16, 16), mode="bilinear", align_corners=False) for x in features]
    torch.testing.assert_close(head(features), head(resized))


def test_parameter_count_is_the_closed_form() -> None:
    counted = sum(p.numel() for p in LinearBnHead(in_channels=[1024] * 4, num_classes=7).parameters())
    assert counted == 4 * (2 * 1024 + 7 * 1024) + 7
