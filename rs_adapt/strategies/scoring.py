"""A segmentor's scores as the output of a module, so that it can be called with the teacher's weights."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


class Scores(nn.Module):
    """A module whose `forward` returns a segmentor's per-pixel scores at input size, for `functional_call`."""

    def __init__(self, segmentor: nn.Module) -> None:
        super().__init__()
        self.segmentor: Any = segmentor

    def forward(self, inputs: Tensor) -> Tensor:
        """Return scores (B, K, H, W) of images (B, 3, H, W)."""
        features = self.segmentor.extract_feat(inputs)
        meta = {"img_shape": tuple(inputs.shape[-2:]), "ori_shape": tuple(inputs.shape[-2:])}
        metas = [meta] * len(inputs)
        scores: Tensor = self.segmentor.decode_head.predict(features, metas, self.segmentor.test_cfg)
        return scores
