"""`bundle.json`: what is in a bundle of `rs-adapt share`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import Field

from rs_adapt.runs.records.record import FORMAT, FormatNumber, Record


class LeftOut(Record):
    """A file of the run folder that a bundle does not hold."""

    file: str = Field(description="Path, relative to the run folder.")
    reason: str = Field(description="Why.")


class BundleRecord(Record):
    """`bundle.json`: the first file of a bundle, written by `rs-adapt share`."""

    format: FormatNumber = FORMAT
    rs_adapt: str = Field(description="Version that made the bundle.")
    files: Mapping[str, str] = Field(description="SHA-256 in hexadecimal of every other file of the bundle, by path.")
    rewritten: Sequence[str] = Field(
        default=(), description="Files whose paths of a machine were replaced, so that their hashes are new."
    )
    left_out: Sequence[LeftOut] = Field(default=(), description="What of the run folder is not in the bundle.")
