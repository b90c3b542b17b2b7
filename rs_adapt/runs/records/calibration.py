"""The temperature of a pack: how it was fitted, and how well probabilities agree with the share that is right."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from rs_adapt.runs.records.record import Percent, Record


class ReliabilityBin(Record):
    """The pixels whose confidence, the largest probability, lies in a range."""

    pixels: int = Field(description="Number of pixels.")
    confidence_pct: Percent = Field(default=None, description="Mean confidence; null without pixels.")
    accuracy_pct: Percent = Field(default=None, description="Share that is right; null without pixels.")


class Reliability(Record):
    """How confidence and accuracy agree."""

    ece_pct: float = Field(description="Expected calibration error: mean distance of the two over the pixels, percent.")
    nll: float = Field(description="Mean negative log-likelihood of the true class, in nats.")
    bins: Sequence[ReliabilityBin] = Field(description="Ranges of equal width, from 0 to 1.")


class ConfidenceBin(Record):
    """The pixels whose confidence, the largest probability, lies in a range, as sums."""

    pixels: int = Field(description="Number of pixels.")
    right: int = Field(description="Number of them whose class is right.")
    confidence: float = Field(description="Sum of their confidences, each from 0 to 1.")


class MeasuredReliability(Record):
    """An entry of `reliability` of a `result.json`: how confidence and accuracy agree on all labelled pixels."""

    split: str = Field(description="Region and split that it was measured on.")
    tiles: int = Field(description="Number of tiles.")
    temperature: float = Field(
        default=1.0, gt=0, description="What logits were divided by: that of a calibrated pack, else 1."
    )
    ece_pct: float = Field(description="Expected calibration error: mean distance of the two over the pixels, percent.")
    bins: Sequence[ConfidenceBin] = Field(description="Ranges of equal width, from 0 to 1.")


class Calibration(Record):
    """`calibration` of a manifest: the temperature that logits are divided by before they become probabilities."""

    temperature: float = Field(gt=0, description="Above 1 makes probabilities less sure.")
    split: str = Field(description="Region and split that it was fitted on.")
    tiles: int = Field(description="Number of tiles.")
    pixels: int = Field(description="Labelled pixels, spread evenly over each tile.")
    before: Reliability = Field(description="Without the temperature.")
    after: Reliability = Field(description="With it, on the same pixels.")
    precision: str | None = Field(default=None, description="fp32 or bf16.")
    rs_adapt: str | None = Field(default=None, description="Version that fitted it.")
    created: str | None = Field(default=None, description="When, in ISO 8601 with UTC offset.")
