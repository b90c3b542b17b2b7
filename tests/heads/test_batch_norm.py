from __future__ import annotations

import pytest
import torch
from torch import nn

from rs_adapt.heads.batch_norm import BatchNorm


def pair(channels: int = 5) -> tuple[BatchNorm, nn.BatchNorm2d]:
    ours, theirs = BatchNorm(channels), nn.BatchNorm2d(channels)
    with torch.no_grad():
        for norm in (ours, theirs):
            torch.manual_seed(0)
            norm.weight.normal_()
            norm.bias.normal_()
    return ours, theirs


def test_equals_torchs_batch_norm_in_training_and_after_it() -> None:
    ours, theirs = pair()
    for step in range(3):
        torch.manual_seed(step)
        x = 3 * torch.randn(2, 5, 4, 6) + 100
        first, second = x.clone().requires_grad_(), x.clone().requires_grad_()
        found, expected = ours(first), theirs(second)
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
        found.square().sum().backward()
        expected.square().sum().backward()
        torch.testing.assert_close(first.grad, second.grad, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    torch.testing.assert_close(ours.running_var, theirs.running_var)
    torch.testing.assert_close(ours.weight.grad, theirs.weight.grad, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(ours.bias.grad, theirs.bias.grad, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x), atol=1e-4, rtol=1e-4)


def test_eval_mode_does_not_look_at_the_batch() -> None:
    ours, _ = pair()
    ours(torch.randn(2, 5, 3, 3))
    before = ours.running_mean.clone()
    x = torch.randn(3, 5, 3, 3)
    torch.testing.assert_close(ours.eval()(x)[1:2], ours(x[1:2]))
    assert torch.equal(ours.running_mean, before)


def test_a_single_cell_is_its_own_mean() -> None:
    ours, _ = pair()
    torch.testing.assert_close(ours(torch.randn(1, 5, 1, 1)), ours.bias[None, :, None, None])
    assert torch.isfinite(ours.running_var).all()


def test_two_processes_have_the_statistics_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, half = pair()[0], pair()[0]
    x = torch.randn(4, 5, 3, 3)
    expected = whole(x)
    parts = iter([x[1::2].sum((0, 2, 3)), (x[1::2] - x.mean((0, 2, 3))[:, None, None]).square().sum((0, 2, 3))])
    monkeypatch.setattr("rs_adapt.heads.batch_norm.rank_and_world_size", lambda: (0, 2))
    # The sums that the other process sends.
    monkeypatch.setattr("rs_adapt.heads.batch_norm.all_reduce", lambda total, op: total + next(parts))
    torch.testing.assert_close(half(x[::2]), expected[::2])
    torch.testing.assert_close(half.running_mean, whole.running_mean)
    torch.testing.assert_close(half.running_var, whole.running_var)
