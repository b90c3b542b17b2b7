"""Feature distance: hand-made maps, cells of one class only, and no pull on the frozen features."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rs_adapt.strategies import feature_distance


def maps(requires_grad: bool = False) -> tuple[Tensor, Tensor]:
    """Three cells in a row whose features are 5, 1 and 13 apart: (3, 4), (0, 1) and (5, 12) from the frozen (1, 1)."""
    frozen = torch.ones(1, 2, 1, 3)
    features = frozen + torch.tensor([[3.0, 0.0, 5.0], [4.0, 1.0, 12.0]]).view(1, 2, 1, 3)
    return features.requires_grad_(requires_grad), frozen.requires_grad_(requires_grad)


def labels() -> Tensor:
    """4 x 12 pixels, 16 below each cell: 16 of class 1; 12 of class 0 and 4 of class 2; 11 of class 2 and 5 of 0."""
    cells = [torch.full((16,), 1), torch.tensor([0] * 12 + [2] * 4), torch.tensor([2] * 11 + [0] * 5)]
    return torch.cat([cell.view(4, 4) for cell in cells], dim=1)[None]


def distance(*, classes: list[int] | None = None, min_share: float = 0.75, label: Tensor | None = None) -> float:
    features, frozen = maps()
    value = feature_distance(
        features, frozen, labels() if label is None else label, num_classes=3, classes=classes, min_share=min_share
    )
    assert value.dtype == torch.float32
    return value.item()


@pytest.mark.parametrize(
    ("min_share", "expected"),
    [(0.5, (5 + 1 + 13) / 3), (0.75, (5 + 1) / 2), (0.76, 5.0)],  # 12 of 16 are just 0.75
)
def test_mean_over_the_cells_that_one_class_covers(min_share: float, expected: float) -> None:
    assert distance(min_share=min_share) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("classes", "expected"), [([0], 1.0), ([1], 5.0), ([0, 1], 3.0), ([2], 0.0), ([], 0.0)])
def test_only_the_wanted_classes_count(classes: list[int], expected: float) -> None:
    assert distance(classes=classes) == pytest.approx(expected, rel=1e-6)


def test_ignored_pixels_belong_to_no_class() -> None:
    # 11 of 16 pixels of the first cell are left: too few, although no other class is there.
    label = labels()
    label[0, 0, :4] = 255
    label[0, 1, :1] = -1
    assert distance(label=label) == pytest.approx(1.0)
    assert distance(label=torch.full_like(label, 255)) == 0.0


def test_zero_between_equal_maps_and_with_a_gradient_that_is_a_number() -> None:
    features = torch.randn(2, 8, 4, 4, requires_grad=True)
    value = feature_distance(
        features, features.detach(), torch.zeros(2, 16, 16).long(), num_classes=3, classes=None, min_share=0.75
    )
    value.backward()
    assert value == 0
    assert features.grad is not None
    assert not features.grad.any()


def test_gradient_is_the_unit_vector_away_from_the_frozen_features_over_the_cells() -> None:
    features, frozen = maps(requires_grad=True)
    feature_distance(features, frozen, labels(), num_classes=3, classes=None, min_share=0.75).backward()
    assert frozen.grad is None
    assert features.grad is not None
    expected = torch.tensor([[3 / 5 / 2, 0.0, 0.0], [4 / 5 / 2, 1 / 2, 0.0]]).view(1, 2, 1, 3)
    torch.testing.assert_close(features.grad, expected)
