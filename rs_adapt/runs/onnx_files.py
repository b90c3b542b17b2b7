"""ONNX models of `rs-adapt export`: what they state about themselves, without the packages of ONNX. Loads no torch.

A file is a message of protobuf, ModelProto, whose fields follow each other. The entry `rs_adapt` of its metadata is the
last one, appended to what the exporter wrote, and has the SHA-256 of all before it.

Sources: onnx.proto of onnx 1.23 (numbers of the fields), protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from rs_adapt import limits
from rs_adapt.disk import require_regular
from rs_adapt.documents import DocumentError, parse_json
from rs_adapt.errors import CheckpointMismatch
from rs_adapt.files import file_sha256
from rs_adapt.runs.records import FORMAT, OnnxFacts
from rs_adapt.validation import parse_as

ONNX_SUFFIX = ".onnx"
ENTRY = "rs_adapt"
_EXPORT = "rs-adapt export RUN --format onnx"
_AGAIN = f"Copy it again, or export it again with {_EXPORT}."
# Fields of ModelProto, and of an entry of its metadata.
_GRAPH, _METADATA = 7, 14
_KEY, _VALUE = 1, 2
# Kinds of fields: number of variable length, 8 bytes, length and content, 4 bytes.
_VARINT, _FIXED_64, _CONTENT, _FIXED_32 = 0, 1, 2, 5
_LONGEST_VARINT = 10
# Exported models have about 20 fields on the top level.
_MOST_FIELDS = 10_000
_CHUNK_BYTES = 1 << 22


@dataclass(frozen=True, kw_only=True)
class OnnxContent:
    """The bytes of an ONNX model.

    Attributes:
        sha256: SHA-256 of the file, and of the tensors beside it if there are any.
        is_changed: Whether a different program has written the graph since the export.
    """

    sha256: str
    is_changed: bool


@dataclass(frozen=True, kw_only=True)
class _Field:
    """A field of a message: its number, its first byte, the first byte of its content, and the byte after it."""

    number: int
    start: int
    content: int
    stop: int


class _Damaged(Exception):
    """Raised when a file is no message of protobuf; the text is a phrase for a sentence."""


def is_onnx(path: Path) -> bool:
    """Return whether a path names an ONNX model by its ending, and not a folder."""
    return path.suffix.lower() == ONNX_SUFFIX and not path.is_dir()


def append_facts(file: Path, facts: OnnxFacts) -> None:
    """Append an entry with facts to the metadata of an ONNX model that has none.

    Args:
        file: The model as the exporter wrote it.
        facts: The facts, with those of this file as it is now.
    """
    text = json.dumps({"format": FORMAT} | facts.content(), allow_nan=False)
    pair = b"".join(_encode(number, value.encode()) for number, value in ((_KEY, ENTRY), (_VALUE, text)))
    with file.open("ab") as target:
        target.write(_encode(_METADATA, pair))


def read_onnx_facts(path: Path) -> OnnxFacts:
    """Return what an ONNX model states about itself; the graph is not read.

    Raises:
        CheckpointMismatch: There is no such file, it is damaged or of a newer format, or `rs-adapt export` has not
            written it.
    """
    if not path.exists():
        raise CheckpointMismatch(f"{path} does not exist. Name an ONNX model that {_EXPORT} wrote.")
    _, text = _read_entry(path)
    try:
        content = parse_json(text)
    except DocumentError as error:
        raise _damaged(path, f"its entry {ENTRY} cannot be read: {error}") from error
    number = content.get("format", FORMAT) if isinstance(content, dict) else FORMAT
    if isinstance(number, int) and number > FORMAT:
        raise CheckpointMismatch(f"{path} has format {number}, this version reads format {FORMAT}. Update rs-adapt.")
    return parse_as(OnnxFacts, content, file=f"{path} (metadata)", error=CheckpointMismatch, remedy=_AGAIN)


def check_onnx_content(path: Path, facts: OnnxFacts) -> OnnxContent:
    """Compare the bytes of an ONNX model with its facts.

    A graph of the exported size with other bytes is damaged; one of a different size was written by a program that
    changes models, such as a quantizer.

    Raises:
        CheckpointMismatch: The file or that of its tensors is missing or damaged.
    """
    entry, _ = _read_entry(path)
    whole, graph = hashlib.sha256(), hashlib.sha256()
    with path.open("rb") as file:
        for start, stop in ((0, entry.start), (entry.start, entry.stop), (entry.stop, path.stat().st_size)):
            file.seek(start)
            while (here := file.tell()) < stop and (chunk := file.read(min(_CHUNK_BYTES, stop - here))):
                whole.update(chunk)
                if start != entry.start:
                    graph.update(chunk)
    graph_bytes = path.stat().st_size - (entry.stop - entry.start)
    is_changed = graph_bytes != facts.graph.bytes
    if not is_changed and graph.hexdigest() != facts.graph.sha256:
        raise _damaged(path, "its SHA-256 is not that of the export")
    if facts.data is None:
        return OnnxContent(sha256=whole.hexdigest(), is_changed=is_changed)
    data = path.with_name(facts.data.file)
    if not data.is_file():
        raise CheckpointMismatch(f"{path} has its tensors in {data.name}, which is not beside it. Copy both files.")
    if file_sha256(data) != facts.data.sha256:
        raise _damaged(data, "its SHA-256 is not that of the export")
    return OnnxContent(sha256=f"{whole.hexdigest()}+{facts.data.sha256}", is_changed=is_changed)


def _read_entry(path: Path) -> tuple[_Field, bytes]:
    """Return the entry `rs_adapt` of a file's metadata: its place in the file, and its value."""
    entries: list[tuple[_Field, bytes]] = []
    try:
        require_regular(path)
        has_graph = False
        with path.open("rb") as file:
            for field in _fields(file, path.stat().st_size):
                has_graph |= field.number == _GRAPH
                if field.number == _METADATA and (value := _value_of(file, field)) is not None:
                    entries.append((field, value))
        if not has_graph:
            raise _Damaged("it holds no graph")
        if len(entries) > 1:
            raise _Damaged(f"its metadata has the entry {ENTRY} twice")
    except _Damaged as reason:
        raise _damaged(path, str(reason)) from reason
    except OSError as error:
        raise CheckpointMismatch(f"{path} cannot be read: {error.strerror or error}.") from error
    if not entries:
        raise CheckpointMismatch(
            f"{path} does not state bands, stretch and classes: it was not written by rs-adapt, or a program has "
            f"removed its metadata. Name a model that {_EXPORT} wrote."
        )
    return entries[0]


