"""Fixtures of the strategy tests: a real tiny segmentor and batches for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.models import EncoderDecoder
from mmseg.structures import SegDataSample
from torch import Tensor

SIZE = 32
CLASSES = 3


@pytest.fixture
def tiny() -> Callable[..., EncoderDecoder]:
    """Return a builder of DINOv2 of width 32 with an adapter and the linear head, 3 classes, 32 px."""

    def build(*, scale_init: float = 0.5, **backbone: Any) -> EncoderDecoder:
        init_default_scope("mmseg")
        torch.manual_seed(0)
        adapter = {
            "type": "rs_adapt.EarthAdapter",
            **{"embed_dim": 32, "depth": 4, "rank": 4, "frequency_layers": (2, 3), "cutoff": 0.6},
            "scale_init": scale_init,
        }
        vit = {
            "type": "rs_adapt.Dinov2",
            **{"embed_dim": 32, "depth": 4, "num_heads": 2, "patch_px": 8, "image_px": SIZE, "adapter": adapter},
            "out_layers": (0, 1, 2, 3),
        }
        model = EncoderDecoder(
            backbone=vit | backbone,
            decode_head={"type": "rs_adapt.LinearHead", "in_channels": [32] * 4, "num_classes": CLASSES},
            data_preprocessor={
                "type": "SegDataPreProcessor",
                **{"mean": [120.0] * 3, "std": [60.0] * 3, "bgr_to_rgb": True, "size": (SIZE, SIZE)},
                **{"pad_val": 0, "seg_pad_val": 255},
            },
            train_cfg={},
            test_cfg={"mode": "whole"},
        )
        # mmsegmentation's small initial classifiers would leave the teacher undecided between its classes.
        for classifier in model.decode_head.classifiers:
            torch.nn.init.normal_(classifier.weight, std=0.5)
        return model

    return build


def sample(label_HW: Tensor | None, size_px: int = SIZE) -> SegDataSample:
    made = SegDataSample(metainfo={"img_shape": (size_px, size_px), "ori_shape": (size_px, size_px)})
    if label_HW is not None:
        made.gt_sem_seg = PixelData(data=label_HW[None])
    return made


@pytest.fixture
def batch() -> Callable[..., dict[str, Any]]:
    """Return a drawer of raw batches of two source and two target images; blocks of 8 px have a class each."""

    def draw(seed: int = 0) -> dict[str, Any]:
        generator = torch.Generator().manual_seed(seed)
        images = torch.randint(0, 256, (4, 3, SIZE, SIZE), generator=generator, dtype=torch.uint8)
        blocks = torch.randint(0, CLASSES, (2, SIZE // 8, SIZE // 8), generator=generator)
        labels = blocks.repeat_interleave(8, dim=1).repeat_interleave(8, dim=2)
        return {
            "source": {"inputs": list(images[:2]), "data_samples": [sample(label) for label in labels]},
            "target": {"inputs": list(images[2:]), "data_samples": [sample(None), sample(None)]},
        }

    return draw
