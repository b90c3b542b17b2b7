"""The features that a backbone passes to a head: maps of several resolutions, and what else a head may need.

Shapes: B batch, N tokens, D embed, h/w token grid, Q queries.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Tensor

from rs_adapt.backbones.joint import BlocksLeft
from rs_adapt.errors import DataError

if TYPE_CHECKING:
    from rs_adapt.adapters import Adapter


class Features(tuple[Tensor, ...]):
    """A tuple of feature maps (B, D, h*s, w*s), finest first, with attributes for heads that need more.

    Attributes:
        queries: (Q, C) or (B, Q, C) query embeddings that a query decoder takes instead of its own, or None.
        image_hw: Height and width of the images, pixels; None if unknown.
        blocks_left: The blocks after the last map, for a head that runs them itself; None where there are none.
        text_side: The part of the backbone's method that sits in the text tower, for a head that holds one; or None.
    """

    queries: Tensor | None
    image_hw: tuple[int, int] | None
    blocks_left: BlocksLeft | None
    text_side: Adapter | None

    def __new__(
        cls,
        maps: Iterable[Tensor],
        queries: Tensor | None = None,
        image_hw: tuple[int, int] | None = None,
        blocks_left: BlocksLeft | None = None,
        text_side: Adapter | None = None,
    ) -> Features:
        """Make the tuple of `maps`, with the others as attributes."""
        features = super().__new__(cls, maps)
        features.queries, features.image_hw, features.blocks_left = queries, image_hw, blocks_left
        features.text_side = text_side
        return features


def tokens_to_map(x_BND: Tensor, grid_hw: tuple[int, int], *, num_prefix: int) -> Tensor:
    """Drop the prefix (CLS, registers) of (B, num_prefix + h*w, D) and reshape the patch tokens to (B, D, h, w)."""
    h, w = grid_hw
    return x_BND[:, num_prefix:].transpose(1, 2).reshape(x_BND.shape[0], x_BND.shape[2], h, w)


def scale_map(map_BDhw: Tensor, scale: float) -> Tensor:
    """Resize a map (B, D, h, w) to (B, D, floor(h*scale), floor(w*scale)), bilinear, corners not aligned.

    Without a low-pass before, as in the references: at a scale of 0.25 (the last level of the nano backbone) only the
    four tokens around each sample reach the map, 25 % of them. Trained heads expect these maps.

    Raises:
        DataError: If the resized map would have no row or no column.
    """
    if scale == 1:
        return map_BDhw
    h, w = map_BDhw.shape[-2:]
    if min(int(h * scale), int(w * scale)) < 1:
        need = int(-(-1 // scale))
        raise DataError(
            f"A token grid of {h} x {w} is too small for a feature map of {scale} times its size: "
            f"use images with at least {need} x {need} patches."
        )
    return F.interpolate(map_BDhw, scale_factor=scale, mode="bilinear", align_corners=False)
