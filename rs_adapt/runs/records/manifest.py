"""`manifest.json` of an adapter pack: the model that its tensors belong to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import Field, JsonValue

from rs_adapt.runs.records.calibration import Calibration
from rs_adapt.runs.records.cell import (
    CellNames,
    Environment,
    InitialisedFrom,
    PluginFacts,
    ResolverFacts,
    TeacherFacts,
    TunedValues,
)
from rs_adapt.runs.records.data import DataFacts
from rs_adapt.runs.records.record import FORMAT, FormatNumber, Percent, PercentByClass, Record, Scored
from rs_adapt.runs.records.result import IntervalFacts, ProtocolFacts
from rs_adapt.runs.records.super_resolution import NetworkFacts


class BaseWeights(Record):
    """The frozen model that a pack was trained on."""

    name: str = Field(description="Name of the backbone.")
    sha256: str = Field(description="SHA-256 over its tensors.")
    weights: str | None = Field(default=None, description="File name of the weights, or `random`.")


class Normalisation(Record):
    """How images are normalised."""

    mean: Sequence[float] = Field(description="Of each band, on the scale 0 to 255.")
    std: Sequence[float] = Field(description="Of each band, on the scale 0 to 255.")
    bands: str = Field(default="RGB, 0-255", description="Order and range of the bands.")


class Sizes(Record):
    """Sizes in pixels."""

    tile_px: int = Field(description="Side of a tile.")
    crop_px: int = Field(description="Side of a training crop.")
    patch_px: int = Field(description="Side of a patch of the backbone.")


class TensorsFile(Record):
    """The file with the tensors of a pack."""

    file: str = Field(description="Name of the file, in the manifest's folder.")
    sha256: str = Field(description="SHA-256 of the file.")
    count: int | None = Field(default=None, description="Number of tensors.")
    bytes: int | None = Field(default=None, description="Size of the file.")


class ImportOrigin(Record):
    """The released checkpoint that a pack was imported from."""

    file: str = Field(description="Name of the file.")
    sha256: str = Field(description="SHA-256 of the file.")
    settings: Mapping[str, Mapping[str, JsonValue]] = Field(
        default={}, description="By key of the configuration: `value`, and in words where it is `from`."
    )


class MergedAdapter(Record):
    """The adapter that was folded into the base weights of a pack."""

    method: str = Field(description="Method of the adapter.")
    base: BaseWeights = Field(description="The base weights before the merge.")
    backbone_file_sha256: str = Field(description="SHA-256 of the file with the merged backbone.")
    largest_difference: float | None = Field(
        default=None,
        description="Largest difference that the merge makes to a feature of a random image, as a share of the largest "
        "feature; null where it was not measured.",
    )


class AveragedPack(Record):
    """A pack that went into the mean of several."""

    cell: CellNames = Field(description="Its experiment.")
    sha256: str = Field(description="SHA-256 of its file with the tensors.")
    share: float = Field(description="Its share of the mean, above 0; all add up to 1.")


class ManifestScores(Scored):
    """The scores of a pack's checkpoint; all null for an imported one that was not scored."""

    miou_pct: Percent = None
    harmonic_mean_pct: Percent = None
    base_pct: Percent = None
    novel_pct: Percent = None
    accuracy_pct: Percent = None
    aacc_pct: Percent = None
    macc_pct: Percent = None
    iou_pct: PercentByClass | None = None
    acc_pct: PercentByClass | None = None
    interval: IntervalFacts | None = Field(default=None, description="Of miou_pct.")
    headline: str | None = Field(default=None, description="How the checkpoint was selected.")
    iter: int | None = Field(default=None, description="Iterations done.")
    protocol: ProtocolFacts | None = Field(default=None, description="What was seen and scored.")


class Manifest(Record):
    """`manifest.json`: facts about a pack, without paths of the machine it was made on."""

    format: FormatNumber = FORMAT
    rs_adapt: str | None = Field(default=None, description="Version that made the pack.")
    created: str | None = Field(default=None, description="When, in ISO 8601 with UTC offset.")
    cell: CellNames = Field(description="Which experiment.")
    own_bench: Mapping[str, JsonValue] | None = Field(
        default=None, description="Content of the bench's TOML file; null for a shipped bench."
    )
    stretch: Mapping[str, Mapping[str, JsonValue]] | None = Field(
        default=None, description="By region, which scene values became 0 and 255; null for a shipped bench."
    )
    data: Mapping[str, DataFacts] = Field(
        default={}, description="Fingerprints of the tiles of the training run, by role."
    )
    notes: Sequence[str] = Field(default=(), description="Sentences that one has to know before trusting the scores.")
    tuned: TunedValues | None = Field(
        default=None, description="Tuned values that the pack was trained with; null where unrecorded."
    )
    plugins: Sequence[PluginFacts] = Field(default=(), description="Plugins that the method came from.")
    initialised_from: InitialisedFrom | None = Field(
        default=None, description="The run whose weights the training started from; null or missing for new ones."
    )
    teacher: TeacherFacts | None = Field(
        default=None, description="The run that the student learnt from (--teacher); null or missing for none."
    )
    resolver: ResolverFacts | None = Field(
        default=None, description="The model by which images are enlarged (bench.resolve); null or missing for none."
    )
    network: NetworkFacts | None = Field(
        default=None, description="The network of a run of super-resolution; null or missing for other runs."
    )
    overrides: Sequence[str] = Field(description="key=value texts, in the order in which they apply.")
    base: BaseWeights = Field(description="The frozen model that the pack was trained on.")
    classes: Sequence[str] = Field(description="Names in index order.")
    palette: Sequence[Sequence[int]] = Field(default=(), description="Red, green, blue (0 to 255) of each class.")
    ignore_index: int | None = Field(default=None, description="Label value of pixels that do not count.")
    reduce_zero_label: bool | None = Field(default=None, description="Whether label 0 means `no class`.")
    normalisation: Normalisation | None = Field(default=None, description="How images are normalised.")
    sizes: Sizes | None = Field(default=None, description="Sizes in pixels.")
    gsd_m: int | float | None = Field(
        default=None, description="Ground sampling distance in metres: as the bench states it, else of its own tiles."
    )
    gsd_matched: bool = Field(
        default=False, description="Whether a region was enlarged to `gsd_m`, so that maps resample scenes to it."
    )
    metrics: ManifestScores | None = Field(default=None, description="Scores of the checkpoint.")
    environment: Environment = Field(default=Environment(), description="Versions and machine.")
    imported: ImportOrigin | None = Field(
        default=None, description="The released checkpoint that the pack was imported from; null for a trained pack."
    )
    merged: MergedAdapter | None = Field(
        default=None, description="The adapter that was folded into the base weights; null for none."
    )
    averaged: Sequence[AveragedPack] = Field(
        default=(), description="The packs of which the tensors are the mean; empty for a trained pack."
    )
    calibration: Calibration | None = Field(
        default=None, description="The temperature of its probabilities; missing where none was fitted."
    )
    tensors: TensorsFile | None = Field(default=None, description="The file with the tensors; never null in a pack.")
