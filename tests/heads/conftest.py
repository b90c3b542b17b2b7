"""Fixtures of the head tests: feature maps, label samples and a segmentor with a toy backbone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmseg.models import EncoderDecoder
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from rs_adapt.registry import MODELS


@MODELS.register_module(force=True)
class ToyPyramid(nn.Module):
    """Four maps at strides 4, 8, 16 and 32 from average-pooled colours and one trainable matrix."""

    def __init__(self, *, channels: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(3, channels, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.project(F.avg_pool2d(x, stride)) for stride in (4, 8, 16, 32))


@pytest.fixture
def samples() -> Callable[[Tensor], list[Any]]:
    """Wrap label maps (B, H, W) as mmsegmentation does."""

    def wrap(labels_BHW: Tensor) -> list[Any]:
        wrapped = []
        for label in labels_BHW:
            shape = tuple(label.shape)
            sample = SegDataSample(metainfo={"img_shape": shape, "ori_shape": shape, "pad_shape": shape})
            sample.gt_sem_seg = PixelData(data=label[None])
            wrapped.append(sample)
        return wrapped

    return wrap


@pytest.fixture
def segmentor() -> Callable[..., Any]:
    """Build mmsegmentation's EncoderDecoder on the toy backbone."""

    def build(head: dict[str, Any], test_cfg: dict[str, Any]) -> nn.Module:
        torch.manual_seed(0)
        return EncoderDecoder(
            backbone={"type": "rs_adapt.ToyPyramid", "channels": 16},
            decode_head=head | {"in_channels": [16] * 4},
            train_cfg=ConfigDict(),
            test_cfg=ConfigDict(test_cfg),
        )

    return build


@pytest.fixture
def pyramid() -> Callable[..., list[Tensor]]:
    """Draw features (B, 16, h, w) of a token grid, resized x4, x2, x1 and x0.5 as a plain ViT's are."""

    def draw(batch: int = 2, grid: tuple[int, int] = (4, 4), seed: int = 0) -> list[Tensor]:
        tokens = torch.randn(batch, 16, *grid, generator=torch.Generator().manual_seed(seed))
        return [
            F.interpolate(tokens, size=[max(1, int(side * scale)) for side in grid], mode="bilinear")
            for scale in (4.0, 2.0, 1.0, 0.5)
        ]

    return draw
