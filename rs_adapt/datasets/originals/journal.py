"""Records of the scenes that are cut: a line per scene while tiles are made, one file when all are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypedDict

from pydantic import BaseModel, ConfigDict

from rs_adapt.files import write_text

JOURNAL = "journal.jsonl"
MARKER = "prepared.json"
# Bump when the same originals would give other tiles.
FORMAT = 1


class TileFormat(TypedDict):
    """All that the tiles of a data set depend on besides the originals, as JSON holds it.

    `format` is the version of the cutting, `legend` pairs of RGB colour and label value (empty for labels that hold
    values), `tiles` the paths of image and label tiles.
    """

    format: int
    name: str
    tile_px: int
    stride_px: int
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
    source_bytes: tuple[int, int]
    size_px: tuple[int, int]
    num_tiles: int
    sha256: str
    off_legend: Mapping[str, int]

    @property
    def key(self) -> tuple[str | None, str, str]:
        """Return region, split and scene."""
        return (self.region, self.split, self.scene)


Records = dict[tuple[str | None, str, str], SceneRecord]


def read_marker(folder: Path) -> tuple[TileFormat, Records] | None:
    """Return the facts and scenes of a finished folder, or None where there is no such folder."""
    try:
        content = json.loads((folder / MARKER).read_text(encoding="utf-8"))
        return content["facts"], _by_key(content["scenes"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_marker(folder: Path, facts: TileFormat, records: Iterable[SceneRecord], *, missing: Iterable[str]) -> None:
    """Mark a folder as finished, and remove its journal."""
    scenes = sorted(records, key=lambda record: (record.region or "", record.split, record.scene))
    rows = ",\n".join(json.dumps(record.model_dump()) for record in scenes)
    head = f'"facts": {json.dumps(facts)},\n"missing": {json.dumps(list(missing))}'
    write_text(folder / MARKER, f'{{{head},\n"scenes": [\n{rows}\n]}}\n')
    (folder / JOURNAL).unlink(missing_ok=True)


def read_journal(folder: Path) -> tuple[TileFormat, Records] | None:
    """Return the facts and scenes of an unfinished folder; a truncated last line is skipped."""
    try:
        head, *lines = (folder / JOURNAL).read_text(encoding="utf-8").splitlines()
        facts = json.loads(head)
    except (OSError, ValueError):
        return None
    rows = []
    for line in lines:
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return facts, _by_key(rows)


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


def _by_key(rows: Iterable[object]) -> Records:
    records = map(SceneRecord.model_validate, rows)
    return {record.key: record for record in records}
