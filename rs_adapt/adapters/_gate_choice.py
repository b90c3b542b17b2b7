"""The choice of a gate: which modules stay active.

Shapes: A methods, L blocks; a module is one method in one block.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from rs_adapt.config.words import resolve_share
from rs_adapt.errors import ConfigError
from rs_adapt.ranges import Range

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


def number_of(k: int | str, modules: int) -> int:
    """Return how many of the modules stay active, from a number or a percentage of them.

    Raises:
        ConfigError: It is none from 1 to all of them.
    """
    number = max(1, round(resolve_share(k, key="Gate: k") * modules)) if isinstance(k, str) else k
    if number not in Range(least=1, most=modules, whole=True):
        raise ConfigError(
            f"Gate: k is {number!r}, and the host has {modules} modules. Allowed: 1 to {modules}, a percentage such as "
            "'25%', or None for no gate."
        )
    return number
