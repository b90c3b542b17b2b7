"""Intervals of a value and its resamples: the value plus and minus t standard errors. Loads no torch.

An interval is `value +- t * SE * sqrt(U / (U - 1))`: SE is the standard deviation over resamples of the U units, the
root undoes that the spread of U drawn units is smaller than that of all, and t is the quantile of Student's
distribution with U - 1 degrees of freedom. Percentiles of the same resamples are too narrow where units are few
(`benchmarks/interval_coverage.py`). The standard error of the bootstrap: B. Efron, "Bootstrap methods: another look at
the jackknife", Annals of Statistics 7 (1979), 1-26; its t interval: B. Efron and R. Tibshirani, "An Introduction to the
Bootstrap" (1993), chapter 12. Few clusters make intervals too narrow: A. C. Cameron, J. B. Gelbach and D. L. Miller,
"Bootstrap-based improvements for inference with clustered errors", Review of Economics and Statistics 90 (2008),
414-427. Several sources of chance have degrees of freedom together: F. E. Satterthwaite, "An approximate distribution
of estimates of variance components", Biometrics Bulletin 2 (1946), 110-114.

Shapes: U units, K classes, R resamples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
# Lowest and highest score, in percent.
SCORES = (0.0, 100.0)
# How the intervals of this version are formed, in `result.json`.
FORM = "t"


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An interval from `low` to `high`, in percent; that of a difference in points."""

    low: float
    high: float


def units_with(sums_U3K: NDArray[np.float64]) -> list[int]:
    """Return by class the number of units that hold true pixels of it, of sums (U, 3, K)."""
    return [int(number) for number in (sums_U3K[:, 1] > 0).sum(axis=0)]


def t_interval(
    value: float,
    drawn: Sequence[tuple[NDArray[np.float64], int]],
    level: float = LEVEL,
    *,
    limits: tuple[float, float] = (-math.inf, math.inf),
) -> Interval | None:
    """Return the interval `value +- t * SE` of a score or of a difference.

    Every source of chance is resampled by itself: units, and seeds where a mean is over seeds. A source of n units adds
    `variance over resamples * n / (n - 1)` to SE^2, with n - 1 degrees of freedom; those of all sources together are
    Satterthwaite's. With one source this is `t * SE * sqrt(n / (n - 1))` with n - 1 degrees of freedom.

    Args:
        value: The score or difference over all units.
        drawn: Of each source the values over its resamples (NaN where a resample has none), and the number of units
            that it draws. Sources of one unit have no spread and add nothing.
        level: The level of the interval, in (0, 1).
        limits: The lowest and the highest value that there can be.

    Returns:
        None where the value is NaN, or no source has two units and two resamples with a value.
    """
    variances, freedoms = [], []
    for values_R, number in drawn:
        defined_R = values_R[~np.isnan(values_R)]
        if number > 1 and defined_R.size > 1:
            variances.append(float(defined_R.var()) * number / (number - 1))
            freedoms.append(number - 1)
    if math.isnan(value) or not variances:
        return None
    total = sum(variances)
    parts = sum(variance**2 / freedom for variance, freedom in zip(variances, freedoms, strict=True))
    half = t_quantile(level, total**2 / parts) * math.sqrt(total) if parts > 0 else 0.0
    low, high = limits
    return Interval(low=max(low, value - half), high=min(high, value + half))


@lru_cache(maxsize=1024)
def t_quantile(level: float, freedom: float) -> float:
    """Return t such that a share `level` of Student's distribution lies between -t and t.

    Args:
        level: In (0, 1).
        freedom: Degrees of freedom, 1 or more; need not be whole.
    """
    # With t = sqrt(freedom) tan(angle), the density over the angle is cos(angle)^(freedom - 1): it has no tails.
    angles = np.linspace(0.0, math.pi / 2, 200_001)
    density = np.cos(angles) ** (freedom - 1)
    share = np.cumsum(density[1:] + density[:-1])
    return math.sqrt(freedom) * math.tan(float(np.interp(level, share / share[-1], angles[1:])))
