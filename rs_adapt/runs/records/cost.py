"""`cost.json`: costs of methods, measured side by side on the same work."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from rs_adapt.runs.records.cell import Environment
from rs_adapt.runs.records.record import FORMAT, FormatNumber, Record


class CostSetup(Record):
    """The work that all methods of a comparison did, and the machine that they did it on."""

    format: FormatNumber = FORMAT
    bench: str = Field(description="Name of the bench.")
    setting: str = Field(description="da, dg or ss.")
    backbone: str = Field(description="The foundation model.")
    head: str = Field(description="The decode head.")
    weights: str = Field(description="File name of the base weights, or `random`.")
    tuned: bool = Field(description="Whether values that a method tunes for this bench and setting were used.")
    overrides: Sequence[str] = Field(description="key=value texts, for all methods.")
    batch_size: int = Field(description="Crops in an iteration, and in a prediction.")
    crop_px: int = Field(description="Side of a crop in pixels.")
    precision: str = Field(description="fp32 or bf16.")
    rounds: int = Field(description="Number of timed rounds.")
    warmup: int = Field(description="Number of untimed rounds before them.")
    memory: str = Field(description="What `memory_bytes` counts, in words.")
    environment: Environment = Field(description="Versions and machine.")


class Times(Record):
    """Times of a method in milliseconds; in each round, every method is timed once."""

    median: float = Field(description="Median of the rounds.")
    q1: float = Field(description="First quartile.")
    q3: float = Field(description="Third quartile.")
    rounds: Sequence[float] = Field(description="The time of each round.")


class TrainableParameters(Record):
    """Numbers of trainable parameters."""

    backbone: int = Field(description="Those of the adapter, or of all the backbone for the method `full`.")
    head: int = Field(description="Those of the decode head.")


class RelativeCost(Record):
    """Costs as multiples of those of the frozen backbone."""

    parameters: float = Field(description="Trainable parameters of backbone and head together.")
    pack_bytes: float = Field(description="Size of the adapter pack.")
    memory_bytes: float = Field(description="Memory of a training iteration.")
    train_ms: float = Field(description="Median time of a training iteration.")
    infer_ms: float = Field(description="Median time of a prediction.")


class MethodCostRecord(Record):
    """The measured costs of one method."""

    method: str = Field(description="Name of the method.")
    parameters: TrainableParameters = Field(description="Numbers of trainable parameters.")
    pack_bytes: int = Field(description="Size of the tensor file of the adapter pack.")
    memory_bytes: int = Field(description="Memory of a training iteration; `memory` says what is counted.")
    train_ms: Times = Field(description="Milliseconds of a training iteration.")
    infer_ms: Times = Field(description="Milliseconds of a prediction of the same crops.")
    relative: RelativeCost = Field(description="The costs as multiples of those of the frozen backbone.")
    non_dominated: bool = Field(
        description="Whether no other method beats it in both trainable backbone parameters and time per iteration."
    )


class UnmeasuredMethod(Record):
    """A method that does not work in this comparison."""

    method: str = Field(description="Name of the method.")
    reason: str = Field(description="Why it was left out.")


class CostRecord(CostSetup):
    """`cost.json`: a comparison of methods; the first one is the frozen backbone, the reference."""

    methods: Sequence[MethodCostRecord] = Field(description="The measured methods.")
    not_measured: Sequence[UnmeasuredMethod] = Field(default=(), description="The methods that were left out.")
    finished: str = Field(description="When, in ISO 8601 with UTC offset.")
