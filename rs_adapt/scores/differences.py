"""Differences of two runs as they are printed. Loads no torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from rs_adapt.scores.intervals import Difference
from rs_adapt.scores.rounding import pair, plain

if TYPE_CHECKING:
    from pydantic import JsonValue


@dataclass(frozen=True, kw_only=True)
class RoundedDifference:
    """B minus A in points of IoU, its interval, and the percentage of resamples above 0; None where undefined."""

    points: float | None
    low: float | None
    high: float | None
    share_above_pct: float | None


@dataclass(frozen=True, kw_only=True)
class ClassDifference:
    """The IoU of a class in both runs in percent, and their difference; and whether the class is in the mean."""

    a_pct: float | None
    b_pct: float | None
    difference: RoundedDifference
    in_mean: bool

    def to_json(self) -> dict[str, JsonValue]:
        """Return the class as `rs-adapt compare --json` prints it."""
        return {"a_pct": self.a_pct, "b_pct": self.b_pct, **asdict(self.difference), "in_mean": self.in_mean}


def rounded(difference: Difference) -> RoundedDifference:
    """Return a difference as it is printed: 3 digits, None where undefined."""
    share = difference.share_above
    return RoundedDifference(
        points=plain(difference.points),
        **pair(difference.interval),
        share_above_pct=None if share is None else plain(100.0 * share),
    )
