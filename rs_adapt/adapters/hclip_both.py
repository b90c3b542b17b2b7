"""H-CLIP whole: transforms of the attention of both towers of CLIP, slices of one tensor and mixed by relations.

Shapes: L blocks, T = 4 L slots, P side of a diagonal block, M = M_t + M_i diagonal blocks; see `_two_tower_bank`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import get_args

from torch import Tensor

from rs_adapt.adapters._hclip_text import HClipText
from rs_adapt.adapters._two_tower_bank import Relations, TowerTransforms, TwoTowerBank, num_relations
from rs_adapt.adapters.contract.adapter import Adapter, Settings
from rs_adapt.adapters.contract.wrapping import ATTENTION, LayerChange, WrappingAdapter
from rs_adapt.adapters.hclip import BlockDiagonal
from rs_adapt.errors import ConfigError
from rs_adapt.ranges import COUNT, check_ranges
from rs_adapt.registry import MODELS

_PAPER_BLOCK_DIM = 128


@MODELS.register_module()
class HClipBoth(WrappingAdapter):
    """PEFT in hyperspherical space (Peng et al., CVPR 2025, https://arxiv.org/abs/2405.18840), equations 2 to 17.

    `W' = W diag(R_1 .. R_m)` for q, k, v and `W' = diag(R_1 .. R_m) W` for the output of attention, in both towers. All
    R are slices of one tensor `core` (T, M, P, P), whose first M_t blocks are the text tower's. In the text tower each
    R is the rotation `(I - A)(I + A)^-1` of the skew part `A` of its mixed slice, so the hyperspherical energy of the
    rows of q, k and v (of the columns of the output) is unchanged; in the visual tower R is the mixed slice itself.
    `relations` says how slices are mixed across towers, slots and blocks:

    - `released`: slot t of block l gets `sum_u S4[t, u] sum_n S3_l[m, n] core[u, n]`; `T^2 + L M^2` numbers.
    - `paper` (equation 17): `core + alpha f4(f3(core))`, where f3 acts across the blocks, f4 across the slots, each
      being two matrices with a ReLU in between, and alpha is one number per block of the towers and diagonal block;
      `2 M^2 + 2 T^2 + M L`.
    - `none`: not at all.

    All start at the identity. Trained: `P^2 M T` and the relations; 7 867 824 numbers with ViT-B/16 and `released`.
    Mergeable.

    Departs from the paper: the hidden channels of f3 and f4, their lack of biases and their initialisation are ours,
    because the paper states none; alpha starts at 0, so f3 and f4 have no gradient in the first step. Departs from the
    released code (SJTU-DeepVisionLab/H-CLIP @ d92c35d): any widths that P divides are allowed; where the towers differ
    in depth, the tensor has the slots of the deeper one; there is no weight decay, which would pull R of the visual
    tower to zero, not to the identity.
    """

    identity_at_init: bool = True
    no_decay: tuple[str, ...] = ("bank.",)

    def __init__(
        self,
        *,
        embed_dim: int,
        depth: int,
        text_embed_dim: int,
        text_depth: int,
        block_dim: int | None = None,
        relations: Relations = "released",
    ) -> None:
        """Build the shared tensor.

        Args:
            embed_dim: Width of the visual tower.
            depth: Blocks of the visual tower.
            text_embed_dim: Width of the text tower.
            text_depth: Blocks of the text tower.
            block_dim: P, a divisor of both widths; None for the paper's 128, or the largest one below it.
            relations: "released", "paper" or "none".

        Raises:
            ConfigError: P does not divide both widths, or `relations` is unknown.
        """
        super().__init__()
        block_dim = _block_dim(embed_dim, text_embed_dim) if block_dim is None else block_dim
        sizes = {"block_dim": block_dim, "text_embed_dim": text_embed_dim, "text_depth": text_depth}
        check_ranges("HClipBoth", **{name: (value, COUNT) for name, value in sizes.items()})
        if relations not in get_args(Relations):
            raise ConfigError(f"HClipBoth: relations is {relations!r}. Allowed: {', '.join(get_args(Relations))}.")
        if embed_dim % block_dim or text_embed_dim % block_dim:
            both = _divisors(embed_dim, text_embed_dim)
            raise ConfigError(
                f"HClipBoth: block_dim is {block_dim}; it must divide the widths of both towers, {embed_dim} and "
                f"{text_embed_dim}. Allowed: {', '.join(map(str, both))}."
            )
        self.depth = depth
        self.bank = TwoTowerBank(
            text_blocks=text_embed_dim // block_dim,
            image_blocks=embed_dim // block_dim,
            block_dim=block_dim,
            depth=max(depth, text_depth),
            relations=relations,
        )
        self.zero_grad_at_init = ("bank.mix_",)
        # In a tuple, which torch does not search for submodules: it has no tensors of its own.
        self._text = (HClipText(self.bank, embed_dim=text_embed_dim, depth=text_depth),)

    def changes(self) -> Iterator[tuple[int | None, str, LayerChange]]:
        """Yield the transforms of the visual tower: q, k, v and output, block by block."""
        transforms = TowerTransforms(self.bank, "image")
        for layer in range(self.depth):
            for index, handle in enumerate(ATTENTION):
                slot = len(ATTENTION) * layer + index
                yield layer, handle, BlockDiagonal(transforms, slot, on_inputs=handle != "attn_out")

    def text_side(self) -> Adapter:
        """Return the rotations of the text tower's attention."""
        return self._text[0]

    def see(self, x_B3HW: Tensor | None) -> None:
        """Mix the relations of the paper's form once in the forward pass that begins."""
        self.bank.begin_pass(is_forward=x_B3HW is not None)

    @staticmethod
    def num_params(
        *,
        embed_dim: int,
        depth: int,
        text_embed_dim: int,
        text_depth: int,
        block_dim: int | None = None,
        relations: Relations = "released",
    ) -> int:
        """Return the number of trainable parameters in closed form."""
        block_dim = _block_dim(embed_dim, text_embed_dim) if block_dim is None else block_dim
        blocks, deepest = (embed_dim + text_embed_dim) // block_dim, max(depth, text_depth)
        core = block_dim**2 * blocks * len(ATTENTION) * deepest
        return core + num_relations(blocks=blocks, depth=deepest, relations=relations)

    @staticmethod
    def examples() -> tuple[Settings, ...]:
        """Return small settings for the contract test."""
        sizes: Settings = {"text_embed_dim": 16, "text_depth": 4, "block_dim": 8}
        return (sizes, {**sizes, "relations": "paper"}, {**sizes, "text_depth": 2, "relations": "none"})


def _divisors(embed_dim: int, text_embed_dim: int) -> list[int]:
    """Return the common divisors of two widths, ascending."""
    common = math.gcd(embed_dim, text_embed_dim)
    return [n for n in range(1, common + 1) if common % n == 0]


def _block_dim(embed_dim: int, text_embed_dim: int) -> int:
    return max(n for n in _divisors(embed_dim, text_embed_dim) if n <= _PAPER_BLOCK_DIM)
