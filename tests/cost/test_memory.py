"""Bytes of models that are small enough to count by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from rs_adapt.cost.memory import collect_saved_tensors, find_storages, iteration_bytes


def step(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor) -> None:
    model(x).sum().backward()
    optimizer.step()
    optimizer.zero_grad()


def test_weights_gradients_optimizer_state_and_saved_tensors_add_up() -> None:
    model, x = nn.Linear(4, 3, bias=False), torch.ones(2, 4)
    weights = gradients = 4 * 3 * 4
    kept = 2 * 4 * 4  # the input, for the gradient of the weights
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    assert iteration_bytes(lambda: step(model, sgd, x), model, sgd) == weights + gradients + kept
    adam = torch.optim.AdamW(model.parameters())
    step(model, adam, x)
    state = 2 * weights + 4  # two averages, and the number of steps
    assert iteration_bytes(lambda: step(model, adam, x), model, adam) == weights + gradients + state + kept


def test_a_frozen_layer_saves_nothing_and_has_no_gradients() -> None:
    model, x = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 3, bias=False)), torch.ones(2, 4)
    model[0].requires_grad_(False)
    optimizer = torch.optim.SGD(model[1].parameters(), lr=0.1)
    between = 2 * 4 * 4
    assert iteration_bytes(lambda: step(model, optimizer, x), model, optimizer) == 64 + 2 * 48 + between


def test_tensors_that_share_storage_count_once() -> None:
    whole = torch.zeros(10)
    assert sum(find_storages([whole, whole[:5], whole.view(2, 5)]).values()) == 40
    x = torch.ones(6, requires_grad=True)
    # Each of the two products keeps the same tensor, twice.
    assert sum(collect_saved_tensors(lambda: (x * x + x * x).sum().backward()).values()) == 24


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_other_models_do_not_count() -> None:
    model, x = nn.Linear(512, 512, device="cuda"), torch.ones(64, 512, device="cuda")
    optimizer = torch.optim.AdamW(model.parameters())
    step(model, optimizer, x)
    alone = iteration_bytes(lambda: step(model, optimizer, x), model, optimizer)
    beside = torch.zeros(2**24, device="cuda")
    assert iteration_bytes(lambda: step(model, optimizer, x), model, optimizer) == alone
    assert alone > 4 * 512 * 512 * 4 > 0
    assert beside.is_cuda
