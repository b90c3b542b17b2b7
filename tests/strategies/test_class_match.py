"""Class match: statistics by class, the change of an image, and its part in a step of self-training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from rs_adapt.errors import ConfigError
from rs_adapt.strategies import SelfTraining
from rs_adapt.strategies.class_match import ClassMatch

MEAN, STD = torch.full((3,), 128.0), torch.full((3,), 64.0)
# Class 0 on the left and class 1 on the right; a column without a class.
LABELS = torch.zeros(1, 32, 65, dtype=torch.int64)
LABELS[..., 32:64] = 1
LABELS[..., 64:] = 255


def coloured(*means: float, std: float = 0.1, seed: int = 0) -> Tensor:
    """Return an image whose classes have exactly these means and this deviation in all bands."""
    noise = torch.randn(1, 3, 32, 65, generator=torch.Generator().manual_seed(seed))
    image = torch.zeros(1, 3, 32, 65)
    for label, mean in zip((0, 1, 255), means, strict=True):
        inside = LABELS[0] == label
        pixels = noise[:, :, inside]
        pixels = (pixels - pixels.mean(2, keepdim=True)) / pixels.std(2, correction=0, keepdim=True)
        image[:, :, inside] = mean + std * pixels
    return image


def fitted(prob: float = 1.0) -> ClassMatch:
    """Source: class means 0 and 0.5, deviation 0.1. Target: -0.5 and 0.75, deviation 0.2."""
    match = ClassMatch(num_classes=2, prob=prob)
    match.observe_source(coloured(0.0, 0.5, 0.2), LABELS)
    match.observe_target(coloured(-0.5, 0.75, 0.9, std=0.2, seed=1), LABELS, torch.ones(LABELS.shape))
    return match


def moved(match: ClassMatch, image: Tensor, *, amount: float, monkeypatch: pytest.MonkeyPatch) -> Tensor:
    monkeypatch.setattr(torch, "rand", lambda *_, **__: torch.tensor([0.25, amount]))
    changed: Tensor = match(image, LABELS, mean_3=MEAN, std_3=STD)
    return changed


@pytest.mark.parametrize("amount", [0.0, 0.4, 1.0])
def test_each_class_moves_by_the_drawn_amount_to_the_statistics_of_the_target(
    amount: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = coloured(0.0, 0.5, 0.2)
    changed = moved(fitted(), image, amount=amount, monkeypatch=monkeypatch)
    for label, mean in ((0, -0.5 * amount), (1, 0.5 + 0.25 * amount)):
        pixels = changed[0][:, LABELS[0] == label]
        torch.testing.assert_close(pixels.mean(1), torch.full((3,), mean), atol=1e-5, rtol=0)
        torch.testing.assert_close(pixels.std(1, correction=0), torch.full((3,), 0.1 + 0.1 * amount), atol=1e-4, rtol=0)
    assert torch.equal(changed[..., 64:], image[..., 64:])


def test_an_image_is_changed_by_chance_and_colours_stay_in_range(monkeypatch: pytest.MonkeyPatch) -> None:
    image = coloured(0.0, 0.5, 0.2)
    assert torch.equal(moved(fitted(prob=0.25), image, amount=1.0, monkeypatch=monkeypatch), image)
    match = ClassMatch(num_classes=2, prob=1.0)
    match.observe_source(image, LABELS)
    match.observe_target(coloured(-9.0, 9.0, 0.0), LABELS, torch.ones(LABELS.shape))
    changed = moved(match, image, amount=1.0, monkeypatch=monkeypatch)
    # 0 and 255 with a mean of 128 and a deviation of 64.
    torch.testing.assert_close((changed.min(), changed.max()), (torch.tensor(-2.0), torch.tensor(127 / 64)))


def test_target_pixels_count_by_the_confidence_of_the_teacher() -> None:
    match = ClassMatch(num_classes=2, prob=1.0)
    confidence = torch.where(LABELS == 0, 0.25, 1.0)
    match.observe_target(torch.full((1, 3, 32, 65), 1.0), LABELS, confidence)
    match.observe_target(torch.full((1, 3, 32, 65), 5.0), LABELS, torch.where(LABELS == 0, 0.75, 1.0))
    weights_K = match.target_sums_K7[:, 0]
    torch.testing.assert_close(weights_K, torch.tensor([1024 * (0.99 * 0.25 + 0.75), 1024 * 1.99]))
    expected = torch.tensor([(0.99 * 0.25 + 5 * 0.75) / (0.99 * 0.25 + 0.75), (0.99 + 5) / 1.99])
    torch.testing.assert_close(match.target_sums_K7[:, 1] / weights_K, expected)


def test_a_class_that_is_not_found_moves_with_the_region(monkeypatch: pytest.MonkeyPatch) -> None:
    image = coloured(0.0, 0.5, 0.2)
    match = ClassMatch(num_classes=2, prob=1.0)
    match.observe_source(image, LABELS)
    assert torch.equal(moved(match, image, amount=1.0, monkeypatch=monkeypatch), image)
    # Padding of another colour is no part of the region.
    match.observe_region(coloured(1.0, 1.0, 9.0, std=0.3), LABELS != 255)
    changed = moved(match, image, amount=1.0, monkeypatch=monkeypatch)
    pixels = changed[0][:, LABELS[0] != 255]
    torch.testing.assert_close(pixels.mean(1), torch.ones(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(pixels.std(1, correction=0), torch.full((3,), 0.3), atol=1e-4, rtol=0)
    # Class 1 alone is found.
    match.observe_target(coloured(0.0, 0.75, 0.0), LABELS.where(LABELS == 1, 255), torch.ones(LABELS.shape))
    again = moved(match, image, amount=1.0, monkeypatch=monkeypatch)
    assert torch.equal(again[..., :32], changed[..., :32])
    torch.testing.assert_close(again[0, :, :, 32:64].mean((1, 2)), torch.full((3,), 0.75), atol=1e-4, rtol=0)


@pytest.mark.parametrize("prob", [-0.1, 1.5, float("nan")])
def test_a_chance_outside_its_range_is_refused(prob: float) -> None:
    with pytest.raises(ConfigError, match="strategy.class_match"):
        ClassMatch(num_classes=2, prob=prob)


def test_self_training_learns_from_the_moved_source_once_the_teacher_has_labelled(
    tiny: Callable[..., Any], batch: Callable[..., dict[str, Any]]
) -> None:
    model = SelfTraining(segmentor=tiny(), warmup_iters=0, class_match=1.0)
    assert model.class_match is not None
    shown: list[Tensor] = []
    model.segmentor.backbone.register_forward_pre_hook(lambda _, args: shown.append(args[0].clone()))
    data = model.data_preprocessor(batch(), True)
    model(**data, mode="loss")
    inside = data["target"]["inputs"].permute(0, 2, 3, 1).reshape(-1, 3)
    torch.testing.assert_close(model.class_match.region_sums_7[1:4] / len(inside), inside.mean(0), atol=1e-5, rtol=0)
    labelled = model.label_target(data["target"]["inputs"], data["target"]["data_samples"])
    torch.testing.assert_close(
        model.class_match.target_sums_K7[:, 0].sum(), labelled.confidence_BHW.sum(), rtol=1e-5, atol=0
    )
    shown.clear()
    model(**data, mode="loss")
    assert len(shown) > 1
    assert not torch.equal(shown[0], data["source"]["inputs"])
    assert "class_match.target_sums_K7" in model.state_dict()
    assert not any("class_match" in name for name in SelfTraining(segmentor=tiny(), warmup_iters=0).state_dict())
