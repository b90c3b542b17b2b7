"""New transformer blocks of a head, with rotary positions: those of DINOv3 in `transformers`.

Shapes: B batch, N tokens (others first, then h * w patches), D embed, h/w token grid.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from transformers.models.dinov3_vit.configuration_dinov3_vit import DINOv3ViTConfig
from transformers.models.dinov3_vit.modeling_dinov3_vit import DINOv3ViTLayer

from rs_adapt.heads.widths import attention_heads

# The slowest rotation; as in DINOv3.
_BASE = 100.0


class RotaryBlocks(nn.Module):
    """Blocks `x + s1 * attention(LN(x))`, `x + s2 * MLP(LN(x))`, whose attention knows where patches are.

    Queries and keys of the last h * w tokens are rotated by the patches' positions (RoFormer, arXiv 2104.09864, in two
    dimensions as in DINOv3, arXiv 2508.10104). The MLP is four times as wide as the tokens. Matrices start normal with
    a deviation of 0.02, biases 0, scales s1 and s2 at 1.

    Args:
        owner: Class to name in errors.
        width: Channels D.
        num_blocks: Number of blocks.
        num_heads: Attention heads; None for one per 64 channels.

    Raises:
        ConfigError: The heads do not divide the width, or the width of a head is no multiple of 4.
    """

    def __init__(self, owner: str, width: int, num_blocks: int, num_heads: int | None) -> None:
        super().__init__()
        number = attention_heads(owner, width, num_heads, multiple_of=4)
        config = DINOv3ViTConfig(
            hidden_size=width, intermediate_size=4 * width, num_attention_heads=number, layerscale_value=1.0
        )
        config._attn_implementation = "sdpa"
        self.head_width = width // number
        self.layers = nn.ModuleList(DINOv3ViTLayer(config) for _ in range(num_blocks))
        for module in self.layers.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def rotation(self, grid_hw: tuple[int, int], like: Tensor) -> tuple[Tensor, Tensor]:
        """Return cosine and sine (h * w, D / heads) of the patches' positions.

        `2 pi p / 100^(4 i / w)` with p the centre of a patch in rows and in columns, from -1 to 1, i from 0 to w / 4,
        and w the width of a head.

        Args:
            grid_hw: Rows and columns of the patches.
            like: A tensor of the dtype and on the device of the result.
        """
        # Not by transformers' module, which keeps positions between calls, also those that an exporter traces.
        sides = [(torch.arange(side, device=like.device) + 0.5) / side * 2 - 1 for side in grid_hw]
        places_P2 = torch.stack(torch.meshgrid(*sides, indexing="ij"), dim=-1).flatten(0, 1)
        turns = _BASE ** -torch.arange(0, 1, 4 / self.head_width, device=like.device)
        angles_PW = (2 * math.pi * places_P2[:, :, None] * turns).flatten(1, 2).tile(2)
        return angles_PW.cos().to(like.dtype), angles_PW.sin().to(like.dtype)

    def run(self, number: int, x_BND: Tensor, rotation: tuple[Tensor, Tensor], attend_B1NN: Tensor | None) -> Tensor:
        """Return the tokens after block `number`; `attend_B1NN`, bool, says which token (row) sees which (column)."""
        y_BND: Tensor = self.layers[number](x_BND, attention_mask=attend_B1NN, position_embeddings=rotation)
        return y_BND
