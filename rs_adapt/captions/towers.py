"""CLIP's two towers as one model that trains: images and captions to vectors of one space.

CLIP: Radford et al., arXiv 2103.00020. Shapes: B images, T texts, N tokens, D width of the visual tower, C dimensions
of the space.
"""

from __future__ import annotations

import math
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rs_adapt.backbones.clip import Clip
from rs_adapt.backbones.joint import adapted_block
from rs_adapt.errors import ConfigError, WeightsError
from rs_adapt.language.clip_files import ImageProjection, read_clip
from rs_adapt.language.text_tower import TextTower

if TYPE_CHECKING:
    from rs_adapt.adapters import Adapter
    from rs_adapt.backbones.clip import Activation

# CLIP clips the factor of its cosines at 100.
MAX_LOG_SCALE = math.log(100.0)
# The start of CLIP's own training, a temperature of 0.07.
_START_LOG_SCALE = math.log(1 / 0.07)
_NORM_EPS = 1e-5


class ImageTower(nn.Module):
    """CLIP's visual ViT with its last norm and its map into the space: one vector an image.

    Args:
        vit: The ViT, with an adapter if there is one; it decides whether its own tensors train.
        projection: Values of the last norm and the map; None for the norm's identity and a random map. They train where
            the ViT does.
        text_dim: Dimensions C of the space.

    Raises:
        WeightsError: The values are of a different width or space.
    """

    def __init__(self, vit: Clip, projection: ImageProjection | None, *, text_dim: int) -> None:
        super().__init__()
        self.vit = vit
        self.norm = nn.LayerNorm(vit.embed_dim, eps=_NORM_EPS)
        self.projection = nn.Linear(vit.embed_dim, text_dim, bias=False)
        if projection is None:
            generator = torch.Generator().manual_seed(0)
            values_CD = torch.randn(text_dim, vit.embed_dim, generator=generator) * vit.embed_dim**-0.5
        else:
            values_CD = projection.weight
        if tuple(values_CD.shape) != (text_dim, vit.embed_dim):
            raise WeightsError(
                f"The map of image features has shape {tuple(values_CD.shape)}; the towers need "
                f"({text_dim}, {vit.embed_dim}). Name a file of this CLIP."
            )
        with torch.no_grad():
            self.projection.weight.copy_(values_CD)
            if projection is not None:
                self.norm.weight.copy_(projection.norm_weight)
                self.norm.bias.copy_(projection.norm_bias)
        for part in (self.norm, self.projection):
            part.requires_grad_(not vit.frozen)

    def forward(self, x_B3HW: Tensor) -> Tensor:
        """Return the vectors of images (B, C), not normalised.

        Args:
            x_B3HW: Normalised images; H and W are multiples of the ViT's patch.

        Raises:
            DataError: The images do not divide into patches.
        """
        vit = self.vit
        grid_hw = vit.grid(x_B3HW)
        with torch.no_grad() if vit.frozen and vit.adapter is None else nullcontext():
            if vit.adapter is not None:
                vit.adapter.see(x_B3HW)
                if vit.adapter.needs_base_tokens:
                    vit.adapter.prepare(lambda: vit.base_tokens(x_B3HW))
            x_BND, context = vit.embed(x_B3HW), vit.block_context(x_B3HW)
            for layer in range(vit.depth):
                x_BND = adapted_block(vit, layer, x_BND, context, grid_hw)
            if vit.adapter is not None:
                vit.adapter.see(None)
            vectors_BC: Tensor = self.projection(self.norm(x_BND[:, 0]))
        return vectors_BC


class ClipPair(nn.Module):
    """Two towers and the scale of their cosines, which trains in every case.

    What else trains, the towers state: their adapters' tensors, or all of a tower that is not frozen.

    Attributes:
        log_scale: Logarithm of the scale, a scalar; CLIP's `logit_scale`.

    Args:
        image: The visual tower.
        text: The text tower.
        log_scale: Start of the logarithm of the scale, in [0, ln 100]; None for CLIP's own start, ln(1 / 0.07).

    Raises:
        ConfigError: The towers lead into different spaces.
    """

    def __init__(self, image: ImageTower, text: TextTower, *, log_scale: float | None = None) -> None:
        super().__init__()
        if image.projection.out_features != text.text_dim:
            raise ConfigError(
                f"The visual tower leads into {image.projection.out_features} dimensions and the text tower into "
                f"{text.text_dim}; give both the same."
            )
        self.image, self.text = image, text
        start = _START_LOG_SCALE if log_scale is None else log_scale
        self.log_scale = nn.Parameter(torch.tensor(float(start)))
        self.clamp_scale()

    @property
    def scale(self) -> Tensor:
        """The factor of the cosines, a scalar in [1, 100]."""
        return self.log_scale.exp()

    @torch.no_grad()
    def clamp_scale(self) -> None:
        """Keep the logarithm of the scale in [0, ln 100], as CLIP does after every step."""
        self.log_scale.clamp_(0.0, MAX_LOG_SCALE)

    def encode_images(self, x_B3HW: Tensor) -> Tensor:
        """Return the vectors of normalised images, of length 1 (B, C)."""
        return F.normalize(self.image(x_B3HW), dim=1)

    def encode_texts(self, ids_TN: Tensor) -> Tensor:
        """Return the vectors of texts, of length 1 (T, C); for the tokens see `TextTower.forward`."""
        return F.normalize(self.text(ids_TN), dim=1)

    def forward(self, x_B3HW: Tensor, ids_TN: Tensor) -> tuple[Tensor, Tensor]:
        """Return the vectors of images (B, C) and of texts (T, C), of length 1."""
        return self.encode_images(x_B3HW), self.encode_texts(ids_TN)


def clip_pair_from_file(
    path: str | Path,
    *,
    vit: Clip,
    text_adapter: Adapter | None = None,
    activation: Activation = "quick_gelu",
) -> ClipPair:
    """Return the two towers of a file that `read_clip` reads.

    Args:
        path: The file of a whole CLIP.
        vit: Its visual ViT, filled from the same file; if it is not frozen, the text tower is not either.
        text_adapter: An adapter for the text tower.
        activation: Activation of the text tower; see `Clip`.

    Raises:
        WeightsError: The file is missing or damaged, or has no visual tower.
        IncompatibleCell: The adapter acts on the patches of images.
    """
    content = read_clip(path)
    if content.image is None:
        raise WeightsError(f"{path} has no map from image features to the texts' space: name a file of a whole CLIP.")
    text = TextTower.from_file(content, activation=activation, adapter=text_adapter, frozen=vit.frozen)
    image = ImageTower(vit, content.image, text_dim=text.text_dim)
    return ClipPair(image, text, log_scale=content.log_scale)
