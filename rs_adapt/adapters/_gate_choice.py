"""The choice of a gate: which modules stay active.

Shapes: A methods, L blocks; a module is one method in one block.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Compare = Literal["method", "block"]


def choose(squares_AL: Tensor, k: int, *, compare: Compare) -> Tensor:
    """Return which modules are active, bool (A, L): the k highest scores, of equal ones the first.

    Args:
        squares_AL: Sums over the measured iterations of each module's mean squared gradient, not negative.
        k: From 1 to A L.
        compare: What a score is a share of: of the sum over the blocks of its "method", or over the methods in its
            "block".
    """
    sums = squares_AL.sum(dim=1 if compare == "method" else 0, keepdim=True)
    # Without any gradient all scores are 0.
    scores = (squares_AL / sums.clamp_min(torch.finfo(sums.dtype).tiny)).flatten()
    chosen = torch.zeros_like(scores, dtype=torch.bool)
    chosen[scores.argsort(descending=True, stable=True)[:k]] = True
    return chosen.view_as(squares_AL)
