"""Plain ViTs as segmentation backbones: MAE on photographs and on remote-sensing images, Prithvi-EO-2.0, and DOFA.

MAE: He et al., arXiv 2111.06377; on MillionAID: Wang et al., arXiv 2208.03987; SatMAE: Cong et al., arXiv 2207.08051.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import torch.nn.functional as F
from torch import Tensor, nn

from rs_adapt.backbones import dofa, handles, plain_names, prithvi
from rs_adapt.backbones.vit import Vit
from rs_adapt.config.facts import ConfigNode
from rs_adapt.errors import ConfigError
from rs_adapt.registry import MODELS

if TYPE_CHECKING:
    from rs_adapt.adapters import Adapter

Origin = Literal["mae", "prithvi", "dofa"]
_NAMES = {"mae": plain_names.NAMES, "prithvi": prithvi.NAMES, "dofa": dofa.NAMES}


@MODELS.register_module()
class PlainVit(Vit):
    """A ViT without LayerScale, registers or rotation of any size; arguments not described here are those of `Vit`.

    Input sizes other than image_px work too: positions are then interpolated in each forward, also those that are
    sine-cosine codes (MAE, SatMAE, Prithvi, DOFA), as fine-tuning of MAE does it.

    Norms add 1e-6 to the variance, as MAE's code does; weights that were trained with transformers' own 1e-12 (its ViT)
    give features that differ by that.

    Args:
        origin: Code that wrote the file, which decides how it is read. "mae": three bands. "prithvi": six bands, of
            which red, green and blue are used and the others count as their mean. "dofa": the patch embedding is
            generated for 0.665, 0.56 and 0.49 micrometres, and patches start one pixel further up and left, since
            DOFA pads images by one pixel.

    Raises:
        ConfigError: Also if `origin` is unknown.
    """

    def __init__(
        self,
        *,
        embed_dim: int,
        depth: int,
        num_heads: int,
        patch_px: int = 16,
        image_px: int = 512,
        out_layers: Sequence[int],
        adapter: Adapter | ConfigNode | None = None,
        level_scales: Sequence[float] = (4.0, 2.0, 1.0, 0.5),
        origin: Origin = "mae",
        frozen: bool = True,
        weights: str | Path | None = None,
    ) -> None:
        """Build the ViT, fill it, then put the adapter in."""
        if origin not in get_args(Origin):
            raise ConfigError(f"model.backbone.origin is {origin!r}. Allowed: {', '.join(get_args(Origin))}.")

        def parts() -> dict[str, nn.Module]:
            # Imported here: transformers takes seconds, and converting weights does not need it.
            from rs_adapt.backbones.plain_parts import build_plain_parts

            return build_plain_parts(embed_dim, depth, num_heads, patch_px, image_px=image_px)

        super().__init__(
            parts=parts,
            handles=handles.PLAIN,
            names=_NAMES[origin],
            num_prefix=1,
            embed_dim=embed_dim,
            depth=depth,
            num_heads=num_heads,
            patch_px=patch_px,
            image_px=image_px,
            out_layers=out_layers,
            level_scales=level_scales,
            adapter=adapter,
            frozen=frozen,
            weights=weights,
        )
        self._pads = origin == "dofa"

    def embed(self, x_B3HW: Tensor) -> Tensor:
        """Return the tokens (B, 1 + h*w, D), CLS first."""
        if self._pads:
            # The same patches as with a pixel on every side, since the last row and column are in none.
            x_B3HW = F.pad(x_B3HW, (1, 0, 1, 0))
        x_BND: Tensor = self.embeddings(x_B3HW, interpolate_pos_encoding=True)
        return x_BND
