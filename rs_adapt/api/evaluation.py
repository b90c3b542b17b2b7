"""The result of scoring a trained model on a split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rs_adapt.runs.records import Result
    from rs_adapt.scores.agreement import Agreement


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Scores of a trained model on a split.

    Attributes:
        name: Bench, split, method and backbone in one line.
        folder: Where the files are.
        result: Content of `result.json`.
        agreement: Whether the scores agree with those that the run stored; None where it stored none.
        others: Results of the other evaluations below `eval/` by folder, such as those in other precisions.
    """

    name: str
    folder: Path
    result: Result
    agreement: Agreement | None = None
    others: Mapping[Path, Result] = field(default_factory=dict)
