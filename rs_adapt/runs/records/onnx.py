"""What an ONNX model of `rs-adapt export` states about itself, in the entry `rs_adapt` of its metadata."""

from __future__ import annotations

from pydantic import Field

from rs_adapt import limits
from rs_adapt.runs.records.manifest import Manifest
from rs_adapt.runs.records.record import FORMAT, FormatNumber, PathBelow, Record


class FileFacts(Record):
    """A file of the model as it was exported."""

    file: PathBelow = Field(description="Name of the file.")
    bytes: int = Field(description="Size.")
    sha256: str = Field(description="SHA-256.")


class OnnxFacts(Record):
    """All that a prediction needs beside the graph."""

    format: FormatNumber = FORMAT
    rs_adapt: str | None = Field(default=None, description="Version that exported the model.")
    manifest: Manifest = Field(description="The manifest of the pack that was exported.")
    merged: bool = Field(description="Whether the adapter was folded into the backbone's weights.")
    patch_px: int = Field(ge=1, le=limits.SIDE_PX, description="Side of a patch of the backbone.")
    tile_px: int = Field(ge=1, le=limits.SIDE_PX, description="Side of a tile.")
    dynamic: bool = Field(description="Whether tiles may have other sides, in steps of the patch.")
    least_px: int = Field(ge=1, le=limits.SIDE_PX, description="Smallest side of a tile.")
    graph: FileFacts = Field(description="The model's file without this entry.")
    data: FileFacts | None = Field(
        default=None, description="The file with the tensors beside it, of a model too large for one; else null."
    )
