"""Pixels of a padded batch that are image."""

from __future__ import annotations

from types import SimpleNamespace

import torch

from rs_adapt.strategies.pseudo_labels import valid_pixels


def test_valid_pixels_are_those_inside_the_padding() -> None:
    samples = [SimpleNamespace(padding_size=(0, 2, 0, 1)), SimpleNamespace()]
    valid = valid_pixels(samples, 3, 4, torch.device("cpu"))
    assert valid[0].tolist() == [[True, True, False, False]] * 2 + [[False] * 4]
    assert valid[1].all()


def test_pixels_without_image_are_not_valid() -> None:
    image = SimpleNamespace(data=torch.tensor([[[True, False], [True, True]]]))
    (valid,) = valid_pixels([SimpleNamespace(padding_size=(0, 2, 0, 1), valid=image)], 3, 4, torch.device("cpu"))
    assert valid.tolist() == [[True, False, False, False], [True, True, False, False], [False] * 4]
