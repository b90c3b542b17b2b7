"""Gains of a way of training over several transfer pairs: mean, worst, how often it helps, and whether it harms.

A transfer pair is a bench with its direction: a labelled source and a target. Loads no torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import TypeAlias

from rs_adapt.scores.columns import Row
from rs_adapt.scores.gains import Gains, PairedGain
from rs_adapt.scores.groups import Group
from rs_adapt.scores.t_interval import LEVEL, Interval, t_quantile


@dataclass(frozen=True, kw_only=True)
class TransferGains:
    """The gains of one way of training over source-only training, each pair counting the same.

    Attributes:
        setting: `da`, `dg` or `ss`.
        row: The way of training.
        scoring: Protocol, checkpoint and weights that are scored, in words.
        benches: Names of the pairs, in the order of the report; two or more.
        gains: The gain on each pair, over the seeds that it shares with source-only training.
        interval: 95 % t interval of the mean gain, the pairs being the units: what a further pair of the same kind may
            be expected to add to.
        gap_closed_pct: Mean gain as a percentage of the mean gap to training on the target's labels, over the pairs
            that have both references; None without any, or where the mean gap is not above 0.
    """

    setting: str
    row: Row
    scoring: tuple[str, ...]
    benches: tuple[str, ...]
    gains: tuple[PairedGain, ...]
    interval: Interval
    gap_closed_pct: float | None

    @property
    def mean(self) -> float:
        """The mean gain over the pairs, points."""
        return mean(gain.value for gain in self.gains)

    @property
    def worst(self) -> tuple[str, float]:
        """The pair with the smallest gain, and that gain in points."""
        return min(zip(self.benches, (gain.value for gain in self.gains), strict=True), key=lambda pair: pair[1])

    @property
    def num_helped(self) -> int:
        """The number of pairs with a gain above 0."""
        return sum(gain.value > 0 for gain in self.gains)

    @property
    def harmed(self) -> tuple[str, ...]:
        """The pairs on which the whole interval of the gain lies below 0."""
        return tuple(
            bench
            for bench, gain in zip(self.benches, self.gains, strict=True)
            if gain.interval is not None and gain.interval.high < 0
        )


def summarize_transfer(groups: Sequence[Group], gains: Sequence[Gains]) -> list[TransferGains]:
    """Summarize the ways of training that were measured on two transfer pairs or more.

    Args:
        groups: The groups of a report.
        gains: Their gains, in the same order; see `gains_of`.

    Returns:
        One entry for each way of training, in the order in which it occurs first.
    """
    rows: dict[tuple[object, ...], list[_Member]] = {}
    for group, gain in zip(groups, gains, strict=True):
        if gain.over_source_only is not None:
            key = (group.column.setting, group.row, _scoring(group))
            rows.setdefault(key, []).append((group, gain.over_source_only, gain.gap_points))
    return [_summarize(members) for members in rows.values() if len({one.column.bench for one, _, _ in members}) > 1]


# A group, its gain, and the gap between its references in points, of one pair.
_Member: TypeAlias = tuple[Group, PairedGain, float | None]


def _scoring(group: Group) -> tuple[str, ...]:
    # Benches differ in their classes, which are the facts after these.
    return group.column.facts[:3]


def _summarize(members: Sequence[_Member]) -> TransferGains:
    first = members[0][0]
    values = [gain.value for _, gain, _ in members]
    half = t_quantile(LEVEL, len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return TransferGains(
        setting=first.column.setting,
        row=first.row,
        scoring=_scoring(first),
        benches=tuple(group.column.bench for group, _, _ in members),
        gains=tuple(gain for _, gain, _ in members),
        interval=Interval(low=mean(values) - half, high=mean(values) + half),
        gap_closed_pct=_share_closed(members),
    )


def _share_closed(members: Sequence[_Member]) -> float | None:
    """Return the mean gain over the mean gap of the pairs that have both references."""
    complete = [(gain.value, gap) for _, gain, gap in members if gap is not None]
    gap_points = sum(gap for _, gap in complete)
    return 100 * sum(gain for gain, _ in complete) / gap_points if gap_points > 0 else None
