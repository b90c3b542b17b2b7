"""The types of a report's JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue

    from rs_adapt.reports.csv import RunRow


class MiouContent(TypedDict):
    """Mean mIoU of a group in percent, lowest and highest seed, and the ends of the interval of the mean."""

    mean: float | None
    lowest: float | None
    highest: float | None
    low: float | None
    high: float | None


class GainContent(TypedDict):
    """A gain over a reference, with its interval and the gains of single seeds; None for a seed without a value."""

    value: float
    low: float | None
    high: float | None
    seeds: list[int]
    by_seed: list[float | None]


class GroupContent(TypedDict):
    """The runs that differ in their seeds alone, scored in one way.

    `tuned` tells whether values tuned for the bench were used, `tuned_values` which, and `tuned_chosen` on what they
    were chosen. `identity` is a hash of all that changes the result but the seed, empty where that is not known;
    `differs` says how the group differs from others of the same name.
    """

    bench: str
    setting: str
    method: str
    strategy: str
    backbone: str
    head: str
    tuned: bool
    tuned_values: Mapping[str, JsonValue]
    tuned_chosen: str | None
    identity: str
    differs: str
    overrides: list[str]
    protocol: str
    split: str
    seen: str
    seeds: list[int]
    miou_pct: MiouContent
    over_source_only: GainContent | None
    gap_closed_pct: GainContent | None
    over_frozen: GainContent | None
    best: bool


class TransferContent(TypedDict):
    """The gains of one way of training over several transfer pairs, in points; `harmed` names pairs that it harms."""

    setting: str
    method: str
    strategy: str
    backbone: str
    head: str
    overrides: list[str]
    differs: str
    scoring: str
    mean_gain: float
    low: float
    high: float
    gap_closed_pct: float | None
    gains: dict[str, float]
    harmed: list[str]


class DamageContent(TypedDict):
    """A file or folder that cannot be read, and the reason."""

    place: str
    why: str


class ReportContent(TypedDict):
    """A whole report: rows of runs, groups over seeds, and everything that was left out."""

    places: list[str]
    runs: list[RunRow]
    groups: list[GroupContent]
    transfer: list[TransferContent]
    damaged: list[DamageContent]
    remarks: list[str]
