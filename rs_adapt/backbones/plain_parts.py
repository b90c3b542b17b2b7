"""The modules of a plain ViT, taken from `transformers`; imported only when one is built.

Shapes: B batch, N tokens (CLS first), D embed, h/w token grid.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers.models.vit.configuration_vit import ViTConfig
from transformers.models.vit.modeling_vit import ViTEmbeddings, ViTLayer, ViTPatchEmbeddings

from rs_adapt.backbones.positions import ground_positions

# As MAE's code and those that derive from it; transformers' own value is 1e-12.
_NORM_EPS = 1e-6


class PlainLayer(ViTLayer):  # type: ignore[misc]
    """A block of a plain ViT with identities (`scale1`, `scale2`) where DINOv2 has LayerScale."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__(config)
        self.scale1, self.scale2 = nn.Identity(), nn.Identity()

    def forward(self, x_BND: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Return the tokens after the block; `attention_mask` (B, 1, N, N), bool, is true where a row sees a column."""
        attended_BND, _ = self.attention(self.layernorm_before(x_BND), attention_mask)
        x_BND = x_BND + self.scale1(attended_BND)
        y_BND: Tensor = x_BND + self.scale2(self.mlp(self.layernorm_after(x_BND)))
        return y_BND


class GroundEmbeddings(nn.Module):
    """CLS and patches with positions in units of ground distance, computed for the grid of the images."""

    def __init__(self, config: ViTConfig, gsd_m: float) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.hidden_size))
        self.patch_embeddings = ViTPatchEmbeddings(config)
        self.patch_px, self.gsd_m = config.patch_size, gsd_m

    def forward(self, x_B3HW: Tensor) -> Tensor:
        """Return the tokens (B, 1 + h*w, D); CLS has no position."""
        patches_BPD: Tensor = self.patch_embeddings(x_B3HW)
        grid_hw = (x_B3HW.shape[-2] // self.patch_px, x_B3HW.shape[-1] // self.patch_px)
        codes_PD = ground_positions(grid_hw, patches_BPD.shape[-1], gsd_m=self.gsd_m, device=patches_BPD.device)
        cls_B1D = self.cls_token.expand(len(patches_BPD), -1, -1)
        return torch.cat([cls_B1D, patches_BPD + codes_PD.to(patches_BPD.dtype)], dim=1)


def build_plain_parts(
    embed_dim: int, depth: int, num_heads: int, patch_px: int, *, image_px: int | None, gsd_m: float | None = None
) -> dict[str, nn.Module]:
    """Build embeddings and blocks, with transformers' own start values.

    Args:
        embed_dim: Width.
        depth: Number of blocks.
        num_heads: Attention heads.
        patch_px: Side of a patch.
        image_px: Side of the image that the position grid is made for; None where positions are computed.
        gsd_m: Ground size of a pixel, metres, where positions are computed.
    """
    config = ViTConfig(
        hidden_size=embed_dim,
        intermediate_size=4 * embed_dim,
        num_hidden_layers=depth,
        num_attention_heads=num_heads,
        patch_size=patch_px,
        # Without learned positions the size plays no part.
        image_size=image_px or patch_px,
        layer_norm_eps=_NORM_EPS,
    )
    config._attn_implementation = "sdpa"
    return {
        "embeddings": ViTEmbeddings(config) if gsd_m is None else GroundEmbeddings(config, gsd_m),
        "layers": nn.ModuleList(PlainLayer(config) for _ in range(depth)),
    }
