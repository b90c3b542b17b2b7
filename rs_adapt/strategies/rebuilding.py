"""Masked feature rebuilding: features of hidden places are rebuilt from the rest, and have to reveal the labels.

Shapes: B batch, D embed, h/w cells of the last map, P = h * w, C width of the rebuilder.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rs_adapt.backbones.features import Features
from rs_adapt.processes import rand

_BLOCKS, _HEAD_DIM, _MOST_WIDTH = 2, 32, 256


class FeatureRebuilder(nn.Module):
    """Hides places of all feature maps and fills them from the visible ones (MRM, CVPR 2026, arXiv 2509.13801).

    The places are cells of the last map's grid, each hidden with the probability `ratio`. Every map is brought to that
    grid, hidden cells become a learnt vector, and two transformer blocks, the same for all maps, rebuild them; visible
    cells stay as they are, at the map's own resolution. It is needed in training only.

    Of the paper it is known that 40 % of the encoder's features are hidden, that the rebuilder has two blocks, and that
    the rebuilt features learn the target's pseudo-labels by cross-entropy. The blocks' width (256, or the backbone's
    if smaller, in steps of 32) and kind, and the common grid, are set here.

    Args:
        embed_dim: Width D of the maps.
        ratio: Probability that a cell is hidden, 0 to 1.
        num_maps: Number of maps.
    """

    def __init__(self, embed_dim: int, *, ratio: float, num_maps: int = 4) -> None:
        super().__init__()
        width = max(_HEAD_DIM, min(embed_dim, _MOST_WIDTH) // _HEAD_DIM * _HEAD_DIM)
        self.ratio = ratio
        self.enter, self.leave = nn.Linear(embed_dim, width), nn.Linear(width, embed_dim)
        self.hidden = nn.Parameter(0.02 * torch.randn(width))
        self.levels = nn.Parameter(0.02 * torch.randn(num_maps, width))
        # Tells a cell where it lies, by what its neighbours are.
        self.around = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width,
                width // _HEAD_DIM,
                2 * width,
                dropout=0.0,
                activation="gelu",
                batch_first=True,
                norm_first=True,
            )
            for _ in range(_BLOCKS)
        )

    def forward(self, features: Any) -> Features:
        """Return the maps with hidden places rebuilt; queries of an adapter stay.

        Args:
            features: Maps (B, D, h s, w s) of a `Vit`, with `queries`.
        """
        grid_hw = features[-1].shape[-2:]
        hides_B1hw = self.draw(features[-1])
        maps = []
        for level, map_BDhw in enumerate(features):
            cells_BPD = F.adaptive_avg_pool2d(map_BDhw, grid_hw).flatten(2).transpose(1, 2)
            hides_BP1 = hides_B1hw.flatten(2).transpose(1, 2)
            y_BPC = torch.where(hides_BP1, self.hidden, self.enter(cells_BPD)) + self.levels[level]
            y_BChw = y_BPC.transpose(1, 2).reshape(len(y_BPC), -1, *grid_hw)
            y_BPC = y_BPC + self.around(y_BChw).flatten(2).transpose(1, 2)
            for block in self.blocks:
                y_BPC = block(y_BPC)
            rebuilt_BDhw = self.leave(y_BPC).transpose(1, 2).reshape(len(y_BPC), -1, *grid_hw).to(map_BDhw.dtype)
            size = map_BDhw.shape[-2:]
            hides = F.interpolate(hides_B1hw.float(), size, mode="nearest") > 0
            maps.append(torch.where(hides, F.interpolate(rebuilt_BDhw, size, mode="nearest"), map_BDhw))
        image_hw = getattr(features, "image_hw", None)
        return Features(maps, getattr(features, "queries", None), image_hw)

    def draw(self, map_BDhw: Tensor) -> Tensor:
        """Return which cells of a map are hidden, (B, 1, h, w) bool, drawn on the CPU for the whole batch."""
        batch, _, rows, columns = map_BDhw.shape
        return (rand(batch, 1, rows, columns) < self.ratio).to(map_BDhw.device)
