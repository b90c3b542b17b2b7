"""The part of H-CLIP that sits in the text tower: rotations of its attention; the tensors are the whole method's."""

from __future__ import annotations

from collections.abc import Iterator

from rs_adapt.adapters._two_tower_bank import TowerTransforms, TwoTowerBank
from rs_adapt.adapters.contract.wrapping import ATTENTION, LayerChange, WrappingAdapter
from rs_adapt.adapters.hclip import BlockDiagonal


class HClipText(WrappingAdapter):
    """The text side of `HClipBoth`.

    Args:
        bank: The shared tensor, which stays the whole method's.
        embed_dim: Width of the text tower.
        depth: Blocks of the text tower.
    """

    identity_at_init = True

    def __init__(self, bank: TwoTowerBank, *, embed_dim: int, depth: int) -> None:
        super().__init__()
        self.embed_dim, self.depth = embed_dim, depth
        self._transforms = TowerTransforms(bank, "text")

    def changes(self) -> Iterator[tuple[int | None, str, LayerChange]]:
        """Yield the rotations: q, k, v and output, block by block."""
        for layer in range(self.depth):
            for index, handle in enumerate(ATTENTION):
                slot = len(ATTENTION) * layer + index
                yield layer, handle, BlockDiagonal(self._transforms, slot, on_inputs=handle != "attn_out")
