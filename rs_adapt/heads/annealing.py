"""The masks of attention fade during training, so that the trained model attends without any."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from rs_adapt.ranges import COUNT, check_ranges


class MaskAnnealing(nn.Module):
    """Share of queries that attend within their masks, by block and by progress of the training.

    With n blocks the training has n + 2 equal parts. Block b (from 0) masks all queries for b + 1 parts, fewer and
    fewer along a line through the next part, and none from then on: the first block is the first without masks, and the
    last part trains the model as it will be used.

    The counters are in the training state, so that a resumed run continues exactly, and in packs, so that one of an
    early checkpoint still masks what it was trained with, and training from a finished one does not mask again.

    Args:
        num_blocks: Number of blocks n.
        total_iters: Training iterations, at least 1.
    """

    steps_done: Tensor
    steps_in_all: Tensor

    def __init__(self, num_blocks: int, total_iters: int) -> None:
        super().__init__()
        check_ranges("", total_iters=(total_iters, COUNT))
        self.num_blocks = num_blocks
        self.register_buffer("steps_done", torch.zeros((), dtype=torch.int64))
        self.register_buffer("steps_in_all", torch.tensor(total_iters))
        # Of the buffers, which a GPU would have to be asked for in every block.
        self._progress = 0.0
        self.register_load_state_dict_post_hook(_read_counters)  # type: ignore[no-untyped-call]

    def share(self, block: int) -> float:
        """Return the share of queries that block `block` (from 0) masks, 0 to 1; in eval mode 0 or 1, the nearer."""
        parts = self.num_blocks + 2
        share = min(max(block + 2 - self._progress * parts, 0.0), 1.0)
        return share if self.training else float(share >= 0.5)

    def step(self) -> None:
        """Count an iteration."""
        self.steps_done += 1
        self.read_counters()

    def finish(self) -> None:
        """Attend without masks from now on, as after the last iteration."""
        self.steps_done.copy_(self.steps_in_all)
        self._progress = 1.0

    def read_counters(self) -> None:
        """Take over the counters where something else has changed them."""
        self._progress = int(self.steps_done) / int(self.steps_in_all)


def _read_counters(module: nn.Module, _: Any) -> None:
    assert isinstance(module, MaskAnnealing)
    module.read_counters()
