"""The drift guard: what is measured without labels, and what takes adapted weights back."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from rs_adapt.inference.drift import Drift, measure_drift

VALID = np.ones((1, 10, 10), dtype=bool)


def prediction(*rows: int, confidence: float = 0.5) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return ten rows of classes, and one probability everywhere."""
    classes_NHW = np.repeat(np.array(rows, np.uint8), 10).reshape(1, 10, 10)
    return classes_NHW, np.full(classes_NHW.shape, confidence, np.float32)


def drift(before: tuple[int, ...], after: tuple[int, ...], valid_NHW: NDArray[np.bool_] = VALID) -> Drift:
    return measure_drift(prediction(*before), prediction(*after, confidence=0.75), valid_NHW, num_classes=3)


def test_agreement_shares_and_confidence_are_those_of_valid_pixels() -> None:
    measured = drift((0, 0, 0, 0, 1, 1, 1, 1, 2, 2), (0, 0, 0, 1, 1, 1, 1, 1, 2, 2))
    assert (measured.agreement, measured.starved, measured.is_harmful) == (0.9, (), False)
    assert measured.share_shift == pytest.approx(0.1)
    assert (measured.confidence_before, measured.confidence_after) == (0.5, 0.75)
    valid_NHW = VALID.copy()
    valid_NHW[:, 3] = False
    assert drift((0, 0, 0, 0, 1, 1, 1, 1, 2, 2), (0, 0, 0, 1, 1, 1, 1, 1, 2, 2), valid_NHW).agreement == 1


def test_a_class_that_vanishes_is_harmful() -> None:
    measured = drift((0, 0, 0, 0, 0, 0, 0, 0, 2, 2), (0, 0, 0, 0, 0, 0, 0, 0, 1, 1))
    assert (measured.agreement, measured.starved, measured.is_harmful) == (0.8, (2,), True)


def test_a_different_map_is_harmful() -> None:
    measured = drift((0, 1, 2, 0, 1, 2, 0, 1, 2, 0), (1, 0, 2, 1, 0, 2, 1, 0, 2, 1))
    assert (measured.agreement, measured.starved) == (0.3, ())
    assert measured.is_harmful


def test_a_shift_of_the_areas_is_harmful() -> None:
    measured = drift((0, 0, 0, 0, 0, 0, 0, 0, 1, 2), (0, 0, 0, 0, 1, 1, 1, 1, 1, 2))
    assert measured.agreement == 0.6
    assert measured.share_shift == pytest.approx(0.4)
    assert measured.is_harmful


def test_weights_that_are_not_finite_are_harmful() -> None:
    same = prediction(0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    assert measure_drift(same, same, VALID, num_classes=3, is_finite=False).is_harmful
