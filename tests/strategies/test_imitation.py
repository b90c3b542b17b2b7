"""What a student imitates: whitened features and probabilities at a temperature, on pixels that are image."""

from __future__ import annotations

import pytest
import torch

from rs_adapt.strategies import feature_loss, probability_loss
from rs_adapt.strategies import imitation as module


def test_features_are_compared_with_whitened_ones() -> None:
    wanted = torch.tensor([[[[3.0]], [[1.0]]]])
    # Whitened, the two channels are 1 and -1. Smooth L1 of 0.5 is 0.125, of 2 it is 1.5.
    imitated = torch.tensor([[[[1.5]], [[1.0]]]])
    valid = torch.ones(1, 4, 4, dtype=torch.bool)
    assert feature_loss(imitated, wanted, valid) == pytest.approx((0.125 + 1.5) / 2, abs=1e-4)
    assert feature_loss(imitated, 100 * wanted + 7, valid) == pytest.approx((0.125 + 1.5) / 2, abs=1e-4)
    assert feature_loss(torch.tensor([[[[1.0]], [[-1.0]]]]), wanted, valid) == pytest.approx(0, abs=1e-8)


def test_positions_count_by_their_share_of_image() -> None:
    wanted = torch.randn(1, 4, 1, 2)
    imitated = torch.zeros(1, 4, 1, 2)
    imitated[..., 1] = 50
    valid = torch.ones(1, 2, 4, dtype=torch.bool)
    both = [feature_loss(imitated[..., k : k + 1], wanted[..., k : k + 1], valid[..., :2]) for k in range(2)]
    valid[..., 3] = False
    # Of the second position half is padding.
    assert feature_loss(imitated, wanted, valid) == pytest.approx(float(both[0] + 0.5 * both[1]) / 1.5, rel=1e-5)
    valid[..., 2] = False
    assert feature_loss(imitated, wanted, valid) == pytest.approx(float(both[0]), rel=1e-5)
    assert feature_loss(imitated, wanted, torch.zeros_like(valid)) == 0


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_probabilities_are_compared_at_a_temperature(temperature: float) -> None:
    logits = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    other = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(1))
    valid = torch.ones(2, 4, 5, dtype=torch.bool)
    valid[0, :2] = False
    student, teacher = ((values / temperature).softmax(dim=1) for values in (logits, other))
    divergence = (teacher * (teacher / student).log()).sum(dim=1)[valid].mean()
    found = probability_loss(logits.softmax(dim=1), other.softmax(dim=1), valid, temperature=temperature)
    assert torch.allclose(found, temperature**2 * divergence, rtol=1e-4)
    same = probability_loss(other.softmax(dim=1), other.softmax(dim=1), valid, temperature=temperature)
    assert same == pytest.approx(0, abs=1e-6)


def test_a_probability_of_zero_gives_no_infinite_loss_or_gradient() -> None:
    student = torch.tensor([[[[0.0]], [[1.0]]]], requires_grad=True)
    loss = probability_loss(
        student, torch.tensor([[[[1.0]], [[0.0]]]]), torch.ones(1, 1, 1, dtype=torch.bool), temperature=1.0
    )
    loss.backward()
    assert student.grad is not None
    assert torch.isfinite(loss)
    assert torch.isfinite(student.grad).all()


def test_means_of_several_processes_are_that_of_the_whole_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    imitated, wanted = (torch.randn(2, 4, 2, 2, generator=generator) for _ in range(2))
    student, teacher = (torch.randn(2, 3, 4, 4, generator=generator).softmax(dim=1) for _ in range(2))
    valid = torch.ones(2, 4, 4, dtype=torch.bool)
    valid[1, 1:] = False
    whole = (feature_loss(imitated, wanted, valid), probability_loss(student, teacher, valid, temperature=2.0))
    totals = {"features": 4 + 2 * 0.5, "pixels": 16 + 4.0}
    for name, expected in zip(totals, whole, strict=True):
        # As `global_mean_denominator` answers in each of two processes.
        monkeypatch.setattr(
            module, "global_mean_denominator", lambda total, least, share=totals[name] / 2: torch.tensor(share)
        )
        parts = [
            feature_loss(imitated[k : k + 1], wanted[k : k + 1], valid[k : k + 1])
            if name == "features"
            else probability_loss(student[k : k + 1], teacher[k : k + 1], valid[k : k + 1], temperature=2.0)
            for k in range(2)
        ]
        assert torch.allclose(sum(parts) / 2, expected, rtol=1e-5)
