"""`data.json`: the tiles that a run was started with, and the fingerprints of them in other records."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from pydantic import Field

from rs_adapt.runs.records.record import FORMAT, FormatNumber, Record

# By name of the tile: digests of image, label and mask, as far as the set has them.
TileDigests: TypeAlias = Mapping[str, Sequence[str]]


class DataFacts(Record):
    """The fingerprint of a set of tiles."""

    tiles: int = Field(description="Number of tiles.")
    sha256: str = Field(description="SHA-256 over names and pixels of images and labels, those that are read.")


class DataRecord(Record):
    """`data.json`: written when a run starts."""

    format: FormatNumber = FORMAT
    roles: Mapping[str, Mapping[str, Sequence[str]]] = Field(
        description="By role and name of the tile: digests of the pixels of its image, label and mask, 16 hex digits."
    )


def data_facts(digests: TileDigests) -> DataFacts:
    """Return the fingerprint of a set of tiles."""
    lines = (f"{name}\0{' '.join(digests[name])}\n" for name in sorted(digests))
    return DataFacts(tiles=len(digests), sha256=hashlib.sha256("".join(lines).encode()).hexdigest())
