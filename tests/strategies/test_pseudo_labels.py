"""Pseudo-labels: argmax, nothing on padding, and a weight that is the share of sure pixels."""

from __future__ import annotations

from types import SimpleNamespace

import torch

from rs_adapt.strategies.pseudo_labels import pseudo_labels, valid_pixels


def scores() -> torch.Tensor:
    """Two classes on four pixels: probability of class 1 is 0.9, 0.5+, 0.2, 0.99."""
    probability = torch.tensor([[0.9, 0.51], [0.2, 0.99]])
    return torch.stack([1 - probability, probability])[None]


def test_labels_are_the_most_probable_class_and_padding_gets_none() -> None:
    valid = torch.tensor([[[True, True], [True, False]]])
    labels, weight = pseudo_labels(scores(), kind="scores", valid_BHW=valid)
    assert labels.tolist() == [[[1, 1], [0, 255]]]
    assert weight == 1


def test_weight_counts_valid_sure_pixels_for_scores_and_logits_alike() -> None:
    valid = torch.tensor([[[True, True], [True, False]]])
    for kind, values in (("scores", 7 * scores()), ("logits", scores().log() + 3)):
        # Sure at 0.79: 0.9 and 1 - 0.2; the 0.99 is padding.
        _, weight = pseudo_labels(values, kind=kind, valid_BHW=valid, confidence=0.79)  # type: ignore[arg-type]
        torch.testing.assert_close(weight, torch.tensor(2 / 3))


def test_batch_of_padding_has_weight_zero() -> None:
    _, weight = pseudo_labels(scores(), kind="logits", valid_BHW=torch.zeros(1, 2, 2, dtype=torch.bool), confidence=0.5)
    assert weight == 0


def test_valid_pixels_are_those_inside_the_padding() -> None:
    samples = [SimpleNamespace(padding_size=(0, 2, 0, 1)), SimpleNamespace()]
    valid = valid_pixels(samples, 3, 4, torch.device("cpu"))
    assert valid[0].tolist() == [[True, True, False, False]] * 2 + [[False] * 4]
    assert valid[1].all()
