"""The modules of SAM's image encoder, taken from `transformers`; imported only when one is built.

Shapes: B batch, N tokens, D embed, h/w token grid, W windows of the batch, w x w their tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.models.sam.configuration_sam import SamVisionConfig
from transformers.models.sam.modeling_sam import SamVisionAttention, SamVisionLayer

from rs_adapt.backbones.resizing import bicubic


class SamEmbeddings(nn.Module):
    """Patches with learned positions, which are interpolated for images of a different size."""

    def __init__(self, embed_dim: int, patch_px: int, image_px: int) -> None:
        super().__init__()
        side = image_px // patch_px
        self.projection = nn.Conv2d(3, embed_dim, patch_px, patch_px)
        self.position_embeddings = nn.Parameter(torch.zeros(1, side, side, embed_dim))

    def forward(self, x_B3HW: Tensor) -> Tensor:
        """Return the tokens (B, h*w, D)."""
        patches_BDhw: Tensor = self.projection(x_B3HW)
        positions_1Dhw = self.position_embeddings.permute(0, 3, 1, 2)
        h, w = patches_BDhw.shape[-2:]
        positions_1Dhw = bicubic(positions_1Dhw, (h, w)).to(patches_BDhw.dtype)
        return (patches_BDhw + positions_1Dhw).flatten(2).transpose(1, 2)


class SamAttention(SamVisionAttention):  # type: ignore[misc]
    """SAM's attention with q, k and v apart, on tokens (B, h*w, D), as all layers of a ViT see them here."""

    def __init__(self, config: SamVisionConfig, window_size: int) -> None:
        super().__init__(config, window_size)
        del self.qkv
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(config.hidden_size, config.hidden_size) for _ in range(3))

    def forward(self, x_BND: Tensor, grid_hw: tuple[int, int]) -> Tensor:
        """Return the output of attention for the tokens of a grid, row by row."""
        split = (self.num_attention_heads, -1)
        q, k, v = (f(x_BND).unflatten(2, split).transpose(1, 2) for f in (self.q_proj, self.k_proj, self.v_proj))
        distances = self.get_decomposed_rel_pos(q.flatten(0, 1), self.rel_pos_h, self.rel_pos_w, grid_hw, grid_hw)
        bias_BHNN = distances.reshape(*q.shape[:3], q.shape[2])
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=bias_BHNN.to(q.dtype))
        y_BND: Tensor = self.proj(attended.transpose(1, 2).flatten(2))
        return y_BND


class SamLayer(SamVisionLayer):  # type: ignore[misc]
    """A block of SAM on tokens, with identities (`scale1`, `scale2`) on the outputs of attention and MLP."""

    def __init__(self, config: SamVisionConfig, window_size: int) -> None:
        super().__init__(config, window_size)
        self.attn = SamAttention(config, window_size)
        self.scale1, self.scale2 = nn.Identity(), nn.Identity()

    def forward(self, x_BND: Tensor, grid_hw: tuple[int, int]) -> Tensor:
        """Return the tokens (B, h*w, D) after the block."""
        y_BND = self.layer_norm1(x_BND)
        if size := self.window_size:
            windows_WwwD, padded_hw = self.window_partition(y_BND.unflatten(1, grid_hw), size)
            attended_WND = self.attn(windows_WwwD.flatten(1, 2), (size, size))
            windows_WwwD = attended_WND.unflatten(1, (size, size))
            y_BND = self.window_unpartition(windows_WwwD, size, padded_hw, grid_hw).flatten(1, 2)
        else:
            y_BND = self.attn(y_BND, grid_hw)
        x_BND = x_BND + self.scale1(y_BND)
        out_BND: Tensor = x_BND + self.scale2(self.mlp(self.layer_norm2(x_BND)))
        return out_BND


def build_sam_parts(
    embed_dim: int,
    depth: int,
    num_heads: int,
    patch_px: int,
    image_px: int,
    window: int,
    global_layers: Sequence[int],
) -> dict[str, nn.Module]:
    """Build embeddings and blocks, with transformers' own start values.

    Args:
        embed_dim: Width.
        depth: Number of blocks.
        num_heads: Attention heads.
        patch_px: Side of a patch.
        image_px: Side of the image that the positions are made for.
        window: Side of the windows, tokens.
        global_layers: Blocks without windows.
    """
    config = SamVisionConfig(
        hidden_size=embed_dim,
        num_hidden_layers=depth,
        num_attention_heads=num_heads,
        patch_size=patch_px,
        image_size=image_px,
        mlp_dim=4 * embed_dim,
    )
    config._attn_implementation = "sdpa"
    layers = (SamLayer(config, 0 if layer in global_layers else window) for layer in range(depth))
    return {"embeddings": SamEmbeddings(embed_dim, patch_px, image_px), "layers": nn.ModuleList(layers)}
