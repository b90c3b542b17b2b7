"""ClassMix: whole classes are pasted, half of them rounded up, image and label alike."""

from __future__ import annotations

import pytest
import torch

from rs_adapt.strategies import class_mix, paste
from rs_adapt.strategies.class_mix import MIX_CLASSES


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


def test_half_of_the_batchs_classes_are_drawn_for_each_image() -> None:
    # Image 0 holds classes 0 and 1, image 1 classes 2 and 255: four values, of which each image draws two.
    source = torch.tensor([[[0, 0, 1, 1]], [[2, 2, 2, 255]]])
    pasted: list[list[tuple[int, ...]]] = [[], []]
    for seed in range(400):
        torch.manual_seed(seed)
        mask = class_mix(source, classes_of="batch")
        assert mask.dtype == torch.bool
        for label, own, chosen in zip(source, mask, pasted, strict=True):
            values = label[own].unique()
            assert torch.equal(own, torch.isin(label, values))
            chosen.append(tuple(values.tolist()))
    for chosen, (first, second) in zip(pasted, ((0, 1), (2, 255)), strict=True):
        # Of the six pairs of four values one is both of an image's own, one is none, and four are one of them.
        counts = {values: chosen.count(values) / 400 for values in ((), (first,), (second,), (first, second))}
        assert sum(counts.values()) == 1
        torch.testing.assert_close(list(counts.values()), [1 / 6, 1 / 3, 1 / 3, 1 / 6], atol=0.06, rtol=0)
    assert pasted[0] != pasted[1]


def test_one_image_is_a_batch_of_its_own() -> None:
    source = (torch.arange(60) % 5).view(1, 6, 10)
    for seed in range(5):
        masks = []
        for classes_of in MIX_CLASSES:
            torch.manual_seed(seed)
            masks.append(class_mix(source, classes_of=classes_of))
        assert torch.equal(*masks)


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
