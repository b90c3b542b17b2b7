"""Blocks of a ViT with more tokens than its own: an adapter's prompts, and the queries of a head.

Shapes: B batch, N tokens (prefix, then queries, then patches), D embed, M prompts, h/w token grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint


@dataclass(frozen=True, kw_only=True, eq=False)
class BlocksLeft:
    """The blocks of a ViT after its last map, which the head runs itself with its queries among the tokens.

    Attributes:
        vit: The ViT; its adapter acts in these blocks too.
        first: Index of the first of them.
        x_BND: Tokens at its input, prefix first.
        context: Second argument of the blocks.
        grid_hw: Rows and columns of the token grid.
    """

    vit: Any
    first: int
    x_BND: Tensor
    context: Any
    grid_hw: tuple[int, int]

    def __len__(self) -> int:
        """Return the number of blocks."""
        return int(self.vit.depth) - self.first

    @property
    def num_prefix(self) -> int:
        """Number of tokens before the patches in `x_BND`; queries stand between the two."""
        return int(self.vit.num_prefix)

    def run(self, number: int, x_BND: Tensor, *, num_queries: int, attend_B1NN: Tensor | None) -> Tensor:
        """Return the tokens after one of the blocks.

        Args:
            number: Which of them, from 0.
            x_BND: Prefix, queries, patches.
            num_queries: How many of them are queries.
            attend_B1NN: Whether a token (row) sees another (column), bool; None if all see all.
        """
        return adapted_block(
            self.vit,
            self.first + number,
            x_BND,
            self.context,
            self.grid_hw,
            num_queries=num_queries,
            attend_B1NN=attend_B1NN,
        )


def adapted_block(
    vit: Any,
    layer: int,
    x_BND: Tensor,
    context: Any,
    grid_hw: tuple[int, int],
    *,
    num_queries: int = 0,
    attend_B1NN: Tensor | None = None,
) -> Tensor:
    """Return the tokens after a block with the ViT's adapter: prompts before it, `after_block` behind it.

    An adapter is shown the tokens that it knows, prefix and patches; a head's queries pass it by.

    Args:
        vit: A `Vit`; read are `adapter`, `num_prefix`, `recomputes`, `training` and `run_block`.
        layer: Index of the block, from 0.
        x_BND: Prefix, queries, patches.
        context: Second argument of the block.
        grid_hw: Rows and columns of the token grid.
        num_queries: Number of queries.
        attend_B1NN: Whether a token (row) sees another (column), bool; None if all see all. Prompts see all and are
            seen by all.
    """
    adapter, start = vit.adapter, vit.num_prefix
    if adapter is None:
        return _run_block(vit, layer, x_BND, context, attend_B1NN)
    prompt_MD = adapter.tokens(layer)
    if prompt_MD is None:
        x_BND = _run_block(vit, layer, x_BND, context, attend_B1NN)
    else:
        prompt_BMD = prompt_MD.to(x_BND.dtype).expand(x_BND.shape[0], -1, -1)
        end = start + prompt_BMD.shape[1]
        x_BND = torch.cat([x_BND[:, :start], prompt_BMD, x_BND[:, start:]], dim=1)
        if attend_B1NN is not None:
            attend_B1NN = _insert(_insert(attend_B1NN, start, end, dim=2), start, end, dim=3)
        x_BND = _run_block(vit, layer, x_BND, context, attend_B1NN)
        x_BND = torch.cat([x_BND[:, :start], x_BND[:, end:]], dim=1)
    if not num_queries:
        adapted_BND: Tensor = adapter.after_block(x_BND, layer, grid_hw)
        return adapted_BND
    prefix_BND, queries_BND, patches_BND = x_BND.tensor_split((start, start + num_queries), dim=1)
    own_BND = adapter.after_block(torch.cat([prefix_BND, patches_BND], dim=1), layer, grid_hw)
    return torch.cat([own_BND[:, :start], queries_BND, own_BND[:, start:]], dim=1)


def _run_block(vit: Any, layer: int, x_BND: Tensor, context: Any, attend_B1NN: Tensor | None) -> Tensor:
    """Return the tokens after a block; where the ViT says so, only its input is saved for the backward pass.

    The block alone, with the layers that an adapter changed, is computed again, with the draws of its drop-out. What an
    adapter does between blocks may depend on the images of the last forward pass, which can be others by then.
    """
    if vit.recomputes and vit.training and torch.is_grad_enabled():
        again_BND: Tensor = checkpoint(vit.run_block, layer, x_BND, context, attend_B1NN, use_reentrant=False)
        return again_BND
    plain_BND: Tensor = vit.run_block(layer, x_BND, context, attend_B1NN)
    return plain_BND


def _insert(attend_B1NN: Tensor, start: int, end: int, *, dim: int) -> Tensor:
    """Return the table with rows or columns of true at the positions from `start` to `end`."""
    shape = list(attend_B1NN.shape)
    shape[dim] = end - start
    before, after = attend_B1NN.tensor_split((start,), dim=dim)
    return torch.cat([before, attend_B1NN.new_ones(shape), after], dim=dim)
