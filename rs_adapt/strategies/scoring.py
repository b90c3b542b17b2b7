"""A segmentor's scores as the output of a module, so that it can be called with weights of a teacher or an anchor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from rs_adapt.strategies.pseudo_labels import probabilities


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


def predict_over_mirrors(segmentor: Any, inputs: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
    """Return scores of the mean over images and their mirror images (left to right), otherwise as `predict_scores`.

    Logits are averaged as probabilities, and returned as the logarithms of the mean; scores of other kinds as they are.
    """
    plain_BKHW = predict_scores(segmentor, inputs, weights)
    mirrored_BKHW = predict_scores(segmentor, inputs.flip(-1), weights).flip(-1)
    if segmentor.decode_head.score_kind != "logits":
        return (plain_BKHW + mirrored_BKHW) / 2
    mean_BKHW = (probabilities(plain_BKHW, "logits") + probabilities(mirrored_BKHW, "logits")) / 2
    return mean_BKHW.clamp_min(torch.finfo(mean_BKHW.dtype).tiny).log()
