"""`inspect.json`: what `rs-adapt inspect` measured inside a model on one image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import Field

from rs_adapt.runs.records.cell import CellNames
from rs_adapt.runs.records.record import FORMAT, FormatNumber, Record


class InspectedImage(Record):
    """The image, and the part of it that the model saw."""

    file: str = Field(description="Name of the image file.")
    size_px: Sequence[int] = Field(description="Width and height of the image in pixels.")
    box_px: Sequence[int] = Field(
        description="Left, top, right and bottom of the part that the model saw, in pixels; right and bottom excluded."
    )
    seen_px: Sequence[int] = Field(description="Width and height of the model's input with its padding, in pixels.")


class MapSummary(Record):
    """Mean and range of a map over the patches."""

    mean: float = Field(description="Mean over the patches.")
    min: float = Field(description="Smallest value.")
    max: float = Field(description="Largest value.")


class InspectedBlock(Record):
    """What an adapter changed in and after one block of the ViT."""

    block: int = Field(description="Index of the block, from 0.")
    update_norm: float = Field(
        description="Mean over the patches of |with - without| / |without|, the block's outputs with and without "
        "the adapter."
    )
    own_step: float = Field(
        description="Mean over the patches of |after - before| / |before| of the adapter's step after this block."
    )
    views: Mapping[str, MapSummary | Sequence[float]] = Field(
        default={}, description="What the adapter shows of itself, by name: a summary of a map, or a vector."
    )


class InspectionRecord(Record):
    """`inspect.json`: what was measured inside a model on one image."""

    format: FormatNumber = FORMAT
    cell: CellNames = Field(description="Which experiment the model is of.")
    precision: str | None = Field(default=None, description="fp32 or bf16; null in records of before.")
    adapter: str | None = Field(description="Class of the adapter; null for a method without one.")
    image: InspectedImage = Field(description="The image, and the part of it that the model saw.")
    grid_hw: Sequence[int] = Field(description="Rows and columns of the token grid.")
    predicted_share: Mapping[str, float] = Field(description="Share of the pixels predicted as each class, 0 to 1.")
    blocks: Sequence[InspectedBlock] = Field(
        default=(), description="Blocks in use, first to last; empty without an adapter."
    )
