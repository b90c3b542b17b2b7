"""`tuning.json` in the folder of a sweep: the settings that a statistic without target labels chose."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from rs_adapt.runs.records.record import FORMAT, FormatNumber, Record
from rs_adapt.runs.records.sweep import SkippedCell


class TunedCandidate(Record):
    """A setting of a sweep: its cells over all seeds."""

    setting: str = Field(description="Line of its cells, without the seed.")
    folders: Sequence[str] = Field(description="Folders of its cells, relative to the sweep's.")
    seeds: Sequence[int] = Field(description="Their seeds.")
    iters: Sequence[int] = Field(description="Iteration of each cell's reported checkpoint.")
    value: float = Field(description="Mean of the statistic over the cells.")


class TunedChoice(Record):
    """The choice among settings that were measured on the same images."""

    images: str = Field(description="Bench, and region and split of the images, none of whose labels was read.")
    statistic: str = Field(description="The statistic that chose.")
    chosen: str = Field(description="`setting` of the candidate with the best value.")
    candidates: Sequence[TunedCandidate] = Field(description="All that were compared, the best first.")


class TuningRecord(Record):
    """`tuning.json`: for each target, the setting of a sweep that a statistic without labels favours."""

    format: FormatNumber = FORMAT
    sweep: str = Field(default="", description="Name of the sweep.")
    choices: Sequence[TunedChoice] = Field(default=(), description="One for each set of images.")
    left_out: Sequence[SkippedCell] = Field(default=(), description="Settings that were not compared, and why.")
