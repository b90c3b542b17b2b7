"""Typed records of the files that rs-adapt writes into run folders and sweep folders. Loads no torch.

Every file is written from its record and read into it. A key that a record does not know is kept, so that a file of a
newer version survives being copied by an older one; a value of the wrong kind is refused.
"""

from rs_adapt.runs.records.bundle import BundleRecord, LeftOut
from rs_adapt.runs.records.calibration import (
    Calibration,
    ConfidenceBin,
    MeasuredReliability,
    Reliability,
    ReliabilityBin,
)
from rs_adapt.runs.records.cell import (
    CellNames,
    Environment,
    GitRevision,
    InitialisedFrom,
    PluginFacts,
    ResolverFacts,
    RunOptions,
    RunStart,
    TeacherFacts,
    TunedValues,
    with_origins,
)
from rs_adapt.runs.records.cost import (
    CostRecord,
    CostSetup,
    MethodCostRecord,
    RelativeCost,
    Times,
    TrainableParameters,
    UnmeasuredMethod,
)
from rs_adapt.runs.records.data import DataFacts, DataRecord, TileDigests, data_facts
from rs_adapt.runs.records.hashes import HashesRecord
from rs_adapt.runs.records.inspection import InspectedBlock, InspectedImage, InspectionRecord, MapSummary
from rs_adapt.runs.records.judgement import JudgementRecord
from rs_adapt.runs.records.manifest import (
    AveragedPack,
    BaseWeights,
    ImportOrigin,
    Manifest,
    ManifestScores,
    MergedAdapter,
    Normalisation,
    Sizes,
    TensorsFile,
)
from rs_adapt.runs.records.metrics import EvaluationLine, Health, MetricsLine, TrainingLine
from rs_adapt.runs.records.onnx import FileFacts, OnnxFacts
from rs_adapt.runs.records.record import FORMAT, Record, read_record, record_text, write_record
from rs_adapt.runs.records.result import (
    GroupScore,
    InferenceFacts,
    IntervalFacts,
    OpenVocabulary,
    ProtocolFacts,
    Result,
    SelectedCheckpoint,
)
from rs_adapt.runs.records.super_resolution import NetworkFacts
from rs_adapt.runs.records.sweep import PlannedCell, SkippedCell, SweepCellRecord, SweepPlan
from rs_adapt.runs.records.tuning import TunedCandidate, TunedChoice, TuningRecord

__all__ = [
    "FORMAT",
    "AveragedPack",
    "BaseWeights",
    "BundleRecord",
    "Calibration",
    "CellNames",
    "ConfidenceBin",
    "CostRecord",
    "CostSetup",
    "DataFacts",
    "DataRecord",
    "Environment",
    "EvaluationLine",
    "FileFacts",
    "GitRevision",
    "GroupScore",
    "HashesRecord",
    "Health",
    "ImportOrigin",
    "InferenceFacts",
    "InitialisedFrom",
    "InspectedBlock",
    "InspectedImage",
    "InspectionRecord",
    "IntervalFacts",
    "JudgementRecord",
    "LeftOut",
    "Manifest",
    "ManifestScores",
    "MapSummary",
    "MeasuredReliability",
    "MergedAdapter",
    "MethodCostRecord",
    "MetricsLine",
    "NetworkFacts",
    "Normalisation",
    "OnnxFacts",
    "OpenVocabulary",
    "PlannedCell",
    "PluginFacts",
    "ProtocolFacts",
    "Record",
    "RelativeCost",
    "Reliability",
    "ReliabilityBin",
    "ResolverFacts",
    "Result",
    "RunOptions",
    "RunStart",
    "SelectedCheckpoint",
    "Sizes",
    "SkippedCell",
    "SweepCellRecord",
    "SweepPlan",
    "TeacherFacts",
    "TensorsFile",
    "TileDigests",
    "Times",
    "TrainableParameters",
    "TrainingLine",
    "TunedCandidate",
    "TunedChoice",
    "TunedValues",
    "TuningRecord",
    "UnmeasuredMethod",
    "data_facts",
    "read_record",
    "record_text",
    "with_origins",
    "write_record",
]
