"""Temperatures: found again where they are known, and the errors that a reliability diagram shows."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rs_adapt.inference.calibration import measure_reliability
from rs_adapt.inference.predictor import rescale
from rs_adapt.metrics.temperature import fit_temperature


def draw(temperature: float, num: int = 15_000) -> tuple[Tensor, Tensor]:
    """Return logits and classes whose probabilities are those of the logits divided by a temperature."""
    generator = torch.Generator().manual_seed(0)
    logits_NK = 4 * torch.randn(num, 5, generator=generator)
    truth_N = torch.multinomial((logits_NK / temperature).softmax(dim=1), 1, generator=generator)[:, 0]
    return logits_NK, truth_N


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_a_known_temperature_is_found(temperature: float) -> None:
    logits_NK, truth_N = draw(temperature)
    fitted = fit_temperature(logits_NK, truth_N)
    assert fitted == pytest.approx(temperature, rel=0.05)
    before, after = measure_reliability(logits_NK, truth_N), measure_reliability(logits_NK / fitted, truth_N)
    assert after.nll <= before.nll + 1e-5
    assert after.ece_pct < 2
    assert after.ece_pct < before.ece_pct or temperature == 1.0


def test_the_error_is_the_distance_of_confidence_and_accuracy() -> None:
    # Four pixels with a confidence of 0.9, of which two are right.
    logits_NK = torch.tensor([[0.9, 0.1]]).log().expand(4, 2)
    measured = measure_reliability(logits_NK, torch.tensor([0, 0, 1, 1]))
    assert measured.ece_pct == pytest.approx(40, abs=0.01)
    (filled,) = [one for one in measured.bins if one.pixels]
    assert (filled.pixels, filled.confidence_pct, filled.accuracy_pct) == (4, pytest.approx(90), 50)
    assert len(measured.bins) == 15
    assert measured.bins[0].confidence_pct is None


def test_probabilities_are_rescaled_as_their_logits_are() -> None:
    logits_NKHW = 3 * torch.randn(2, 5, 4, 3, generator=torch.Generator().manual_seed(1))
    rescaled_NKHW = rescale(logits_NKHW.softmax(dim=1), 1.7)
    assert torch.allclose(rescaled_NKHW, (logits_NKHW / 1.7).softmax(dim=1), atol=1e-6)
    assert torch.equal(rescaled_NKHW.argmax(dim=1), logits_NKHW.argmax(dim=1))
