"""What a training run would use, found out before it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rs_adapt.runs.records import InitialisedFrom, ResolverFacts, TeacherFacts, TileDigests


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """The tiles, parameters and folder that a run would use.

    Attributes:
        tiles: Number of tiles by role: `labelled`, `unlabelled`, `val`, `source_val`, `label_free`, `test`.
        parameters: Number of parameters: `backbone`, `adapter`, `head`, `trainable`, `total`.
        folder: The run folder.
        digests: Digests of the tiles by role.
        notes: Sentences that one has to know before trusting the scores.
        initialised_from: The run whose weights it starts from; None for new ones.
        teacher: The run that it learns from; None for none.
        resolver: The model that enlarges its images; None for none.
    """

    tiles: Mapping[str, int]
    parameters: Mapping[str, int]
    folder: Path
    digests: Mapping[str, TileDigests]
    notes: tuple[str, ...] = ()
    initialised_from: InitialisedFrom | None = None
    teacher: TeacherFacts | None = None
    resolver: ResolverFacts | None = None
