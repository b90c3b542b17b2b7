"""ClassMix: whole classes are pasted, half of them rounded up, image and label alike."""

from __future__ import annotations

import pytest
import torch

from rs_adapt.strategies import class_mix


def mixed(source_label: torch.Tensor, target_label: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    shape = (source_label.shape[0], 3, *source_label.shape[1:])
    return class_mix(torch.ones(shape), source_label, torch.zeros(shape), target_label)


def test_single_class_is_pasted_completely() -> None:
    image, label = mixed(torch.full((1, 4, 4), 2), torch.zeros(1, 4, 4, dtype=torch.int64))
    assert (image == 1).all()
    assert (label == 2).all()


@pytest.mark.parametrize(("values", "pasted"), [(2, 1), (3, 2), (4, 2), (5, 3)])
def test_half_of_the_values_rounded_up_and_never_part_of_one(values: int, pasted: int) -> None:
    source = (torch.arange(60) % values).view(1, 6, 10)
    source[source == values - 1] = 255  # ignore counts as a value
    for seed in range(10):
        torch.manual_seed(seed)
        image, label = mixed(source, torch.full((1, 6, 10), 99))
        from_source = image[0, 0] == 1
        chosen = source[0][from_source].unique()
        assert len(chosen) == pasted
        assert torch.equal(from_source, torch.isin(source[0], chosen))
        assert torch.equal(label[0], torch.where(from_source, source[0], 99))


def test_images_of_a_batch_draw_on_their_own() -> None:
    source = (torch.arange(64) % 8).view(1, 8, 8).repeat(6, 1, 1)
    torch.manual_seed(0)
    image, _ = mixed(source, torch.zeros_like(source))
    assert len({tuple(row.flatten().tolist()) for row in image[:, 0]}) > 1
