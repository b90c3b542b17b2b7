"""Confidence on the target is read against labelled tiles of the source: temperature, and the share of sure pixels."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from rs_adapt.metrics.label_free import LabelFreeMetric, prior_agreement
from rs_adapt.metrics.source_reference import (
    RESULT,
    SourceReference,
    SourceReferenceMetric,
    certainty,
    log_probabilities,
)


def sample(scores_KHW: Tensor, truth_HW: Tensor | None = None) -> dict[str, Any]:
    made: dict[str, Any] = {
        "seg_logits": {"data": scores_KHW},
        "pred_sem_seg": {"data": scores_KHW.argmax(dim=0, keepdim=True)},
    }
    return made if truth_HW is None else made | {"gt_sem_seg": {"data": truth_HW[None]}}


def draw(temperature: float, seed: int, size: int = 32) -> tuple[Tensor, Tensor]:
    """Return logits (K, H, W) and classes with the probabilities of the logits divided by a temperature."""
    generator = torch.Generator().manual_seed(seed)
    logits_KHW = 4 * torch.randn(3, size, size, generator=generator)
    shares_PK = (logits_KHW / temperature).softmax(dim=0).flatten(1).T
    return logits_KHW, torch.multinomial(shares_PK, 1, generator=generator).reshape(size, size)


def reference(temperature: float) -> SourceReference:
    return SourceReference(
        temperature=temperature,
        least_certainty=-0.1,
        shares_K=(0.5, 0.25, 0.25),
        discriminant_KK=((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
        offset_K=(0.0, 0.0, 0.0),
    )


def measure(*samples: dict[str, Any], kind: Any = "logits") -> SourceReference | None:
    metric = SourceReferenceMetric(kind=kind)
    for each in samples:
        metric.process({}, [each])
    found: SourceReference | None = metric.evaluate(len(samples)).get(RESULT)
    return found


def statistics(of_source: SourceReference | None, *samples: dict[str, Any]) -> dict[str, float]:
    metric = LabelFreeMetric(kind="logits")
    metric.reference = of_source
    for each in samples:
        metric.process({}, [each])
    return {name: float(value) for name, value in metric.evaluate(len(samples)).items()}


def test_a_known_temperature_is_found() -> None:
    found = measure(*(sample(*draw(2.0, seed)) for seed in range(4)))
    assert found is not None
    assert found.temperature == pytest.approx(2.0, rel=0.1)


def test_on_the_source_itself_the_predicted_accuracy_is_the_accuracy() -> None:
    # 16 x 16 pixels, all of which are taken.
    logits_KHW, truth_HW = draw(1.5, 0, size=16)
    told = statistics(measure(sample(logits_KHW, truth_HW)), sample(logits_KHW))
    accuracy = float((logits_KHW.argmax(dim=0) == truth_HW).float().mean())
    assert told["predicted_accuracy"] == pytest.approx(accuracy)


def test_at_the_temperature_1_information_is_that_of_the_scores() -> None:
    logits_KHW, _ = draw(1.0, 1)
    told = statistics(reference(1.0), sample(logits_KHW))
    assert told["info_max_calibrated"] == pytest.approx(told["info_max"], abs=1e-6)
    halved = statistics(reference(2.0), sample(logits_KHW))
    assert halved["info_max_calibrated"] == pytest.approx(
        statistics(None, sample(logits_KHW / 2))["info_max"], abs=1e-6
    )


def test_pixels_without_label_do_not_count() -> None:
    logits_KHW, truth_HW = draw(1.5, 2, size=8)
    ignored = torch.cat([truth_HW, torch.full_like(truth_HW, 255)])
    doubled = torch.cat([logits_KHW, 100 * logits_KHW.flip(0)], dim=1)
    assert measure(sample(doubled, ignored)) == measure(sample(logits_KHW, truth_HW))


def test_without_a_labelled_pixel_nothing_is_calibrated() -> None:
    logits_KHW, truth_HW = draw(1.0, 3, size=4)
    assert measure(sample(logits_KHW, torch.full_like(truth_HW, 255))) is None
    assert set(statistics(None, sample(logits_KHW))) == {"entropy", "info_max"}


def test_scores_that_claim_nothing_are_unsure() -> None:
    scores_KHW = torch.tensor([1.0, 1e-6, 1e-7]).reshape(3, 1, 1)
    sure, unsure = (
        certainty(log_probabilities(factor * scores_KHW, "scores").exp().flatten(1)) for factor in (1, 1e-6)
    )
    assert float(sure) > -0.01
    assert float(unsure) < -1.0


def test_the_shares_of_the_classes_are_those_of_the_labels() -> None:
    logits_KHW, _ = draw(1.0, 4, size=4)
    found = measure(sample(logits_KHW, torch.tensor([[0, 0, 0, 2]] * 4)))
    assert found is not None
    assert found.shares_K == (0.75, 0.0, 0.25)


def test_a_prior_that_is_right_moves_no_class_and_a_wrong_one_moves_unsure_pixels() -> None:
    # Half of the pixels are surely of the first class, the others lean towards the second.
    probability_SK = torch.tensor([[0.99, 0.01], [0.45, 0.55]]).repeat(50, 1)
    assert prior_agreement(probability_SK, (0.72, 0.28)) == 1.0
    # The source had few pixels of the first class, so the model expects few: where there are more, it is the likelier.
    assert prior_agreement(probability_SK, (0.1, 0.9)) == 0.5


def test_sure_pixels_keep_their_class_under_any_prior() -> None:
    probability_SK = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    assert prior_agreement(probability_SK, (0.9, 0.1)) == 1.0


def test_discriminants_find_classes_that_the_scores_confuse() -> None:
    # The scores of both classes favour the first; their means differ all the same.
    generator = torch.Generator().manual_seed(0)
    truth_HW = torch.arange(16).repeat(16, 1) % 2
    favour_HW = torch.where(truth_HW == 0, 6.0, 2.0) + 0.3 * torch.randn(16, 16, generator=generator)
    scores_KHW = torch.stack([favour_HW, torch.zeros(16, 16), torch.full((16, 16), -9.0)])
    found = measure(sample(scores_KHW, truth_HW))
    assert found is not None
    assert torch.equal(found.discriminate(scores_KHW.flatten(1)), truth_HW.flatten())
    # The third class has no pixel.
    assert found.offset_K[2] == -torch.inf
    assert statistics(found, sample(scores_KHW))["discriminant_agreement"] == pytest.approx(0.5)
    assert statistics(reference(1.0), sample(scores_KHW))["discriminant_agreement"] == 1.0


def test_discriminants_do_not_depend_on_the_scale_of_the_scores() -> None:
    logits_KHW, truth_HW = draw(1.0, 5, size=16)
    first, second = (measure(sample(factor * logits_KHW, truth_HW)) for factor in (1.0, 3.0))
    assert first is not None
    assert second is not None
    labels_N, others_N = (
        found.discriminate(logits_KHW.flatten(1) * factor) for found, factor in ((first, 1), (second, 3))
    )
    assert (labels_N == others_N).float().mean() > 0.99
