"""Lines of `metrics.jsonl`: a training line every few iterations, an evaluation line at each evaluation.

The file has the format of the run's `cell.json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from rs_adapt.runs.records.record import Decibels, Percent, PercentByClass, Record, Scored


class Health(Record):
    """Health of the pseudo-labels since the line before; see `rs_adapt.strategies.health`."""

    source_share: Mapping[str, float] = Field(default={}, description="Share of source pixels by class, 0 to 1.")
    teacher_share: Mapping[str, float] = Field(default={}, description="Share of the teacher's pixels, 0 to 1.")
    confidence: float | None = Field(default=None, description="Mean confidence of the teacher, 0 to 1.")
    weight: float | None = Field(default=None, description="Mean weight of a pseudo-label in the loss, 0 to 1.")
    agreement: float | None = Field(default=None, description="Share where student and teacher agree, 0 to 1.")
    alarm: str | None = Field(default=None, description="One sentence about a collapse; null for none.")


class TrainingLine(Record):
    """Means over the iterations since the previous line. Parts of the loss are fields with names of their own."""

    iter: int = Field(description="Iterations done, from 1.")
    lr: float | None = Field(default=None, description="Learning rate of the first parameter group.")
    loss: float | None = Field(default=None, description="The whole loss.")
    iter_s: float | None = Field(default=None, description="Seconds of an iteration.")
    memory_mib: int | None = Field(default=None, description="Peak memory of the GPU in MiB.")
    health: Health | None = Field(default=None, description="Of a strategy with pseudo-labels.")

    @property
    def parts(self) -> dict[str, float]:
        """The parts of the loss by name; they add up to `loss`."""
        return {name: value for name, value in (self.model_extra or {}).items() if isinstance(value, int | float)}

    def content(self) -> dict[str, Any]:
        """Return the line as it is written: parts of the loss after the loss, health at the end."""
        given = super().content()
        ends = {name: given.pop(name) for name in ("iter_s", "memory_mib", "health") if name in given}
        return given | ends


class PanelScores(Record):
    """Scores on labelled tiles."""

    miou_pct: Percent = None
    aacc_pct: Percent = None
    macc_pct: Percent = None
    iou_pct: PercentByClass = Field(default={})


class EvaluationLine(Scored):
    """Scores of an evaluation during training: of the target at the top, of other images in tables."""

    iter: int = Field(description="Iterations done.")
    miou_pct: Percent = None
    harmonic_mean_pct: Percent = None
    base_pct: Percent = None
    novel_pct: Percent = None
    accuracy_pct: Percent = None
    aacc_pct: Percent = None
    macc_pct: Percent = None
    iou_pct: PercentByClass = Field(default={})
    acc_pct: PercentByClass = Field(default={})
    psnr_db: Decibels = None
    source_val: PanelScores | None = Field(default=None, description="Scores on validation tiles of the source.")
    label_free: Mapping[str, float | None] | None = Field(
        default=None,
        description="Statistics that need no labels of these images, 0 to 1: info_max, entropy, agreement, "
        "info_max_calibrated, predicted_accuracy, prior_agreement, discriminant_agreement.",
    )


MetricsLine = TrainingLine | EvaluationLine
