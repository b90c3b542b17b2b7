"""Which choices are worth a look where less is better in several respects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def non_dominated(points: Mapping[str, Sequence[float]]) -> list[str]:
    """Names of the points that no other point beats, in their order.

    A point beats another if it is nowhere larger and somewhere smaller; equal points do not beat each other.

    Args:
        points: Costs by name, the same number of them for each.
    """
    return [
        name
        for name, point in points.items()
        if not any(_beats(other, point) for rival, other in points.items() if rival != name)
    ]


def _beats(one: Sequence[float], other: Sequence[float]) -> bool:
    pairs = list(zip(one, other, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)
