"""Positions that are spread evenly over a list."""

from __future__ import annotations


def evenly_spread(total: int, count: int) -> list[int]:
    """`count` positions spread over 0 .. total - 1, in order; all of them if there are fewer."""
    count = min(count, total)
    return sorted({round((index + 0.5) * total / count - 0.5) for index in range(count)})
