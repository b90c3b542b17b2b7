"""Losses at points: the numbers and draws of one prediction after the other, however many are taken at once."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rs_adapt.heads.mask2former_point_losses import PointLosses

# Multiples of the elements that a processor takes together, the last of which it may compute otherwise.
LOSSES = PointLosses(num_classes=4, num_points=256, num_candidates=768, num_uncertain=192)


def run(at_once: int | None, *, leave_out: bool, num_masks: int = 5) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    masks = [torch.randn(num_masks, 9, 12, generator=generator).requires_grad_() for _ in range(7)]
    labels = torch.randint(0, 5 if leave_out else 4, (2, 36, 48), generator=generator).short()
    images = torch.arange(num_masks) * 2 // max(num_masks, 1)
    classes = torch.randint(0, 4, (7, num_masks), generator=generator)
    counts = [int((images == image).sum()) for image in range(2)]
    torch.manual_seed(3)
    bce, dice = LOSSES(masks, labels, images, classes, counts, leave_out=leave_out, at_once=at_once)
    after = torch.rand(4)
    (bce.sum() + 2 * dice.sum()).backward()
    return [bce, dice, after, *(mask.grad for mask in masks)]


@pytest.mark.parametrize("leave_out", [False, True])
@pytest.mark.parametrize("at_once", [2, 7, 9, None])
def test_predictions_at_once_are_those_of_one_after_the_other(at_once: int | None, leave_out: bool) -> None:
    expected = run(1, leave_out=leave_out)
    for ours, one in zip(run(at_once, leave_out=leave_out), expected, strict=True):
        assert torch.equal(ours, one)
    assert expected[0].shape == (7,)


@pytest.mark.parametrize("at_once", [1, 7])
def test_no_mask_is_a_loss_of_zero_with_a_gradient(at_once: int) -> None:
    bce, dice, _, *gradients = run(at_once, leave_out=False, num_masks=0)
    assert not bce.any()
    assert not dice.any()
    assert bce.shape == dice.shape == (7,)
    assert all(gradient is not None for gradient in gradients)
