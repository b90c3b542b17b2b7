"""List files: one line an image, with its label."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from rs_adapt.errors import DataError, DataNotFound

# First cells of a line that names the columns.
_HEADINGS = frozenset({"image", "images", "img", "path", "file", "filename", "input"})
_SEPARATORS = ("\t", ";", ",")


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of a list: an image, its label if the line names one, and the image's name without ending."""

    image: Path
    label: Path | None
    name: str


def read_list(file: Path) -> list[Row]:
    """Read a list of images, or of images and labels.

    A line holds the image and, after a comma, semicolon, tab or space, its label. Paths are relative to the folder of
    the list. Empty lines, lines that start with `#` and a line of headings (`image,label`) are left out.

    Raises:
        DataNotFound: There is no such file, or an image or label that it lists does not exist.
        DataError: The file is no text in UTF-8, or a line has more than two columns.
    """
    if not file.is_file():
        raise DataNotFound(f"There is no list of images {file}: check the path.")
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read ({error}): a list of images is a text file in UTF-8.") from error
    rows: list[Row] = []
    for number, line in enumerate(lines, start=1):
        cells = _cells(line.strip(), file.parent)
        if not cells or (not rows and cells[0].lower() in _HEADINGS):
            continue
        if len(cells) > 2:
            raise DataError(f"{file}, line {number}: {len(cells)} columns; allowed are two, the image and its label.")
        image, *label = (_path(cell, file.parent) for cell in cells)
        for what, path in zip(("image", "label"), (image, *label), strict=False):
            if not os.path.lexists(path):
                raise DataNotFound(
                    f"{file}, line {number}: there is no {what} {path}. Paths are relative to the folder of the list."
                )
        try:
            name = image.relative_to(file.parent)
        except ValueError:
            name = image.relative_to(image.anchor)
        parts = [part for part in name.with_suffix("").parts if part != ".."]
        rows.append(Row(image=image, label=label[0] if label else None, name=str(PurePosixPath(*parts))))
    return rows


def _cells(line: str, folder: Path) -> list[str]:
    if not line or line.startswith("#"):
        return []
    separator = next((sign for sign in _SEPARATORS if sign in line), None)
    if separator is not None:
        cells = next(csv.reader([line], delimiter=separator, skipinitialspace=True))
    else:
        # A name may hold spaces.
        cells = [line] if os.path.exists(_path(line, folder)) else line.split()
    return [cell.strip() for cell in cells if cell.strip()]


def _path(text: str, folder: Path) -> Path:
    path = folder / text
    # Unlike that of Path, this `exists` is False for a text that can be no name.
    return path if os.path.exists(path) or "\\" not in text else folder / text.replace("\\", "/")
