"""H-CLIP: block-diagonal transforms of attention's weights, all slices of one tensor and mixed by relations.

Shapes: D embed, L blocks of the ViT, T = 4 L slots (q, k, v, out of every block), P side of a diagonal block,
M = D / P diagonal blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor, nn

from rs_adapt.adapters.contract.adapter import Settings
from rs_adapt.adapters.contract.wrapping import ATTENTION, LayerChange, WeightChange, WrappingAdapter
from rs_adapt.errors import ConfigError
from rs_adapt.ranges import COUNT, check_ranges
from rs_adapt.registry import MODELS


class TransformBank(nn.Module):
    """All transforms before mixing, and the relations that mix them.

    Args:
        num_slots: Number T of attention weights that are transformed.
        num_blocks: Number M of diagonal blocks in a transform.
        block_dim: Side P of a diagonal block.
        depth: Number L of blocks of the ViT.
        orthogonal: Whether every transform is a rotation, made from the skew part of the stored matrix.
        relations: Whether transforms are mixed, by `relation_slots` (T, T) and `relation_blocks` (L, M, M); both start
            as the identity.
    """

    def __init__(
        self, *, num_slots: int, num_blocks: int, block_dim: int, depth: int, orthogonal: bool, relations: bool
    ) -> None:
        super().__init__()
        self.orthogonal, self.relations = orthogonal, relations
        start_PP = torch.zeros(block_dim, block_dim) if orthogonal else torch.eye(block_dim)
        self.core = nn.Parameter(start_PP.repeat(num_slots, num_blocks, 1, 1))
        if relations:
            self.relation_slots = nn.Parameter(torch.eye(num_slots))
            self.relation_blocks = nn.Parameter(torch.eye(num_blocks).repeat(depth, 1, 1))

    def transforms(self, slot: int) -> Tensor:
        """Return the diagonal blocks (M, P, P) of a slot, fp32."""
        with torch.autocast(self.core.device.type, enabled=False):
            if not self.relations:
                mixed_MPP = self.core[slot].float()
            else:
                # One row of the slots' relation first: the whole tensor never has to be mixed.
                slot_MPP = torch.einsum("t,tmpq->mpq", self.relation_slots[slot].float(), self.core.float())
                blocks_MM = self.relation_blocks[slot // len(ATTENTION)].float()
                mixed_MPP = torch.einsum("mn,npq->mpq", blocks_MM, slot_MPP)
            return cayley(mixed_MPP) if self.orthogonal else mixed_MPP


class Transforms(Protocol):
    """What gives the diagonal blocks of a slot."""

    def transforms(self, slot: int) -> Tensor:
        """Return the diagonal blocks (M, P, P) of a slot, fp32."""


class BlockDiagonal(WeightChange):
    """A block-diagonal transform: `W diag(R_1 .. R_M)` on a layer's inputs, or `diag(R_1 .. R_M) W` on its outputs."""

    def __init__(self, bank: Transforms, slot: int, *, on_inputs: bool) -> None:
        super().__init__()
        # In a tuple, which torch does not search for submodules: the bank is one of the adapter.
        self._bank, self.slot, self.on_inputs = (bank,), slot, on_inputs

    def merged_weight(self, weight: Tensor) -> Tensor:
        """Return the transformed weight (out, in)."""
        r_MPP = self._bank[0].transforms(self.slot)
        with torch.autocast(weight.device.type, enabled=False):
            if self.on_inputs:
                blocks_OMP = weight.float().reshape(weight.shape[0], *r_MPP.shape[:2])
                return torch.einsum("omp,mpq->omq", blocks_OMP, r_MPP).flatten(1).to(weight.dtype)
            blocks_MPI = weight.float().reshape(*r_MPP.shape[:2], weight.shape[1])
            return torch.einsum("mqp,mpi->mqi", r_MPP, blocks_MPI).flatten(0, 1).to(weight.dtype)


