"""Records of the scenes that are cut: a line per scene while tiles are made, one file when all are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypedDict, cast

from pydantic import BaseModel, ConfigDict, JsonValue, NonNegativeInt, PositiveInt, ValidationError

from rs_adapt.documents import DocumentError, parse_json, read_bytes
from rs_adapt.files import write_text

JOURNAL = "journal.jsonl"
MARKER = "prepared.json"
# Bump when the same originals would give other tiles.
FORMAT = 1


class TileFormat(TypedDict):
    """All that the tiles of a data set depend on besides the originals, as JSON holds it.

    `format` is the version of the cutting, `tile_px` and `stride_px` are None for whole images, `legend` holds pairs of
    RGB colour, or original value, and label value (empty for labels whose values stay), `tiles` the paths of image and
    label tiles.
    """

    format: int
    name: str
    tile_px: int | None
    stride_px: int | None
    bands: list[str]
    label_values: list[int]
    legend: list[list[Any]]
    ignore_value: int
    tiles: list[str]


class SceneRecord(BaseModel):
    """A scene that is cut.

    Attributes:
        region: Region of its part; None where the data set has one region.
        split: Split of its part.
        scene: Name of the scene.
        source_bytes: Sizes of image and label as they were read: other files are cut again.
        size_px: Width and height.
        num_tiles: Number of image tiles, which is that of label tiles.
        sha256: Hash over names and bytes of its tiles.
        off_legend: Pixels by colour ("r,g,b") of the label that are not in the legend.
    """

    model_config = ConfigDict(frozen=True)

    region: str | None
    split: str
    scene: str
    source_bytes: tuple[NonNegativeInt, NonNegativeInt]
    size_px: tuple[PositiveInt, PositiveInt]
    num_tiles: NonNegativeInt
    sha256: str
    off_legend: Mapping[str, NonNegativeInt]

    @property
    def key(self) -> tuple[str | None, str, str]:
        """Return region, split and scene."""
        return (self.region, self.split, self.scene)


class _Marker(BaseModel):
    """The content of `prepared.json`."""

    facts: dict[str, JsonValue]
    missing: Sequence[str] = ()
    scenes: Sequence[SceneRecord]


Records = dict[tuple[str | None, str, str], SceneRecord]


def read_marker(folder: Path) -> tuple[TileFormat, Records] | None:
    """Return the facts and scenes of a finished folder, or None where there is no such folder."""
    try:
        content = _Marker.model_validate(parse_json(read_bytes(folder / MARKER)))
    except (OSError, ValueError):
        return None
    return _as_format(content.facts), {record.key: record for record in content.scenes}


def write_marker(folder: Path, facts: TileFormat, records: Iterable[SceneRecord], *, missing: Iterable[str]) -> None:
    """Mark a folder as finished, and remove its journal."""
    scenes = sorted(records, key=lambda record: (record.region or "", record.split, record.scene))
    rows = ",\n".join(json.dumps(record.model_dump()) for record in scenes)
    head = f'"facts": {json.dumps(facts)},\n"missing": {json.dumps(list(missing))}'
    write_text(folder / MARKER, f'{{{head},\n"scenes": [\n{rows}\n]}}\n')
    (folder / JOURNAL).unlink(missing_ok=True)


def read_journal(folder: Path) -> tuple[TileFormat, Records] | None:
    """Return the facts and scenes of an unfinished folder; lines that are cut off or damaged are skipped."""
    try:
        head, *lines = read_bytes(folder / JOURNAL).splitlines()
        facts = parse_json(head)
    except (OSError, ValueError):
        return None
    if not isinstance(facts, dict):
        return None
    records = []
    for line in lines:
        # Its scene is cut again.
        with suppress(DocumentError, ValidationError):
            records.append(SceneRecord.model_validate(parse_json(line)))
    return _as_format(facts), {record.key: record for record in records}


class Journal:
    """The journal of an unfinished folder: rewritten at the start, then extended; use it as a context manager."""

    def __init__(self, folder: Path, facts: TileFormat, records: Iterable[SceneRecord]) -> None:
        lines = [json.dumps(facts), *(json.dumps(record.model_dump()) for record in records)]
        # Killed in between, the old journal is still whole.
        write_text(folder / JOURNAL, "".join(f"{line}\n" for line in lines))
        self._file = (folder / JOURNAL).open("a", encoding="utf-8")

    def __enter__(self) -> Journal:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._file.close()

    def add(self, record: SceneRecord) -> None:
        """Append a scene whose tiles are all written."""
        self._file.write(json.dumps(record.model_dump()) + "\n")
        self._file.flush()


def _as_format(facts: dict[str, Any]) -> TileFormat:
    """Return facts as they were read; they are only compared with those of now, so any content will do."""
    return cast("TileFormat", facts)
