"""Lists of images with captions: CSV, TSV and JSON lines with paths, and tars of pairs. Loads no torch."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rs_adapt.datasets.captions.pictures import ImagePlace
from rs_adapt.documents import DocumentError, parse_json
from rs_adapt.errors import DataError, DataNotFound
from rs_adapt.path_names import path_below

# The second names are those of open_clip's lists.
_IMAGE, _CAPTION, _NEGATIVES = ("image", "filepath"), ("caption", "title"), "negatives"
_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_LINE_CHARS = 100_000
# CLIP reads a text as far as its first end: what stands behind one would be lost without a word.
_MARKS = ("<|startoftext|>", "<|endoftext|>")
LISTS = (*_DELIMITERS, ".jsonl")


@dataclass(frozen=True, kw_only=True)
class CaptionRecord:
    """A caption of an image.

    Attributes:
        key: Name of the sample in its list: line or pair. Draws depend on it.
        image: Where the image is.
        caption: The caption, not empty.
        negatives: Captions that do not fit the image; None where the list has none.
        place: File and line, for messages.
    """

    key: str
    image: ImagePlace
    caption: str
    negatives: tuple[str, ...] | None
    place: str


def read_list(path: Path, images: Path) -> list[CaptionRecord]:
    """Return the captions of a CSV, TSV or JSON lines file.

    Each line names an image (`image` or `filepath`, a path below `images`) and a caption (`caption` or `title`), and
    may have `negatives`: a list of texts, which in CSV and TSV is written as JSON. Other columns are not read. An image
    may have several captions, each on a line of its own.

    Args:
        path: The file, UTF-8; CSV and TSV have a line of names first.
        images: Folder of the images.

    Raises:
        DataNotFound: The file or an image is missing.
        DataError: The file is damaged, an image has no caption, or a path leads out of the folder; names the line.
    """
    if not path.is_file():
        raise DataNotFound(f"There is no list of captions {path}. Allowed: a file of {', '.join(LISTS)}.")
    if path.suffix.lower() not in LISTS:
        raise DataError(f"{path} is no list of captions. Allowed: {', '.join(LISTS)}, or tars of pairs.")
    rows = _json_lines(path) if path.suffix.lower() == ".jsonl" else _table(path, _DELIMITERS[path.suffix.lower()])
    records = [_record(row, images, number=number, path=path) for number, row in rows]
    if not records:
        raise DataError(f"{path} has no captions: give one image with its caption a line.")
    return records


def text_fault(caption: object) -> str | None:
    """Return why a value is no caption; None if it is one."""
    if not isinstance(caption, str) or not caption.strip():
        return "has no caption"
    if "\0" in caption:
        return "has a zero character in its caption"
    mark = mark_in(caption)
    return f"has CLIP's own mark {mark} in its caption" if mark else None


def mark_in(text: str) -> str | None:
    """Return CLIP's own mark of a text's start or end that a text holds, after which CLIP reads no more of it."""
    return next((mark for mark in _MARKS if mark in text), None)


def negatives_of(value: object, *, place: str) -> tuple[str, ...] | None:
    """Return the negatives of a line: a list of texts; None, or an empty text, where there are none.

    Raises:
        DataError: It is something else.
    """
    if value is None or value == "":
        return None
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise DataError(f"{place}: negatives are {str(value)[:80]!r}; give a list of texts, in CSV written as JSON.")
    return tuple(value)


def _record(row: Mapping[str, Any], images: Path, *, number: int, path: Path) -> CaptionRecord:
    place = f"{path}, line {number}"
    relative = next((row[name] for name in _IMAGE if row.get(name)), None)
    if not isinstance(relative, str):
        raise DataError(f"{place}: there is no image: give its path below {images} as {_IMAGE[0]}.")
    caption = next((row[name] for name in _CAPTION if row.get(name)), None)
    if fault := text_fault(caption):
        raise DataError(
            f"{place}: the image {relative[:200]} {fault}. Give one as {_CAPTION[0]}, or leave the line out."
        )
    image = path_below(images, relative, what=f"{place}: the image", error=DataError)
    if not image.is_file():
        raise DataNotFound(f"{place}: there is no image {image}. Check captions.images, the folder of the paths.")
    return CaptionRecord(
        key=f"{relative}#{number}",
        image=ImagePlace(path=image),
        caption=str(caption),
        negatives=negatives_of(row.get(_NEGATIVES), place=place),
        place=place,
    )


def _table(path: Path, delimiter: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter=delimiter, strict=True)
            _check_columns(path, reader.fieldnames or ())
            for row in reader:
                place = f"{path}, line {reader.line_num}"
                if None in row or None in row.values():
                    raise DataError(f"{place} has not as many fields as there are columns: quote fields with commas.")
                negatives = row.get(_NEGATIVES)
                parsed = _parse(negatives, place) if negatives else None
                yield reader.line_num, {**row, _NEGATIVES: parsed}
    except (UnicodeDecodeError, csv.Error) as failure:
        raise DataError(f"{path} cannot be read as a table in UTF-8: {failure}.") from failure


def _check_columns(path: Path, names: Sequence[str]) -> None:
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise DataError(f"{path} has two columns {twice[:80]!r}: remove one, or rename it.")
    for wanted in (_IMAGE, _CAPTION):
        if not set(wanted) & set(names):
            raise DataError(
                f"{path} has the columns {', '.join(names)[:200] or '(none)'}, and none is named {' or '.join(wanted)}."
            )


def _json_lines(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            number = 0
            while line := file.readline(_LINE_CHARS + 1):
                number += 1
                place = f"{path}, line {number}"
                if len(line) > _LINE_CHARS:
                    raise DataError(f"{place} is longer than {_LINE_CHARS} characters.")
                if not line.strip():
                    continue
                row = _parse(line, place)
                if not isinstance(row, dict):
                    raise DataError(f'{place} is no object: write {{"image": ..., "caption": ...}}.')
                yield number, row
    except UnicodeDecodeError as failure:
        raise DataError(f"{path} cannot be read as UTF-8: {failure}.") from failure


def _parse(text: str, place: str) -> Any:
    try:
        return parse_json(text)
    except DocumentError as failure:
        raise DataError(f"{place}: {text[:80]!r} cannot be read as JSON: {failure}.") from failure
