"""Scores and intervals as JSON holds them: three digits, None where there is no value."""

from __future__ import annotations

import math
from typing import TypedDict

from rs_adapt.scores.t_interval import Interval


def plain(value: float) -> float | None:
    """Return a number as JSON: 3 digits, None for NaN."""
    return round(float(value), 3) if math.isfinite(value) else None


class Limits(TypedDict):
    """The limits of an interval, rounded; None without an interval."""

    low: float | None
    high: float | None


def pair(interval: Interval | None) -> Limits:
    """Return the limits of an interval as JSON."""
    return {
        "low": None if interval is None else plain(interval.low),
        "high": None if interval is None else plain(interval.high),
    }
