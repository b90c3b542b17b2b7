from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from rs_adapt.strategies.label_counts import HostCount, count_classes, present_values


def test_counts_are_those_of_a_histogram() -> None:
    labels = torch.tensor([[[0, 0, 3], [255, 2, 3]]])
    assert count_classes(labels, 4, 255).tolist() == [2, 0, 1, 2]
    # The ignored value may be a class's number, and values beyond the classes count nowhere.
    assert count_classes(labels, 4, 0).tolist() == [0, 0, 1, 2]
    assert count_classes(labels, 3, 255).tolist() == [2, 0, 1]


def test_present_values_are_those_of_each_image() -> None:
    labels = torch.randint(0, 256, (3, 5, 7), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    for row, image in zip(present_values(labels), labels, strict=True):
        assert row.nonzero()[:, 0].tolist() == sorted(set(image.flatten().tolist()))


class _Readings(TorchDispatchMode):
    """Counts the numbers that Python reads off tensors."""

    number = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.number += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


class _Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.tensor(5))
        self.host = HostCount()

    def take(self) -> int:
        return self.host.take(self.count)


def test_a_count_is_read_once() -> None:
    model = _Counting()
    with _Readings() as readings:
        assert [model.take() for _ in range(4)] == [5, 6, 7, 8]
    assert readings.number == 1
    assert model.count == 9


def test_a_count_that_others_wrote_to_is_read_again() -> None:
    model = _Counting()
    model.take()
    twin = copy.deepcopy(model)
    model.load_state_dict({"count": torch.tensor(40)})
    assert [model.take(), model.take()] == [40, 41]
    model.count.fill_(3)
    assert model.take() == 3
    # A copy has a buffer of its own, and one on a different device, too.
    assert [twin.take(), twin._apply(torch.clone).take(), twin.take()] == [6, 7, 8]
