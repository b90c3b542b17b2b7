"""The types of `cost.json`."""

from __future__ import annotations

from typing import TypedDict


class CostSetup(TypedDict):
    """The work and the machine of a comparison, the same for all methods."""

    bench: str
    setting: str
    backbone: str
    head: str
    weights: str
    tuned: bool
    overrides: list[str]
    batch_size: int
    crop_px: int
    precision: str
    rounds: int
    warmup: int
    memory: str
    environment: dict[str, object]


class Times(TypedDict):
    """Times of a method in milliseconds: median and quartiles of the rounds, and each round."""

    median: float
    q1: float
    q3: float
    rounds: list[float]


class Parameters(TypedDict):
    """Numbers of trainable parameters."""

    backbone: int
    head: int


class RelativeCost(TypedDict):
    """Costs as multiples of the frozen backbone's."""

    parameters: float
    pack_bytes: float
    memory_bytes: float
    train_ms: float
    infer_ms: float


class CostRow(TypedDict):
    """The measured costs of one method."""

    method: str
    parameters: Parameters
    pack_bytes: int
    memory_bytes: int
    train_ms: Times
    infer_ms: Times
    relative: RelativeCost
    non_dominated: bool


class NotMeasured(TypedDict):
    """A method that does not work in this comparison."""

    method: str
    reason: str


class CostContent(CostSetup):
    """A whole comparison; the first of `methods` is the frozen backbone, the reference."""

    methods: list[CostRow]
    not_measured: list[NotMeasured]
    finished: str
