"""Label-free statistics by hand: sure and varied, sure and collapsed, unsure; logits and scores; the teacher."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from rs_adapt.metrics import LabelFreeMetric
from rs_adapt.metrics.label_free import pixel_entropy


def sample(probability_KHW: Tensor, *, kind: str = "logits", other_HW: Tensor | None = None) -> dict[str, Any]:
    scores = probability_KHW.clamp_min(1e-30).log() if kind == "logits" else 7.0 * probability_KHW
    made: dict[str, Any] = {
        "seg_logits": {"data": scores},
        "pred_sem_seg": {"data": probability_KHW.argmax(dim=0, keepdim=True)},
    }
    if other_HW is not None:
        made["other_sem_seg"] = {"data": other_HW[None]}
    return made


def told(*samples: dict[str, Any], kind: Any = "logits") -> dict[str, float]:
    metric = LabelFreeMetric(kind=kind)
    for one in samples:
        metric.process({}, [one])
    return {name: float(value) for name, value in metric.evaluate(len(samples)).items()}


def one_hot(labels: list[int], num_classes: int = 4) -> Tensor:
    return torch.nn.functional.one_hot(torch.tensor([labels]), num_classes).permute(2, 0, 1).float()


def test_sure_and_varied_predictions_are_the_best() -> None:
    assert told(sample(one_hot([0, 1, 2, 3]))) == pytest.approx({"entropy": 0.0, "info_max": 1.0}, abs=1e-6)


def test_a_collapsed_model_is_confident_and_scores_low() -> None:
    assert told(sample(one_hot([2, 2, 2, 2]))) == pytest.approx({"entropy": 0.0, "info_max": 0.0}, abs=1e-6)


def test_pixels_without_image_do_not_count() -> None:
    labels = one_hot([0, 1, 2, 3, 3, 3, 3, 3])
    labels[:, 0, 5:] = 0.25
    alike = torch.tensor([[0, 1, 2, 0, 3, 3, 3, 3]])
    masked = sample(labels, other_HW=alike) | {"valid": {"data": torch.tensor([[[True] * 4 + [False] * 4]])}}
    alone = sample(labels[:, :, :4], other_HW=alike[:, :4])
    assert told(masked) == told(alone)
    assert told(masked) != told(sample(labels, other_HW=alike))


def test_an_unsure_model_has_all_the_entropy() -> None:
    even = torch.full((4, 1, 3), 0.25)
    assert told(sample(even)) == pytest.approx({"entropy": 1.0, "info_max": 0.0}, abs=1e-6)


@pytest.mark.parametrize("kind", ["logits", "scores"])
def test_images_weigh_by_their_pixels(kind: str) -> None:
    # Three pixels of the first class, one pixel that is half of the first and half of the second.
    sure, torn = one_hot([0, 0, 0], 2), torch.full((2, 1, 1), 0.5)
    entropy = 0.25
    mean = (0.875, 0.125)
    expected = -sum(p * math.log2(p) for p in mean) - entropy
    got = told(sample(sure, kind=kind), sample(torn, kind=kind), kind=kind)
    assert got == pytest.approx({"entropy": entropy, "info_max": expected}, abs=1e-6)


def test_agreement_is_the_share_of_equal_pixels() -> None:
    first = sample(one_hot([0, 1, 2]), other_HW=torch.tensor([[0, 1, 1]]))
    second = sample(one_hot([3]), other_HW=torch.tensor([[3]]))
    assert told(first, second)["agreement"] == pytest.approx(3 / 4)
    assert "agreement" not in told(first, sample(one_hot([3])))


def test_entropy_is_computed_from_a_distribution() -> None:
    probability_KHW = torch.rand(5, 6, 7).softmax(dim=0)
    entropy_HW, mean_K = pixel_entropy(probability_KHW.log(), "logits")
    expected = torch.distributions.Categorical(probability_KHW.permute(1, 2, 0)).entropy()
    torch.testing.assert_close(entropy_HW, expected)
    torch.testing.assert_close(mean_K, probability_KHW.mean(dim=(1, 2)))
