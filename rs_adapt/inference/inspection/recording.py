"""Records of the tokens of every block in a forward pass, before and after the adapter; the result does not change.

Shapes: B batch, N tokens (prefix first), D embed, h/w token grid, P = h * w patches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rs_adapt.adapters import Adapter
from rs_adapt.backbones import Vit

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, kw_only=True)
class BlockRecord:
    """A block in a forward pass, for the first image of the batch: patch tokens (P, D) float32.

    Attributes:
        block: Index of the block, from 0.
        grid_hw: Rows and columns of the token grid.
        before_PD: Output of the block.
        after_PD: Output of the adapter's `after_block`, which is the input of the next block.
        views: Output of the adapter's `inspect_block`: maps (h, w) and vectors by name, float32.
    """

    block: int
    grid_hw: tuple[int, int]
    before_PD: Array
    after_PD: Array
    views: dict[str, Array]


class Recorder(Adapter):
    """A stand-in for the ViT's adapter that behaves like it and records the tokens in `after_block`."""

    def __init__(self, adapter: Adapter, *, num_prefix: int) -> None:
        super().__init__()
        # In a tuple, which torch does not search for submodules: the recorder has no parameters.
        self._adapter = (adapter,)
        self.needs_base_tokens = adapter.needs_base_tokens
        self.num_prefix = num_prefix
        self.blocks: list[BlockRecord] = []

    def unwrapped(self) -> AbstractContextManager[None]:
        """Switch off the layers that the adapter has wrapped."""
        return self._adapter[0].unwrapped()

    def prepare(self, base_tokens: Callable[[], Tensor]) -> None:
        """Let the adapter get ready."""
        self._adapter[0].prepare(base_tokens)

    def see(self, x_B3HW: Tensor | None) -> None:
        """Show the images to the adapter."""
        self._adapter[0].see(x_B3HW)

    def tokens(self, layer: int) -> Tensor | None:
        """Return the adapter's tokens."""
        return self._adapter[0].tokens(layer)

    def after_block(self, x_BND: Tensor, layer: int, grid_hw: tuple[int, int]) -> Tensor:
        """Let the adapter change the output of a block, and record it."""
        adapter = self._adapter[0]
        y_BND = adapter.after_block(x_BND, layer, grid_hw)
        with torch.no_grad():
            views = adapter.inspect_block(x_BND, layer, grid_hw)
        self.blocks.append(
            BlockRecord(
                block=layer,
                grid_hw=grid_hw,
                before_PD=_to_array(x_BND[:, self.num_prefix :]),
                after_PD=_to_array(y_BND[:, self.num_prefix :]),
                views={name: _to_array(view) for name, view in views.items()},
            )
        )
        return y_BND

    def queries(self) -> Tensor | None:
        """Return the adapter's queries."""
        return self._adapter[0].queries()


@contextmanager
def record_blocks(vit: Vit) -> Iterator[list[BlockRecord]]:
    """Record the blocks of the forward passes that run while the context lasts.

    A ViT without adapter, also within `without_adapter`, is recorded as if its adapter did nothing.

    Yields:
        The list that the records are added to, block by block.
    """
    adapter = vit.adapter
    recorder = Recorder(Adapter() if adapter is None else adapter, num_prefix=vit.num_prefix)
    vit.adapter = recorder
    try:
        yield recorder.blocks
    finally:
        vit.adapter = adapter


def relative_change(after_PD: Array, before_PD: Array) -> float:
    """Return the mean over the tokens of `|after - before| / |before|`: 0 where nothing has changed."""
    change_P, norm_P = (np.linalg.norm(x_PD, axis=1) for x_PD in (after_PD - before_PD, before_PD))
    return float((change_P / np.maximum(norm_P, np.finfo(norm_P.dtype).tiny)).mean())


def _to_array(tensor: Tensor) -> Array:
    # A copy: the next block may write into its input.
    return tensor[0].detach().to("cpu", torch.float32, copy=True).numpy()
