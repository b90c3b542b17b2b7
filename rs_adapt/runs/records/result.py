"""`result.json`: what a finished run, or `rs-adapt eval`, scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import Field, model_validator

from rs_adapt.config.facts import AbsentClasses
from rs_adapt.runs.records.calibration import MeasuredReliability
from rs_adapt.runs.records.cell import CellNames, Environment, InitialisedFrom, RunOptions, TeacherFacts, TunedValues
from rs_adapt.runs.records.data import DataFacts
from rs_adapt.runs.records.record import (
    FORMAT,
    Decibels,
    FormatNumber,
    PathBelow,
    Percent,
    PercentByClass,
    Record,
    Scored,
)


class IntervalFacts(Record):
    """The interval of an mIoU."""

    low: Percent = None
    high: Percent = None
    form: str = Field(
        default="percentile",
        description="How the ends follow from the resamples: `t` (mIoU plus and minus t standard errors), or, in "
        "results of version 0.1.0, `percentile`.",
    )
    level: float = Field(default=0.95, description="Of the interval, between 0 and 1.")
    unit: str = Field(default="image", description="What was drawn: scene or image.")
    units: int = Field(default=0, description="Number of units with a counted pixel.")
    resamples: int = Field(default=0, description="How often all units were drawn.")
    seed: int = Field(default=0, description="Seed of the draws.")
    rough: bool = Field(default=False, description="Whether there are fewer than 10 units.")


class InferenceFacts(Record):
    """How tiles are predicted."""

    mode: str | None = Field(default=None, description="whole or slide.")
    crop_px: int | None = Field(default=None, description="Side of a sliding window.")
    stride_px: int | None = Field(default=None, description="Distance between sliding windows.")
    resize_px: int | None = Field(default=None, description="Side that tiles are resized to first; null for none.")
    tta: str | None = Field(
        default=None, description="Views whose probabilities are averaged: flips, d4 or scales; null for none."
    )


class ProtocolFacts(Record):
    """What was seen of the target, what was scored, and how the checkpoint was selected."""

    name: str | None = Field(default=None, description="Name of the protocol.")
    version: int | None = Field(default=None, description="Version of the protocol.")
    report_split: str | None = Field(
        default=None, description="Region and split of the scores, such as `south test`; null where nothing is scored."
    )
    scored_by: str | None = Field(default=None, description="`this run`, or `server`.")
    unlabelled_split: str | None = Field(
        default=None, description="Region and split of the target images seen in training; null for none."
    )
    target_crops: str | None = Field(default=None, description="How crops of the target are drawn.")
    selection: str | None = Field(default=None, description="How the checkpoint was selected.")
    weights: str | None = Field(default=None, description="student or teacher.")
    label_free: str | None = Field(default=None, description="The statistic that selects without labels.")
    inference: InferenceFacts | str | None = Field(
        default=None, description="How tiles are predicted; in a protocol's own file the mode alone."
    )
    classes: str | Sequence[str] | None = Field(default=None, description="Classes in the mean, as for --classes.")
    classes_scored: Sequence[str] = Field(default=(), description="Names of the classes in the mean.")
    absent_classes: AbsentClasses | None = Field(
        default=None,
        description="What a class without true pixels counts: left_out of the mean, or zero_if_predicted, as in "
        "mmsegmentation. Null in results of version 0.1.0, whose numbers followed the latter.",
    )


class GroupScore(Record):
    """The mIoU of some classes, and its interval."""

    classes: Sequence[str] = Field(default=(), description="Names of the classes of the group that are scored.")
    miou_pct: Percent = None
    interval: IntervalFacts | None = Field(default=None, description="Of miou_pct.")


class OpenVocabulary(Record):
    """The two scores whose harmonic mean is the score of a run of the setting `ov`."""

    seen: GroupScore = Field(description="Classes with labels in training.")
    unseen: GroupScore = Field(description="Classes of which training knew neither labels nor names.")


class SelectedCheckpoint(Scored):
    """A checkpoint that one way of selecting names, and its score."""

    iter: int = Field(description="Iterations done.")
    by: str = Field(default="", description="What decided, in words.")
    value: float | None = Field(
        default=None, description="The number that decided: mIoU in percent, or a statistic from 0 to 1."
    )
    target_labels: bool = Field(default=False, description="Whether labels of the target decided.")
    miou_pct: Percent = None
    harmonic_mean_pct: Percent = None
    accuracy_pct: Percent = None
    psnr_db: Decibels = None
    pack: PathBelow | None = Field(default=None, description="Folder of the adapter pack, relative to the run folder.")
    confusions: PathBelow | None = Field(default=None, description="File of the matrices, relative to the run folder.")


class Result(Scored):
    """`result.json`: the scores on the reported split, and how they were obtained.

    `rs-adapt eval` writes `trained_on`, `tiles`, `confusions` and `pack_sha256`; a training run writes `options`,
    `headline`, `iter` and all from `selections` on that is not among these. Both write `data` and `notes`.
    """

    format: FormatNumber = FORMAT
    status: str = Field(default="finished", description="finished.")
    cell: CellNames = Field(description="Which experiment; of `rs-adapt eval` the one that was scored.")
    trained_on: CellNames | None = Field(default=None, description="The cell that the pack was trained with.")
    tuned: TunedValues | None = Field(default=None, description="Tuned values of the run; null where unrecorded.")
    options: RunOptions = Field(default=RunOptions(), description="What the run was started with.")
    protocol: ProtocolFacts = Field(default=ProtocolFacts(), description="What was seen and scored.")
    precision: str | None = Field(
        default=None, description="Precision of the scoring, fp32 or bf16; null where unrecorded."
    )
    tiles: int | None = Field(default=None, description="Number of scored tiles.")
    data: Mapping[str, DataFacts] = Field(
        default={}, description="Fingerprints of the tiles by role; of `rs-adapt eval` by the scored split."
    )
    notes: Sequence[str] = Field(default=(), description="Sentences that one has to know before trusting the score.")
    miou_pct: Percent = None
    harmonic_mean_pct: Percent = None
    base_pct: Percent = None
    novel_pct: Percent = None
    accuracy_pct: Percent = None
    aacc_pct: Percent = None
    macc_pct: Percent = None
    open_vocabulary: OpenVocabulary | None = Field(
        default=None,
        description="In the setting ov the mIoU of seen and of unseen classes. miou_pct, everywhere in this file, is "
        "their harmonic mean there (hIoU). Missing in other settings.",
    )
    classes_in_mean: Sequence[str] | None = Field(
        default=None,
        description="Names of the classes that miou_pct is the mean of: the scored ones that have a value. Null in "
        "results of version 0.1.0.",
    )
    iou_pct: PercentByClass = Field(default={})
    acc_pct: PercentByClass = Field(default={})
    psnr_db: Decibels = None
    measures: Mapping[str, Mapping[str, float | int | None]] = Field(
        default={},
        description="Of super-resolution: each measure's `mean` over snapshots, the ends `low` and `high` of its 95 % "
        "interval, and the number of `snapshots`.",
    )
    initialised_from: InitialisedFrom | None = Field(
        default=None, description="The run whose weights the training started from; null or missing for new ones."
    )
    teacher: TeacherFacts | None = Field(
        default=None, description="The run that the student learnt from (--teacher); null or missing for none."
    )
    headline: str | None = Field(default=None, description="The selection whose checkpoint the scores are of.")
    iter: int | None = Field(default=None, description="Iterations done at that checkpoint.")
    reliability: Mapping[str, MeasuredReliability] = Field(
        default={},
        description="How far confidence and accuracy agree, by split: test, val or source_val. A training run measures "
        "its scored split and the source's validation tiles of its evaluations. Missing in older results.",
    )
    interval: IntervalFacts | None = Field(default=None, description="Of miou_pct; null where nothing is scored.")
    selections: Mapping[str, SelectedCheckpoint | None] = Field(
        default={},
        description="last, guarded, best_source_val, best_label_free and oracle; null where it names none. Older "
        "results have no guarded.",
    )
    confusions: PathBelow | None = Field(default=None, description="File of the matrices, relative to this file.")
    pack_sha256: str | None = Field(default=None, description="SHA-256 of the scored adapter.safetensors.")
    pack_source: str | None = Field(
        default=None,
        description="The scored pack on the Hugging Face Hub, hf:OWNER/NAME@COMMIT; missing for a local one.",
    )
    last_val_miou_pct: Percent = None
    last_val_score_pct: Percent = Field(
        default=None, description="Of classification, the score of the last evaluation, in percent."
    )
    iters: int | None = Field(default=None, description="Length of the training in iterations.")
    parameters: Mapping[str, int] = Field(
        default={}, description="Number of parameters: backbone, adapter, head, trainable, total."
    )
    train_s: float | None = Field(
        default=None, description="Seconds of training with its evaluations; null for a run that was resumed."
    )
    iter_s_median: float | None = Field(default=None, description="Median seconds of an iteration.")
    memory_mib_peak: int | None = Field(default=None, description="Peak memory of the GPU in MiB; null on a CPU.")
    finished: str | None = Field(default=None, description="When, in ISO 8601 with UTC offset.")
    environment: Environment = Field(default=Environment(), description="Versions and machine.")

    @model_validator(mode="after")
    def _is_of_a_selection(self) -> Result:
        if self.headline is not None and self.selections and self.headline not in self.selections:
            raise ValueError(f"headline is {self.headline[:40]!r}. Allowed: {', '.join(self.selections)}")
        return self
