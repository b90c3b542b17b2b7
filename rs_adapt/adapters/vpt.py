"""VPT-deep: learnable tokens at the input of every block.

Shapes: D embed, L blocks, M tokens a block.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from rs_adapt.adapters.contract.adapter import Adapter, Settings
from rs_adapt.ranges import COUNT, SHARE_BELOW_1, check_ranges
from rs_adapt.registry import MODELS


@MODELS.register_module()
class Vpt(Adapter):
    """Visual prompt tuning, deep form (Jia et al., ECCV 2022, https://arxiv.org/abs/2203.12119).

    M learnable tokens are placed between the prefix (CLS, registers) and the patches at the input of every block, and
    are dropped after it. They carry no position. They are initialised as uniform(-v, v),
    `v = sqrt(6 / (3 patch_px^2 + D))`. Trained: `L M D`.
    """

    identity_at_init: bool = False
    adds_tokens: bool = True
    no_decay: tuple[str, ...] = ("prompts",)
    stacked_by_block: tuple[str, ...] = ("prompts",)

    def __init__(
        self, *, embed_dim: int, depth: int, patch_px: int = 16, num_tokens: int = 50, dropout: float = 0.0
    ) -> None:
        """Build the prompts.

        Args:
            embed_dim: Width of the ViT.
            depth: Number of blocks of the ViT.
            patch_px: Patch size of the ViT in pixels; sets the range of the start values only.
            num_tokens: M, at least 1.
            dropout: Share of prompt values that is dropped in training, from 0 to below 1.

        Raises:
            ConfigError: An argument is out of its range.
        """
        super().__init__()
        check_ranges("Vpt", num_tokens=(num_tokens, COUNT), dropout=(dropout, SHARE_BELOW_1))
        limit = math.sqrt(6 / (3 * patch_px**2 + embed_dim))
        self.prompts = nn.Parameter(torch.empty(depth, num_tokens, embed_dim))
        nn.init.uniform_(self.prompts, -limit, limit)
        self.dropout = nn.Dropout(dropout)

    def tokens(self, layer: int) -> Tensor | None:
        """Return the prompts (M, D) of a block."""
        prompts: Tensor = self.dropout(self.prompts[layer])
        return prompts

    def why_unmergeable(self) -> str | None:
        """Return the reason: prompts are inputs."""
        return "its prompts are inputs of the blocks, not weights"

    @staticmethod
    def num_params(*, embed_dim: int, depth: int, num_tokens: int = 50) -> int:
        """Return the number of trainable parameters in closed form."""
        return depth * num_tokens * embed_dim

    @staticmethod
    def examples() -> tuple[Settings, ...]:
        """Return small settings for the contract test."""
        return ({"num_tokens": 3},)
