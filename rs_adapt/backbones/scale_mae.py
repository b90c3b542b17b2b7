"""Scale-MAE as a segmentation backbone: a plain ViT whose positions are distances on the ground.

Scale-MAE: Reed et al., arXiv 2212.14532.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from rs_adapt.backbones import handles, plain_names
from rs_adapt.backbones.vit import Vit
from rs_adapt.config.facts import ConfigNode
from rs_adapt.errors import ConfigError
from rs_adapt.ranges import POSITIVE, check_ranges
from rs_adapt.registry import MODELS

if TYPE_CHECKING:
    from rs_adapt.adapters import Adapter

# The positions in a file are those of its pre-training's images, and are not read.
NAMES = replace(
    plain_names.NAMES,
    family="Scale-MAE",
    original=plain_names.without_positions(plain_names.ORIGINAL),
    transformers=plain_names.without_positions(plain_names.TRANSFORMERS),
    positions=None,
    embeddings=("cls_token",),
    sizes={(1024, 24): ("ViT-L", "scale_mae_l")},
)


@MODELS.register_module()
class ScaleMae(Vit):
    """A Scale-MAE ViT of any size; arguments that are not described here are those of `Vit`.

    Positions are sine-cosine codes of the patch's place times the ground size of a pixel (`ground_positions`), so
    images of any size have their own and none is interpolated. One size holds for all images of a run: random resizing
    in training and regions of a different size are not followed. The reference gives each image its own.

    Args:
        gsd_m: Ground size of a pixel, metres. 1 is the reference, at which positions are MAE's.

    Raises:
        ConfigError: Also if `gsd_m` is not above 0, or the width is no multiple of 4.
    """

    def __init__(
        self,
        *,
        embed_dim: int,
        depth: int,
        num_heads: int,
        gsd_m: float,
        patch_px: int = 16,
        out_layers: Sequence[int],
        adapter: Adapter | ConfigNode | None = None,
        level_scales: Sequence[float] = (4.0, 2.0, 1.0, 0.5),
        frozen: bool = True,
        weights: str | Path | None = None,
    ) -> None:
        """Build the ViT, fill it, then put the adapter in."""
        check_ranges("model.backbone.", gsd_m=(gsd_m, POSITIVE))
        if embed_dim % 4:
            raise ConfigError(f"embed_dim={embed_dim}: sine-cosine positions of rows and columns need a multiple of 4.")

        def parts() -> dict[str, nn.Module]:
            # Imported here: transformers takes seconds, and converting weights does not need it.
            from rs_adapt.backbones.plain_parts import build_plain_parts

            return build_plain_parts(embed_dim, depth, num_heads, patch_px, image_px=None, gsd_m=gsd_m)

        super().__init__(
            parts=parts,
            handles=handles.PLAIN,
            names=NAMES,
            num_prefix=1,
            embed_dim=embed_dim,
            depth=depth,
            num_heads=num_heads,
            patch_px=patch_px,
            image_px=None,
            out_layers=out_layers,
            level_scales=level_scales,
            adapter=adapter,
            frozen=frozen,
            weights=weights,
        )
