from __future__ import annotations

import torch

from rs_adapt.cost.live_bytes import LiveBytes


def test_tensors_count_until_they_are_freed() -> None:
    with LiveBytes() as live:
        kept = torch.zeros(100)
        temporary = torch.zeros(1000)
        assert live.live_bytes == 4 * 1100
        del temporary
        assert live.live_bytes == 4 * 100
        more = kept + 1
    assert (live.live_bytes, live.peak_bytes) == (4 * 200, 4 * 1100)
    del more
    assert live.live_bytes == 4 * 100


def test_views_and_tensors_from_before_count_once() -> None:
    before = torch.zeros(64, 2)
    live = LiveBytes()
    live.hold([before, before.T])
    with live:
        view = before.flatten()[3:]
        before.add_(1)
    assert view.shape == (125,)
    assert live.peak_bytes == before.nbytes


def test_storages_are_rounded_up_to_blocks() -> None:
    with LiveBytes(block_bytes=512) as live:
        tensors = [torch.zeros(1), torch.zeros(128), torch.zeros(129)]
    assert live.live_bytes == 512 + 512 + 1024
    assert len(tensors) == 3


def test_what_autograd_saves_is_live_until_the_backward_pass() -> None:
    weight = torch.ones(10, requires_grad=True)
    with LiveBytes() as live:
        loss = weight.exp().sum()
        # The output of exp, and the sum.
        assert live.live_bytes == 4 * 11
        loss.backward()
        del loss
        # The gradient alone.
        assert live.live_bytes == weight.nbytes
