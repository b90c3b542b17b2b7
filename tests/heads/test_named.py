"""Heads whose predictions choose among some of their classes."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from rs_adapt.errors import ConfigError
from rs_adapt.heads import CostHead, TextHead

NAMES = ["road", "water", "forest", "car"]


def head(kind: str, **changes: Any) -> Any:
    torch.manual_seed(0)
    shared = {"num_classes": 4, "class_texts": NAMES, "templates": ["a {}"], "text_dim": 16, "text_weights": "random"}
    if kind == "text":
        return TextHead(in_channels=[12], **shared | changes).eval()
    small = {"channels": 8, "guide_channels": 8, "num_layers": 1, "num_heads": 2, "window": 4}
    decoder = {"decoder_channels": (8,), "decoder_guide_channels": (4,)}
    return CostHead(in_channels=[12, 12], **shared | small | decoder | changes).eval()


def maps(kind: str) -> list[torch.Tensor]:
    torch.manual_seed(1)
    return [torch.randn(2, 12, 4, 4) for _ in range(1 if kind == "text" else 2)]


@pytest.mark.parametrize("kind", ["text", "cost"])
@torch.no_grad()
def test_predictions_are_those_of_a_head_that_knows_the_chosen_names_alone(kind: str) -> None:
    chosen = head(kind, predicted_classes=[1, 3])
    all_of_them = head(kind)
    features = maps(kind)
    logits = chosen(features)
    assert logits.shape[1] == 4
    # With the head `cost` the names that are compared act on each other: those left out take no part.
    assert torch.equal(logits[:, [1, 3]], all_of_them.logits(features, [1, 3]))
    assert set(logits.argmax(dim=1).unique().tolist()) <= {1, 3}
    assert torch.softmax(logits, dim=1)[:, [0, 2]].max() == 0
    assert torch.equal(logits.sigmoid()[:, [0, 2]], torch.zeros_like(logits[:, [0, 2]]))
    # Other words after the training are all compared.
    chosen.name_classes(["dam", "port"], chosen.text_KC[:2])
    assert chosen(features).shape[1] == 2


@pytest.mark.parametrize("numbers", [[], [3, 1], [1, 1]])
def test_numbers_out_of_order_are_refused(numbers: list[int]) -> None:
    with pytest.raises(ConfigError, match=r"TextHead: predicted_classes is .*; give one or more, ascending"):
        head("text", predicted_classes=numbers)
