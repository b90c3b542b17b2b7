"""Bridge: tokens that read a convolutional stem of the image refine the features after every block.

Shapes: B batch, N tokens (prefix first), D embed, L blocks of the ViT, M tokens a block, C width of the stem, S cells
of the stem's three maps together.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from rs_adapt.adapters.contract.adapter import Adapter, Settings
from rs_adapt.errors import ConfigError
from rs_adapt.ranges import COUNT, check_ranges
from rs_adapt.registry import MODELS

# Strides of the maps that the tokens read, px.
_STRIDES_PX = (8, 16, 32)


class _Stem(nn.Module):
    """Five 3 x 3 convolutions of stride 2; the outputs of the last three are the maps."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(fan_in, fan_out, 3, stride=2, padding=1) for fan_in, fan_out in _stem_sizes(width)
        )
        self.levels = nn.Parameter(0.02 * torch.randn(len(_STRIDES_PX), width))
        self.norm = nn.LayerNorm(width)

    def forward(self, x_B3HW: Tensor) -> Tensor:
        """Return the cells of the three maps (B, S, C), with the embeddings of their places and levels."""
        y = x_B3HW
        cells: list[Tensor] = []
        for number, conv in enumerate(self.convs):
            y = functional.gelu(conv(y))
            level = number - (len(self.convs) - len(_STRIDES_PX))
            if level >= 0:
                places_PC = place_embedding(y.shape[-2], y.shape[-1], y.shape[1], cell_px=_STRIDES_PX[level], like=y)
                cells.append(self.norm(y.flatten(2).transpose(1, 2)) + places_PC + self.levels[level])
        return torch.cat(cells, dim=1)


