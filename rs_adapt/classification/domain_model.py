"""A frozen backbone that describes the domain of images by the mean of its patch features.

Shapes: B images, F width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rs_adapt.backbones.vit import Vit
from rs_adapt.config.facts import ConfigNode
from rs_adapt.registry import MODELS


class DomainModel(nn.Module):
    """`f(x)`: the mean over the patch tokens of the last block, or over the coarsest map of a pyramid.

    Args:
        name: Name of the backbone, for people.
        backbone: Settings of the backbone.
        mean: Normalisation that it was trained with, RGB, 0 to 255.
        std: See `mean`.
        side_px: Side that images are resized to, a whole number of its patches.
        given_mean: Normalisation of the images that it is given.
        given_std: See `given_mean`.
    """

    mean_13: Tensor
    std_13: Tensor
    given_mean_13: Tensor
    given_std_13: Tensor

    def __init__(
        self,
        *,
        name: str,
        backbone: ConfigNode,
        mean: Sequence[float],
        std: Sequence[float],
        side_px: int,
        given_mean: Sequence[float],
        given_std: Sequence[float],
    ) -> None:
        super().__init__()
        self.name, self.side_px = name, side_px
        self.backbone: Any = MODELS.build(dict(backbone))
        self.requires_grad_(False)
        facts = {"mean_13": mean, "std_13": std, "given_mean_13": given_mean, "given_std_13": given_std}
        for key, values in facts.items():
            self.register_buffer(key, torch.tensor(values).view(1, 3, 1, 1), persistent=False)

    @torch.no_grad()
    def forward(self, x_B3HW: Tensor) -> Tensor:
        """Return the features (B, F) of images in the normalisation of the classifier."""
        pixels = x_B3HW * self.given_std_13 + self.given_mean_13
        own_B3HW = (pixels - self.mean_13) / self.std_13
        if own_B3HW.shape[-2:] != (self.side_px, self.side_px):
            own_B3HW = F.interpolate(own_B3HW, (self.side_px, self.side_px), mode="bilinear", antialias=True)
        if isinstance(self.backbone, Vit):
            tokens_BNF = self.backbone.base_tokens(own_B3HW)
            return tokens_BNF[:, self.backbone.num_prefix :].mean(dim=1)
        coarsest_BFhw: Tensor = self.backbone(own_B3HW)[-1]
        return coarsest_BFhw.mean(dim=(2, 3))
