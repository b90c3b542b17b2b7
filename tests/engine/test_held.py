"""Tensors that an optimizer step leaves as they are, with their moments."""

from __future__ import annotations

import torch
from torch import nn

from rs_adapt.engine.held import held_still


def test_a_held_row_is_held_in_plain_sgd_with_momentum_too() -> None:
    parameter = nn.Parameter(torch.ones(3, 2))
    optimizer = torch.optim.SGD([parameter], lr=0.1, momentum=0.9, weight_decay=0.5)
    for rows in ([False, True, False], [True, False, False]):
        parameter.grad = torch.ones(3, 2)
        before = parameter.detach().clone()
        with held_still(optimizer, [(parameter, torch.tensor(rows))]):
            optimizer.step()
        assert (parameter == before).all(dim=1).tolist() == rows
    assert optimizer.state[parameter]["momentum_buffer"][1].tolist() == [1.5, 1.5]
