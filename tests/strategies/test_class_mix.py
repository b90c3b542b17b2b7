"""ClassMix: whole classes are pasted, half of them rounded up, image and label alike."""

from __future__ import annotations

import pytest
import torch

from rs_adapt.strategies import class_mix, paste


def test_single_class_is_pasted_completely() -> None:
    assert class_mix(torch.full((1, 4, 4), 2)).all()


@pytest.mark.parametrize(("values", "pasted"), [(2, 1), (3, 2), (4, 2), (5, 3)])
def test_half_of_the_classes_are_drawn_whole_rounded_up(values: int, pasted: int) -> None:
    source = (torch.arange(60) % values).view(1, 6, 10)
    source[source == values - 1] = 255  # ignore counts as a value
    drawn = set()
    for seed in range(20):
        torch.manual_seed(seed)
        mask = class_mix(source)
        assert mask.dtype == torch.bool
        chosen = source[mask].unique()
        assert len(chosen) == pasted
        assert torch.equal(mask, torch.isin(source, chosen))
        drawn |= set(chosen.tolist())
    assert drawn == {*range(values - 1), 255}


def test_images_of_a_batch_draw_on_their_own() -> None:
    source = (torch.arange(64) % 8).view(1, 8, 8).repeat(6, 1, 1)
    assert len({tuple(row.flatten().tolist()) for row in class_mix(source)}) > 1


def test_classes_are_drawn_from_torchs_global_generator() -> None:
    source = (torch.arange(64) % 8).view(1, 8, 8).repeat(6, 1, 1)
    torch.manual_seed(3)
    first, second = class_mix(source), class_mix(source)
    torch.manual_seed(3)
    assert torch.equal(class_mix(source), first)
    assert not torch.equal(first, second)


def test_images_and_labels_are_pasted_alike() -> None:
    mask = torch.tensor([[[True, False], [False, True]], [[False, False], [True, True]]])
    labels = paste(mask, torch.full((2, 2, 2), 7), torch.zeros(2, 2, 2, dtype=torch.int64))
    assert labels.tolist() == [[[7, 0], [0, 7]], [[0, 0], [7, 7]]]
    images = paste(mask, torch.ones(2, 3, 2, 2), torch.full((2, 3, 2, 2), -1.0))
    for band in range(3):
        assert torch.equal(images[:, band] == 1, mask)
    assert images.min() == -1