@MODELS.register_module()
class Bridge(Adapter):
    """Bridge: image-conditioned tokens (IEEE TGRS 2026, https://doi.org/10.1109/TGRS.2026.3673710).

    `x_l <- x_l + softmax(x_l K_l^T / sqrt(D)) (K_l W + w)`, `K_l = (T_l + A_l) U + u`,
    `A_l = softmax(T_l Q (s K)^T / sqrt(C)) s V`: in each block, M learnt tokens T_l read the cells s of a convolutional
    stem of the image (maps of stride 8, 16 and 32 px, each cell with an embedding of its position and of its level) by
    cross-attention, and every patch attends to the conditioned tokens. Q, K, V, U and W are shared by all blocks. W and
    w start at zero, so the features start as the frozen ones. Prefix tokens pass unchanged.

    Trained: tokens `L M C`; five convolutions to C / 4, C / 2, C, C and C channels, `9 in out + out` each; level
    embeddings and norm, `5 C`; projections, `3 (C^2 + C) + C D + D + D^2 + D`.

    Known from the paper, which names a frozen DINOv2-L/16: the stem with its strides and its embeddings of position and
    level, 100 tokens per layer, cross-attention, and an addition after each block. Not known, and chosen here: how the
    conditioned tokens reach the patches (as in Rein), the stem's width and layers, the form of the position embeddings
    (sines and cosines), what the blocks share, and the initialisation. The paper's head, a Segmenter of two layers, is
    not part of the method.
    """

    identity_at_init: bool = True
    zero_grad_at_init: tuple[str, ...] = ("layer_tokens", "stem.", "query.", "key.", "value.", "up.")
    no_decay: tuple[str, ...] = ("layer_tokens", "levels", "norm.", "bias")
    stacked_by_block: tuple[str, ...] = ("layer_tokens",)

    def __init__(self, *, embed_dim: int, depth: int, num_tokens: int = 100, width: int = 256) -> None:
        """Build tokens, stem and projections.

        Args:
            embed_dim: Width D of the ViT.
            depth: Number of blocks of the ViT.
            num_tokens: Tokens M a block, at least 1.
            width: Width C of tokens and stem, a multiple of 4.

        Raises:
            ConfigError: An argument is out of its range.
        """
        super().__init__()
        check_ranges("Bridge", num_tokens=(num_tokens, COUNT), width=(width, COUNT))
        if width % 4:
            raise ConfigError(f"Bridge: width is {width}; it must be a multiple of 4, for the embedding of places.")
        self.embed_dim = embed_dim
        self.layer_tokens = nn.Parameter(torch.randn(depth, num_tokens, width) / math.sqrt(width))
        self.stem = _Stem(width)
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.up, self.spread = nn.Linear(width, embed_dim), nn.Linear(embed_dim, embed_dim)
        nn.init.zeros_(self.spread.weight)
        nn.init.zeros_(self.spread.bias)
        self._cells: tuple[Tensor, Tensor] | None = None

    def see(self, x_B3HW: Tensor | None) -> None:
        """Compute keys and values (B, S, C) of the images' cells; drop them with None."""
        self._cells = None
        if x_B3HW is not None:
            cells_BSC = self.stem(x_B3HW)
            self._cells = self.key(cells_BSC), self.value(cells_BSC)

    def conditioned_tokens(self, layer: int) -> Tensor:
        """Return the tokens (B, M, D) of a block for the images of `see`."""
        assert self._cells is not None, "see() must be called before after_block()"
        keys_BSC, values_BSC = self._cells
        tokens_BMC = self.layer_tokens[layer].expand(len(keys_BSC), -1, -1)
        read_BMC = functional.scaled_dot_product_attention(self.query(tokens_BMC), keys_BSC, values_BSC)
        conditioned_BMD: Tensor = self.up(tokens_BMC + read_BMC)
        return conditioned_BMD

    def after_block(self, x_BND: Tensor, layer: int, grid_hw: tuple[int, int]) -> Tensor:
        """Add to each patch what the tokens that resemble it say; see `Adapter.after_block`."""
        prefix_BPD, patches_BND = x_BND[:, : self.num_prefix], x_BND[:, self.num_prefix :]
        tokens_BMD = self.conditioned_tokens(layer)
        share_BNM = (patches_BND @ tokens_BMD.transpose(1, 2) / math.sqrt(self.embed_dim)).softmax(dim=-1)
        added_BND = share_BNM.to(tokens_BMD.dtype) @ self.spread(tokens_BMD)
        return torch.cat([prefix_BPD, (patches_BND + added_BND).to(x_BND.dtype)], dim=1)

    @staticmethod
    def num_params(*, embed_dim: int, depth: int, num_tokens: int = 100, width: int = 256) -> int:
        """Return the number of trainable parameters in closed form."""
        stem = sum(9 * fan_in * fan_out + fan_out for fan_in, fan_out in _stem_sizes(width))
        stem += (len(_STRIDES_PX) + 2) * width
        linears = 3 * (width**2 + width) + width * embed_dim + embed_dim + embed_dim**2 + embed_dim
        return depth * num_tokens * width + stem + linears

    @staticmethod
    def examples() -> tuple[Settings, ...]:
        """Return small settings for the contract test."""
        return ({"num_tokens": 5, "width": 8},)


def place_embedding(rows: int, columns: int, width: int, *, cell_px: int, like: Tensor) -> Tensor:
    """Return sines and cosines of the places of a map's cells, (rows * columns, width), in the dtype of `like`.

    Places are the cells' centres in px, so that cells of different maps at one place are alike; wavelengths go from
    2 pi times 8 px (a cell of the finest map) to 1 000 times as long. Half of the width is for rows, half for columns.

    Args:
        rows: Rows of the map.
        columns: Columns of the map.
        width: A multiple of 4.
        cell_px: Side of a cell, px.
        like: Gives device and dtype.
    """
    rates = 1000.0 ** (-torch.arange(width // 4, device=like.device) / max(width // 4, 1)) / _STRIDES_PX[0]

    def waves(count: int) -> Tensor:
        angles = ((torch.arange(count, device=like.device) + 0.5) * cell_px)[:, None] * rates
        return torch.cat([angles.sin(), angles.cos()], dim=1)

    along_rows, along_columns = waves(rows)[:, None], waves(columns)[None]
    both = [along_rows.expand(-1, columns, -1), along_columns.expand(rows, -1, -1)]
    return torch.cat(both, dim=-1).flatten(0, 1).to(like.dtype)


def _stem_sizes(width: int) -> tuple[tuple[int, int], ...]:
    """Return the channels into and out of each convolution."""
    return ((3, width // 4), (width // 4, width // 2), (width // 2, width), (width, width), (width, width))
