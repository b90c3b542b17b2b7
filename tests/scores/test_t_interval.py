"""Intervals by t: quantiles, and the variances of several sources by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import stdtrit

from rs_adapt.scores.t_interval import t_interval, t_quantile


@pytest.mark.parametrize(("level", "freedom", "t"), [(0.95, 1, 12.706), (0.95, 3, 3.182), (0.9, 30, 1.697)])
def test_quantiles_of_students_distribution(level: float, freedom: int, t: float) -> None:
    assert t_quantile(level, freedom) == pytest.approx(t, abs=5e-4)


@pytest.mark.parametrize("freedom", [1, 1.5, 2, 3.57, 39, 500.5, 11643])
def test_quantiles_are_those_of_scipy(freedom: float) -> None:
    for level in (0.4, 0.95, 0.99):
        assert t_quantile(level, freedom) == pytest.approx(stdtrit(freedom, (1 + level) / 2), rel=2e-5)


def test_variances_of_several_sources_add_up() -> None:
    # By hand: 9 * 4 / 3 + 4 * 2 / 1 = 20, and (12 + 8)^2 / (12^2 / 3 + 8^2 / 1) = 3.571 degrees of freedom.
    units, seeds = np.array([-3.0, 3.0]), np.array([-2.0, 2.0])
    found = t_interval(10.0, [(units, 4), (seeds, 2)])
    assert found is not None
    half = t_quantile(0.95, 400 / 112) * math.sqrt(20)
    assert (found.low, found.high) == (pytest.approx(10 - half), pytest.approx(10 + half))
    # A single seed has no spread.
    assert t_interval(10.0, [(units, 4), (seeds, 1)]) == t_interval(10.0, [(units, 4)])
    assert t_interval(10.0, [(units, 1)]) is None
    assert t_interval(math.nan, [(units, 4)]) is None
    assert t_interval(10.0, [(np.full(5, math.nan), 4)]) is None
