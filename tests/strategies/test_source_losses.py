"""Feature distillation: a learnt map may turn the features, and the frozen ones must be readable from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from rs_adapt.errors import ConfigError
from rs_adapt.strategies.source_losses import SourceLosses

Tiny = Callable[..., Any]


def made(segmentor: Any, weight: float = 1.0) -> SourceLosses:
    return SourceLosses(
        segmentor, feature_weight=0.0, feature_classes=None, feature_min_share=0.75, distill_weight=weight
    )


def source(batch: Callable[..., Any], segmentor: Any) -> tuple[Any, torch.Tensor]:
    data = segmentor.data_preprocessor(batch()["source"], True)
    return data, torch.stack([sample.gt_sem_seg.data[0] for sample in data["data_samples"]])


def test_known_answer(tiny: Tiny, batch: Callable[..., Any]) -> None:
    segmentor = tiny()
    data, labels = source(batch, segmentor)
    found = made(segmentor, 3.0)(segmentor, data, labels)["source.loss_distillation"]
    with torch.no_grad():
        adapted = segmentor.backbone(data["inputs"])[-1]
        with segmentor.backbone.without_adapter():
            frozen = segmentor.backbone(data["inputs"])[-1]
    # The map starts as the identity.
    cosine = (adapted * frozen).sum(dim=1) / (adapted.norm(dim=1) * frozen.norm(dim=1))
    torch.testing.assert_close(found, 3 * (1 - cosine).mean())


def test_without_a_change_of_the_features_it_is_zero_and_a_turn_of_them_can_be_learnt(
    tiny: Tiny, batch: Callable[..., Any]
) -> None:
    segmentor = tiny(scale_init=0.0)
    data, labels = source(batch, segmentor)
    losses = made(segmentor)
    assert losses(segmentor, data, labels)["source.loss_distillation"].item() == pytest.approx(0, abs=1e-6)
    # Features that are turned by a map are distilled again once the learnt map has turned them back.
    turn = torch.linalg.qr(torch.randn(32, 32, generator=torch.Generator().manual_seed(0)))[0]
    original = segmentor.backbone.adapter.after_block

    def turned(x: torch.Tensor, layer: int, grid: tuple[int, int]) -> torch.Tensor:
        return original(x, layer, grid) @ turn if layer == 3 else original(x, layer, grid)

    segmentor.backbone.adapter.after_block = turned
    assert losses(segmentor, data, labels)["source.loss_distillation"] > 0.5
    with torch.no_grad():
        losses.map.weight.copy_(turn)
    assert losses(segmentor, data, labels)["source.loss_distillation"].item() == pytest.approx(0, abs=1e-5)


def test_it_trains_the_adapter_and_its_map_and_not_the_head(tiny: Tiny, batch: Callable[..., Any]) -> None:
    segmentor = tiny()
    losses = made(segmentor)
    losses(segmentor, *source(batch, segmentor))["source.loss_distillation"].backward()
    assert losses.map.weight.grad.abs().sum() > 0
    assert segmentor.decode_head.classifiers[0].weight.grad is None
    assert all(p.grad is not None for p in segmentor.backbone.adapter.parameters())


def test_it_needs_a_frozen_backbone_with_an_adapter(tiny: Tiny, batch: Callable[..., Any]) -> None:
    with pytest.raises(
        ConfigError, match=r"strategy\.distill_weight=0\.0, or use a method that keeps the backbone frozen"
    ):
        made(tiny(frozen=False, adapter=None))
    segmentor = tiny(adapter=None)
    losses = made(segmentor)
    assert losses.map is None
    assert "source.loss_distillation" not in losses(segmentor, *source(batch, segmentor))
