"""The shared tensor of H-CLIP: transforms of the attention of both towers of CLIP, mixed by relations.

Shapes: L blocks of a tower, T = 4 L slots (q, k, v, out of every block), P side of a diagonal block, M = M_t + M_i
diagonal blocks of a slot (of the text tower, then of the visual one), H hidden channels of a mixing network.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from rs_adapt.adapters.contract.wrapping import ATTENTION
from rs_adapt.adapters.hclip import cayley

Relations = Literal["released", "paper", "none"]
Tower = Literal["text", "image"]


class TwoTowerBank(nn.Module):
    """All transforms of both towers before mixing, and what mixes them; see `HClipBoth`.

    Args:
        text_blocks: Diagonal blocks M_t of a weight of the text tower.
        image_blocks: Diagonal blocks M_i of a weight of the visual tower.
        block_dim: Side P of a diagonal block.
        depth: Blocks L of the deeper tower.
        relations: How transforms are mixed.
    """

    def __init__(
        self, *, text_blocks: int, image_blocks: int, block_dim: int, depth: int, relations: Relations
    ) -> None:
        super().__init__()
        self.text_blocks, self.relations = text_blocks, relations
        blocks, slots = text_blocks + image_blocks, len(ATTENTION) * depth
        # Cayley's rotation of zero is the identity.
        zeros, ones = torch.zeros(text_blocks, block_dim, block_dim), torch.eye(block_dim).repeat(image_blocks, 1, 1)
        self.core = nn.Parameter(torch.cat([zeros, ones]).repeat(slots, 1, 1, 1))
        if relations == "released":
            self.relation_slots = nn.Parameter(torch.eye(slots))
            self.relation_blocks = nn.Parameter(torch.eye(blocks).repeat(depth, 1, 1))
        elif relations == "paper":
            self.mix_blocks_in, self.mix_blocks_out = _drawn(blocks), _drawn(blocks)
            self.mix_slots_in, self.mix_slots_out = _drawn(slots), _drawn(slots)
            self.alpha = nn.Parameter(torch.zeros(blocks, depth))
        # Of one forward pass: the mixed tensor, and what it was made of.
        self._mixed: Tensor | None = None
        self._made_of: tuple[object, ...] = ()
        self.keeps_mixed = False

    def transforms(self, tower: Tower, slot: int) -> Tensor:
        """Return the diagonal blocks of a slot of a tower, fp32: (M_t, P, P) rotations, or (M_i, P, P) of any kind."""
        rows = slice(0, self.text_blocks) if tower == "text" else slice(self.text_blocks, None)
        with torch.autocast(self.core.device.type, enabled=False):
            if self.relations == "none":
                mixed_MPP = _exact(self.core[slot, rows])
            elif self.relations == "paper":
                mixed_MPP = self._mix_all()[slot, rows]
            else:
                # One row of the slots' relation first: the whole tensor never has to be mixed.
                slot_MPP = torch.einsum("t,tmpq->mpq", _exact(self.relation_slots[slot]), _exact(self.core))
                blocks_MM = _exact(self.relation_blocks[slot // len(ATTENTION)])
                mixed_MPP = torch.einsum("mn,npq->mpq", blocks_MM[rows], slot_MPP)
            return cayley(mixed_MPP) if tower == "text" else mixed_MPP

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy is made of: without the mixed tensor, which belongs to a forward pass of this one."""
        return {**self.__dict__, "_mixed": None}

    def begin_pass(self, *, is_forward: bool) -> None:
        """Mix again if a forward pass begins, before its first block, and use that tensor until this is called again.

        After the pass, only blocks that are computed again in the backward pass use it, as they did in the pass.
        """
        self.keeps_mixed = is_forward
        if is_forward:
            self._mixed = None
            if self.relations == "paper":
                with torch.autocast(self.core.device.type, enabled=False):
                    self._mix_all()

    def _mix_all(self) -> Tensor:
        """Return `T + alpha f4(f3(T))`, fp32 (T, M, P, P), made once in a forward pass."""
        if self._mixed is not None and self._is_fresh():
            return self._mixed
        core_TMPP = _exact(self.core)
        hidden = torch.einsum("hm,tmpq->thpq", _exact(self.mix_blocks_in), core_TMPP).relu()
        hidden = torch.einsum("mh,thpq->tmpq", _exact(self.mix_blocks_out), hidden)
        hidden = torch.einsum("ht,tmpq->hmpq", _exact(self.mix_slots_in), hidden).relu()
        mixed_TMPP = torch.einsum("th,hmpq->tmpq", _exact(self.mix_slots_out), hidden)
        alpha_TM = _exact(self.alpha).T.repeat_interleave(len(ATTENTION), dim=0)
        mixed_TMPP = core_TMPP + alpha_TM[:, :, None, None] * mixed_TMPP
        if self.keeps_mixed:
            self._mixed, self._made_of = mixed_TMPP, self._sources()
        return mixed_TMPP

    def _is_fresh(self) -> bool:
        """Return whether the kept tensor is what mixing would give, in a forward pass or in blocks computed again."""
        if torch.compiler.is_compiling():
            # A compiler sees one pass, in which nothing changes.
            return self.keeps_mixed
        in_backward = torch._C._current_graph_task_id() != -1
        return (self.keeps_mixed or in_backward) and self._made_of == self._sources()

    def _sources(self) -> tuple[object, ...]:
        """Return what the mixed tensor depends on: whether gradients are kept, and the parameters' values."""
        if torch.compiler.is_compiling():
            return ()
        return (torch.is_grad_enabled(), *((id(p), p._version) for p in self.parameters()))


def _drawn(size: int) -> nn.Parameter:
    weight = torch.empty(size, size)
    nn.init.normal_(weight, std=size**-0.5)
    return nn.Parameter(weight)


def _exact(x: Tensor) -> Tensor:
    """Return a tensor in fp32, or in double precision as it is."""
    return x if x.dtype == torch.float64 else x.float()


class TowerTransforms:
    """The transforms of one tower, by slot."""

    def __init__(self, bank: TwoTowerBank, tower: Tower) -> None:
        self._bank, self._tower = bank, tower

    def transforms(self, slot: int) -> Tensor:
        """Return the diagonal blocks of a slot; see `TwoTowerBank.transforms`."""
        return self._bank.transforms(self._tower, slot)


def num_relations(*, blocks: int, depth: int, relations: Relations) -> int:
    """Return the number of parameters that mix `blocks` diagonal blocks in the slots of `depth` blocks of a tower."""
    slots = len(ATTENTION) * depth
    return {
        "none": 0,
        "released": slots**2 + depth * blocks**2,
        "paper": 2 * slots**2 + 2 * blocks**2 + blocks * depth,
    }[relations]
