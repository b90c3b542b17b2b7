"""A tiny generic ViT with the handles that backbones offer to adapters."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from rs_adapt.adapters import Adapter


class TinyBlock(nn.Module):
    """Pre-norm transformer block with separate q, k, v."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn_q, self.attn_k, self.attn_v, self.attn_out = (nn.Linear(dim, dim) for _ in range(4))
        self.fc1, self.fc2 = nn.Linear(dim, 2 * dim), nn.Linear(2 * dim, dim)

    def replace(self, name: str, module: nn.Module) -> None:
        setattr(self, name, module)

    def forward(self, x_BND: Tensor) -> Tensor:
        y = self.norm1(x_BND)
        q, k, v = (
            f(y).unflatten(2, (self.num_heads, -1)).transpose(1, 2) for f in (self.attn_q, self.attn_k, self.attn_v)
        )
        attended = functional.scaled_dot_product_attention(q, k, v)
        x_BND = x_BND + self.attn_out(attended.transpose(1, 2).flatten(2))
        return x_BND + self.fc2(functional.gelu(self.fc1(self.norm2(x_BND))))


class TinyViT(nn.Module):
    """Blocks between an embedding that is given and the last block's output; calls the adapter at every hook."""

    embed_dim, depth, patch_px = 32, 4, 16

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(TinyBlock(self.embed_dim, 2) for _ in range(self.depth))
        self.adapter: Adapter | None = None

    def forward(self, x_BND: Tensor, grid_hw: tuple[int, int]) -> Tensor:
        for layer, block in enumerate(self.blocks):
            extra = self.adapter.tokens(layer) if self.adapter is not None else None
            if extra is None:
                x_BND = block(x_BND)
            else:
                tokens = extra.to(x_BND.dtype).expand(len(x_BND), -1, -1)
                y = block(torch.cat([x_BND[:, :1], tokens, x_BND[:, 1:]], dim=1))
                x_BND = torch.cat([y[:, :1], y[:, 1 + extra.shape[0] :]], dim=1)
            if self.adapter is not None:
                x_BND = self.adapter.after_block(x_BND, layer, grid_hw)
        return x_BND


@pytest.fixture
def make_vit() -> Callable[[], TinyViT]:
    """Return a builder that gives the same random ViT at every call."""

    def build() -> TinyViT:
        with torch.random.fork_rng():
            torch.manual_seed(7)
            return TinyViT()

    return build
