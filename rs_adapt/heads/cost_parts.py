"""The parts of the cost head: attention in windows of a cost map, attention over classes, and its decoder.

CAT-Seg: Cho et al., CVPR 2024, arXiv 2303.11797. Every part treats the classes alike and in no order.

Shapes: B batch, R classes, M = B R cost maps, E channels of a cost map, G channels that guide, D of the backbone,
S sets of tokens, N tokens of a set, W windows, h/w grid.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rs_adapt.heads.pixel_head import resize

# Channels of a group of the decoder's norms.
_GROUP = 16


class GuidedAttention(nn.Module):
    """Self-attention and MLP, each after a norm; queries and keys are of tokens next to guiding features.

    Args:
        channels: Channels E of a token.
        guide_channels: Channels G of what guides it.
        num_heads: Attention heads; divides E.
        mlp_ratio: Hidden channels of the MLP, as a multiple of E.
    """

    def __init__(self, channels: int, guide_channels: int, *, num_heads: int, mlp_ratio: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.query = nn.Linear(channels + guide_channels, channels)
        self.key = nn.Linear(channels + guide_channels, channels)
        self.value = nn.Linear(channels, channels)
        self.out = nn.Linear(channels, channels)
        self.mlp = nn.Sequential(
            nn.Linear(channels, mlp_ratio * channels), nn.GELU(), nn.Linear(mlp_ratio * channels, channels)
        )

    def forward(self, x: Tensor, guide: Tensor, sees: Tensor | None = None) -> Tensor:
        """Return sets of tokens (S, N, E).

        Args:
            x: Sets of tokens (S, N, E).
            guide: What guides them (S, N, G).
            sees: Which tokens are seen, bool (S, 1, 1, N); None for all.
        """
        y = self.norm1(x)
        guided = torch.cat([y, guide.to(y.dtype)], dim=-1)
        query, key, value = (self._split(part) for part in (self.query(guided), self.key(guided), self.value(y)))
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=sees)
        x = x + self.out(attended.transpose(1, 2).flatten(2))
        z: Tensor = x + self.mlp(self.norm2(x))
        return z

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self.num_heads, -1).transpose(1, 2)


class WindowAttention(GuidedAttention):
    """`GuidedAttention` in windows of a map, as in Swin (Liu et al., arXiv 2103.14030), without its position bias.

    Args:
        channels: See `GuidedAttention`.
        guide_channels: See `GuidedAttention`.
        window: Side of a window, places of the grid; a larger one is the whole map.
        shifted: Whether windows begin half their side further on, so that they join what was in different ones.
        num_heads: See `GuidedAttention`.
        mlp_ratio: See `GuidedAttention`.
    """

    def __init__(
        self, channels: int, guide_channels: int, *, window: int, shifted: bool, num_heads: int, mlp_ratio: int
    ) -> None:
        super().__init__(channels, guide_channels, num_heads=num_heads, mlp_ratio=mlp_ratio)
        self.window, self.shifted = window, shifted

    def over_map(self, x_MhwE: Tensor, guide_MhwG: Tensor) -> Tensor:
        """Return maps (M, h, w, E), each by itself.

        Args:
            x_MhwE: The maps.
            guide_MhwG: What guides them.
        """
        height, width = x_MhwE.shape[1:3]
        side = min(self.window, max(height, width))
        # Windows that begin outside the map; each still holds a row and a column of it.
        before = side - side // 2 if self.shifted and 1 < side < max(height, width) else 0
        pad = (0, 0, before, -(width + before) % side, before, -(height + before) % side)
        is_map_1hw1 = F.pad(x_MhwE.new_ones(1, height, width, 1), pad)
        rows, columns = (size // side for size in is_map_1hw1.shape[1:3])
        sees_W11N = (_cut(is_map_1hw1, side).flatten(1) > 0)[:, None, None]
        sees = sees_W11N.repeat(len(x_MhwE), 1, 1, 1) if any(pad) else None
        tokens = self(_cut(F.pad(x_MhwE, pad), side), _cut(F.pad(guide_MhwG, pad), side), sees)
        maps = tokens.reshape(len(x_MhwE), rows, columns, side, side, -1).transpose(2, 3).flatten(1, 2).flatten(2, 3)
        inside: Tensor = maps[:, before : before + height, before : before + width]
        return inside


def _cut(x_MhwE: Tensor, side: int) -> Tensor:
    """Return the windows of maps, (M W, N, E), row by row."""
    maps, height, width, channels = x_MhwE.shape
    grid = x_MhwE.reshape(maps, height // side, side, width // side, side, channels)
    return grid.transpose(2, 3).reshape(-1, side * side, channels)


class CostLayer(nn.Module):
    """One round of aggregation: two window attentions over each map, then attention over the classes of each place.

    Args:
        channels: Channels E of a cost map.
        image_channels: Channels of the image features that guide the first.
        text_channels: Channels of the vectors of classes that guide the second.
        window: See `WindowAttention`.
        num_heads: See `GuidedAttention`.
        mlp_ratio: See `GuidedAttention`.
    """

    def __init__(
        self,
        channels: int,
        image_channels: int,
        text_channels: int,
        *,
        window: int,
        num_heads: int,
        mlp_ratio: int,
    ) -> None:
        super().__init__()
        self.spatial = nn.ModuleList(
            WindowAttention(
                channels, image_channels, window=window, shifted=shifted, num_heads=num_heads, mlp_ratio=mlp_ratio
            )
            for shifted in (False, True)
        )
        self.classes = GuidedAttention(channels, text_channels, num_heads=num_heads, mlp_ratio=mlp_ratio)

    def forward(self, x_BRhwE: Tensor, image_BhwG: Tensor, text_RG: Tensor) -> Tensor:
        """Return cost maps (B, R, h, w, E).

        Args:
            x_BRhwE: Cost maps.
            image_BhwG: Image features of the same grid.
            text_RG: A vector for each class.
        """
        batch, classes, height, width, _ = x_BRhwE.shape
        image_MhwG = image_BhwG[:, None].expand(-1, classes, -1, -1, -1).flatten(0, 1)
        maps_MhwE = x_BRhwE.flatten(0, 1)
        for attention in self.spatial:
            assert isinstance(attention, WindowAttention)
            maps_MhwE = attention.over_map(maps_MhwE, image_MhwG)
        places = maps_MhwE.reshape(x_BRhwE.shape).permute(0, 2, 3, 1, 4).flatten(0, 2)
        places = self.classes(places, text_RG[None].expand(len(places), -1, -1))
        y_BRhwE: Tensor = places.reshape(batch, height, width, classes, -1).permute(0, 3, 1, 2, 4)
        return y_BRhwE


class DecoderStage(nn.Module):
    """Maps twice as large, next to image features of that size: a transposed convolution, then two of 3 x 3 places.

    Args:
        channels: Channels of the maps.
        image_channels: Channels of the image features as the backbone gives them.
        guide_channels: Channels that they are mapped to.
        out_channels: Channels of the result.
    """

    def __init__(self, channels: int, image_channels: int, guide_channels: int, out_channels: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(channels, out_channels, 2, stride=2)
        self.guide = nn.Conv2d(image_channels, guide_channels, 1)
        self.conv1 = nn.Conv2d(out_channels + guide_channels, out_channels, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.norm1, self.norm2 = (nn.GroupNorm(max(1, out_channels // _GROUP), out_channels) for _ in range(2))

    def forward(self, x_MEhw: Tensor, image_BDhw: Tensor) -> Tensor:
        """Return maps (M, out_channels, 2 h, 2 w).

        Args:
            x_MEhw: The maps; those of one image follow each other.
            image_BDhw: Image features, on any grid.
        """
        x_MEhw = self.up(x_MEhw)
        guide_BGhw = resize(self.guide(image_BDhw), x_MEhw.shape[-2:])
        guide_MGhw = guide_BGhw.repeat_interleave(len(x_MEhw) // len(guide_BGhw), dim=0)
        y_MEhw = self.norm1(self.conv1(torch.cat([x_MEhw, guide_MGhw.to(x_MEhw.dtype)], dim=1))).relu()
        z_MEhw: Tensor = self.norm2(self.conv2(y_MEhw)).relu()
        return z_MEhw