def _value_of(file: BinaryIO, field: _Field) -> bytes | None:
    """Return the value of an entry of the metadata if it is the one looked for."""
    if field.stop - field.content > limits.RECORD_BYTES:
        raise _Damaged("an entry of its metadata is too large")
    file.seek(field.content)
    pair = file.read(field.stop - field.content)
    parts = {part.number: pair[part.content : part.stop] for part in _fields(io.BytesIO(pair), len(pair))}
    return parts.get(_VALUE, b"") if parts.get(_KEY) == ENTRY.encode() else None


def _fields(file: BinaryIO, size: int) -> Iterator[_Field]:
    """Yield the fields of a message that fills a file of `size` bytes; the file may be moved in between."""
    start = 0
    for _ in range(_MOST_FIELDS):
        if start == size:
            return
        file.seek(start)
        tag = _read_varint(file)
        kind = tag & 7
        if kind == _VARINT:
            content = file.tell()
            _read_varint(file)
            stop = file.tell()
        elif kind == _CONTENT:
            length = _read_varint(file)
            content = file.tell()
            stop = content + length
        elif kind in (_FIXED_64, _FIXED_32):
            content = file.tell()
            stop = content + (8 if kind == _FIXED_64 else 4)
        else:
            raise _Damaged(f"byte {start + 1} begins no field of protobuf")
        if stop > size:
            raise _Damaged("it is cut off")
        yield _Field(number=tag >> 3, start=start, content=content, stop=stop)
        start = stop
    raise _Damaged(f"it has more than {_MOST_FIELDS} fields")


def _read_varint(file: BinaryIO) -> int:
    value = 0
    for position in range(_LONGEST_VARINT):
        byte = file.read(1)
        if not byte:
            raise _Damaged("it is cut off")
        value |= (byte[0] & 0x7F) << (7 * position)
        if byte[0] < 0x80:
            return value
    raise _Damaged("a number in it is too long")


def _encode(number: int, content: bytes) -> bytes:
    """Return a field with content."""
    return _varint(number << 3 | _CONTENT) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    parts = []
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def _damaged(path: Path, reason: str) -> CheckpointMismatch:
    return CheckpointMismatch(f"{path} is no ONNX model, or damaged: {reason}. {_AGAIN}")
