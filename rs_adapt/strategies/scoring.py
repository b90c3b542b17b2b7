"""A segmentor's scores as the output of a module, so that it can be called with weights of a teacher or an anchor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


class Scores(nn.Module):
    """A module whose `forward` returns a segmentor's per-pixel scores at input size, for `functional_call`."""

    def __init__(self, segmentor: nn.Module) -> None:
        super().__init__()
        self.segmentor: Any = segmentor

    def forward(self, inputs: Tensor) -> Tensor:
        """Return scores (B, K, H, W) of images (B, 3, H, W)."""
        return scores_of(self.segmentor, self.segmentor.extract_feat(inputs), inputs)


def scores_of(segmentor: Any, features: Any, inputs: Tensor) -> Tensor:
    """Return a segmentor's scores (B, K, H, W) from its features of images (B, 3, H, W), with gradients."""
    meta = {"img_shape": tuple(inputs.shape[-2:]), "ori_shape": tuple(inputs.shape[-2:])}
    metas = [meta] * len(inputs)
    scores: Tensor = segmentor.decode_head.predict(features, metas, segmentor.test_cfg)
    return scores


def predict_scores(segmentor: nn.Module, inputs: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
    """Return scores (B, K, H, W) of images (B, 3, H, W) in eval mode: no drop-out, running statistics.

    Args:
        segmentor: The segmentor; its mode stays.
        inputs: Normalised images.
        weights: Tensors that stand in for those of the segmentor, by its names; empty for its own.
    """
    was_training = segmentor.training
    segmentor.eval()
    try:
        named = {f"segmentor.{name}": value for name, value in weights.items()}
        return torch.func.functional_call(Scores(segmentor), named, (inputs,))  # type: ignore[no-any-return]
    finally:
        segmentor.train(was_training)
