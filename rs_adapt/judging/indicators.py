"""Indicators without labels: which way each points, and what it cannot tell."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rs_adapt.judging.evidence import ModelEvidence

Side = Literal["run", "against", "neither"]
# Smaller differences are no difference.
LEAST_DIFFERENCE = 0.005


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of indicator.

    Attributes:
        title: Name in tables.
        larger_is_better: Whether the larger value is taken as the better one.
        limits: What it cannot tell, as a sentence.
    """

    title: str
    larger_is_better: bool
    limits: str


KINDS: Mapping[str, Kind] = {
    "confidence": Kind(
        title="mean confidence",
        larger_is_better=True,
        limits="The mean of the largest class probability. A model that is sure and wrong is confident, too.",
    ),
    "entropy": Kind(
        title="mean entropy",
        larger_is_better=False,
        limits="Low where the model is sure. Self-training lowers it whether its pseudo-labels are right or not.",
    ),
    "info_max": Kind(
        title="information maximisation",
        larger_is_better=True,
        limits="High for a model that is sure in each place and gives different classes to different places. It does "
        "not see whether they are the right ones.",
    ),
    "density": Kind(
        title="neighbourhood density",
        larger_is_better=True,
        limits="High if predictions lie in few dense groups (Saito et al. 2021). Highest for a model that gives one "
        "class to everything.",
    ),
    "share_distance": Kind(
        title="distance of class shares from the source",
        larger_is_better=False,
        limits="Half the sum of the differences between the predicted class shares and the true ones of the source. "
        "Wrong as a guide where the target truly has other shares.",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Indicator:
    """An indicator of both models.

    Attributes:
        name: Its name, a key of `KINDS`.
        run: Value of RUN, 0 to 1.
        against: Value of AGAINST, 0 to 1.
    """

    name: str
    run: float
    against: float

    @property
    def kind(self) -> Kind:
        """Its title, direction and limits."""
        return KINDS[self.name]

    @property
    def favours(self) -> Side:
        """The model whose value is better by at least `LEAST_DIFFERENCE`."""
        gain = self.run - self.against if self.kind.larger_is_better else self.against - self.run
        if abs(gain) < LEAST_DIFFERENCE:
            return "neither"
        return "run" if gain > 0 else "against"


def indicator_values(model: ModelEvidence, source: Sequence[float] | None) -> dict[str, float]:
    """Return the indicators of a model by name; those that cannot be computed are left out.

    Args:
        model: Its evidence.
        source: True class shares of the source; None where they are not known.
    """
    values = {
        "confidence": model.confidence,
        "entropy": model.entropy,
        "info_max": model.info_max,
        "density": model.density,
    }
    if source is not None:
        values["share_distance"] = share_distance(model.class_shares, source)
    return {name: value for name, value in values.items() if not math.isnan(value)}


def share_distance(shares: Sequence[float], others: Sequence[float]) -> float:
    """Return the total variation distance of two lists of shares, 0 (equal) to 1 (no class in common)."""
    return sum(abs(share - other) for share, other in zip(shares, others, strict=True)) / 2


def compare_indicators(
    run: ModelEvidence, against: ModelEvidence, source: Sequence[float] | None
) -> tuple[Indicator, ...]:
    """Return the indicators that both models have."""
    of_run, of_against = indicator_values(run, source), indicator_values(against, source)
    return tuple(
        Indicator(name=name, run=of_run[name], against=of_against[name])
        for name in KINDS
        if name in of_run and name in of_against
    )