@MODELS.register_module()
class HClip(WrappingAdapter):
    """PEFT in hyperspherical space, the image side of H-CLIP (Peng et al., CVPR 2025, https://arxiv.org/abs/2405.18840).

    `W' = W diag(R_1 .. R_M)` for q, k, v and `W' = diag(R_1 .. R_M) W` for the output of attention. All R are slices of
    one tensor `core` (T, M, P, P): slot t = 4 l + s gets `sum_u S4[t, u] sum_n S3_l[m, n] core[u, n]`, with one
    relation S4 over all slots and one relation S3 per block of the ViT. R, S3 and S4 all start at the identity, so the
    features start as the frozen ones. Trained: `P^2 M T + T^2 + L M^2`. Mergeable.

    `orthogonal=True` takes rotations `(I - A)(I + A)^-1`, `A = (R - R^T) / 2`, which leave the hyperspherical energy of
    the rows of q, k and v (for the output of attention, of the columns) unchanged; the paper does this in the text
    encoder, which this class does not touch: `HClipBoth` is the whole method.

    Departs from the reference (SJTU-DeepVisionLab/H-CLIP @ d92c35d): there is one encoder, so S3 relates only the
    diagonal blocks of one weight; any width that P divides is allowed; there is no weight decay, which would pull R to
    zero and not to the identity. As in the released code, and unlike the paper, the relations are linear maps without a
    residual.
    """

    identity_at_init: bool = True
    no_decay: tuple[str, ...] = ("bank.",)

    def __init__(
        self,
        *,
        embed_dim: int,
        depth: int,
        block_dim: int = 64,
        orthogonal: bool = False,
        relations: bool = True,
    ) -> None:
        """Build the shared tensor.

        Args:
            embed_dim: Width D of the ViT.
            depth: Number of blocks of the ViT.
            block_dim: P, a divisor of D (the paper's is 128).
            orthogonal: Rotations only.
            relations: Mix slots and blocks.

        Raises:
            ConfigError: P does not divide D.
        """
        super().__init__()
        check_ranges("HClip", block_dim=(block_dim, COUNT))
        if embed_dim % block_dim:
            divisors = [n for n in range(1, embed_dim + 1) if embed_dim % n == 0]
            raise ConfigError(
                f"HClip: block_dim is {block_dim}; it must divide the ViT's width of {embed_dim}. "
                f"Allowed: {', '.join(map(str, divisors))}."
            )
        self.depth = depth
        self.bank = TransformBank(
            num_slots=len(ATTENTION) * depth,
            num_blocks=embed_dim // block_dim,
            block_dim=block_dim,
            depth=depth,
            orthogonal=orthogonal,
            relations=relations,
        )
        self.zero_grad_at_init = ("relation",) if orthogonal else ()

    def changes(self) -> Iterator[tuple[int | None, str, LayerChange]]:
        """Yield the transforms: q, k, v and output, block by block."""
        for layer in range(self.depth):
            for index, handle in enumerate(ATTENTION):
                slot = len(ATTENTION) * layer + index
                yield layer, handle, BlockDiagonal(self.bank, slot, on_inputs=handle != "attn_out")

    @staticmethod
    def num_params(*, embed_dim: int, depth: int, block_dim: int = 64, relations: bool = True) -> int:
        """Return the number of trainable parameters in closed form."""
        slots, blocks = len(ATTENTION) * depth, embed_dim // block_dim
        return block_dim**2 * blocks * slots + (slots**2 + depth * blocks**2 if relations else 0)

    @staticmethod
    def examples() -> tuple[Settings, ...]:
        """Return small settings for the contract test."""
        return (
            {"block_dim": 8},
            {"block_dim": 16, "orthogonal": True},
            {"block_dim": 8, "orthogonal": True, "relations": False},
        )


def cayley(stored_MPP: Tensor) -> Tensor:
    """Return the rotations `(I - A)(I + A)^-1` of the skew parts `A = (R - R^T) / 2`, (..., P, P)."""
    skew = 0.5 * (stored_MPP - stored_MPP.mT)
    eye = torch.eye(skew.shape[-1], dtype=skew.dtype, device=skew.device)
    # The two factors commute.
    rotations: Tensor = torch.linalg.solve(eye + skew, (eye - skew).expand_as(skew))
    return rotations
