"""SAM-PARSER: the singular values of selected weights train; their bases are fixed.

Shapes: K singular values of a weight (out, in) or (out, in, height, width), `K = min(out, in * height * width)`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from rs_adapt.adapters.contract.adapter import Settings
from rs_adapt.adapters.contract.wrapping import (
    LINEARS,
    PATCH_EMBED,
    LayerChange,
    WeightChange,
    WrappingAdapter,
    check_targets,
    linear_dims,
)
from rs_adapt.registry import MODELS


class SpectrumChange(WeightChange):
    """`W' = W + U diag(d) V^T` with `W = U diag(s) V^T`: `d` trains, or `d = s * relative` and `relative` trains."""

    u_OK: Tensor
    v_KI: Tensor
    start_K: Tensor

    def __init__(self, count: int, *, relative: bool) -> None:
        super().__init__()
        self.relative = relative
        self.change = nn.Parameter(torch.zeros(count))

    @torch.no_grad()
    def bind(self, base: nn.Module) -> None:
        """Decompose the layer's weight, in fp32; the bases are derived, so they are not saved."""
        super().bind(base)
        weight: Any = base.weight
        flat = weight.detach().float().flatten(1)
        if weight.is_meta:
            count = min(flat.shape)
            factors = flat.new_empty(flat.shape[0], count), flat.new_empty(count), flat.new_empty(count, flat.shape[1])
        else:
            factors = torch.linalg.svd(flat, full_matrices=False)
        for name, value in zip(("u_OK", "start_K", "v_KI"), factors, strict=True):
            self.register_buffer(name, value.contiguous(), persistent=False)

    def merged_weight(self, weight: Tensor) -> Tensor:
        """Return `W + U diag(d) V^T`."""
        difference = self.change * self.start_K if self.relative else self.change
        return weight + ((self.u_OK * difference) @ self.v_KI).view_as(weight)


@MODELS.register_module()
class SamParser(WrappingAdapter):
    """SAM-PARSER, parameter space reconstruction (Peng et al., AAAI 2024, https://arxiv.org/abs/2308.14604).

    `W' = U diag(s + d) V^T`, with d starting at zero, so the features start exactly as the frozen ones. `relative=True`
    trains `s (1 + d)`, in which a step changes all singular values by the same share. Trained: `min(out, in)` per
    linear layer, and `min(D, 3 patch_px^2)` for the patch embedding. Mergeable.

    The paper decomposes the convolutions of SAM's neck (512 values). A plain ViT has no neck: here any of its linear
    layers and the patch embedding can be targets. U and V are held beside each weight and take about twice its memory.

    Departs from the reference (SJTU-DeepVisionLab/SAM-PARSER @ 8ecd9b0): W itself stays unchanged and the difference is
    added, so that the initial features are exact to the bit; all singular values are used, not a multiple of four; U
    and V never train.
    """

    identity_at_init: bool = True
    no_decay: tuple[str, ...] = ("change",)

    def __init__(
        self,
        *,
        embed_dim: int,
        depth: int,
        mlp_dim: int,
        patch_px: int,
        targets: Sequence[str] = (PATCH_EMBED, *LINEARS),
        relative: bool = False,
    ) -> None:
        """Build the differences; the weights are decomposed when the adapter meets its ViT.

        Args:
            embed_dim: Width of the ViT.
            depth: Number of blocks of the ViT.
            mlp_dim: Hidden width of the ViT's feed-forward part.
            patch_px: Patch size of the ViT, pixels.
            targets: Handles of the layers: patch_embed, attn_q, attn_k, attn_v, attn_out, fc1, fc2.
            relative: Train the singular values' relative differences.

        Raises:
            ConfigError: An argument is out of its range.
        """
        super().__init__()
        self.targets = check_targets("SamParser", tuple(targets), (PATCH_EMBED, *LINEARS))
        self.patch_embed = None
        if PATCH_EMBED in self.targets:
            self.patch_embed = SpectrumChange(min(embed_dim, 3 * patch_px**2), relative=relative)
        in_blocks = [target for target in self.targets if target != PATCH_EMBED]
        self.blocks = nn.ModuleList()
        for _ in range(depth):
            counts = {t: min(linear_dims(t, embed_dim=embed_dim, mlp_dim=mlp_dim)) for t in in_blocks}
            self.blocks.append(
                nn.ModuleDict({target: SpectrumChange(count, relative=relative) for target, count in counts.items()})
            )

    def changes(self) -> Iterator[tuple[int | None, str, LayerChange]]:
        """Yield the changes: patch embedding first, then block by block."""
        if self.patch_embed is not None:
            yield None, PATCH_EMBED, self.patch_embed
        yield from super().changes()

    @staticmethod
    def num_params(
        *,
        embed_dim: int,
        depth: int,
        mlp_dim: int,
        patch_px: int,
        targets: Sequence[str] = (PATCH_EMBED, *LINEARS),
    ) -> int:
        """Return the number of trainable parameters in closed form."""
        in_blocks = [target for target in targets if target != PATCH_EMBED]
        per_block = sum(min(linear_dims(t, embed_dim=embed_dim, mlp_dim=mlp_dim)) for t in in_blocks)
        return depth * per_block + (min(embed_dim, 3 * patch_px**2) if PATCH_EMBED in targets else 0)

    @staticmethod
    def examples() -> tuple[Settings, ...]:
        """Return small settings for the contract test."""
        return ({}, {"targets": ("attn_q", "fc2"), "relative": True})
