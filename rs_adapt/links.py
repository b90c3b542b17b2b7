"""Symbolic links inside folders that somebody else may have packed: nothing is written through them.

A received run folder may hold a link named `eval` or `metrics.jsonl` that leads to any place of its reader. The folder
itself may be a link: its owner made that one.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from rs_adapt.errors import OutputExists


def place_inside(folder: Path, *names: str) -> Path:
    """Return the path of a file or folder below `folder`, where no part on the way to it is a link.

    Raises:
        OutputExists: A part is a link.
    """
    place = folder
    for name in names:
        place = place / name
        if place.is_symlink():
            raise _refusal(place)
    return place


def check_no_links(folder: Path) -> None:
    """Refuse a folder that holds links, at any depth, before its files are replaced or appended to.

    Raises:
        OutputExists: Names the first link.
    """
    for parent, folders, files in os.walk(folder):
        for name in sorted([*folders, *files]):
            if (place := Path(parent) / name).is_symlink():
                raise _refusal(place)


@contextmanager
def append_bytes(path: Path) -> Iterator[BinaryIO]:
    """Open a file to write at its end, and make it if it is not there; a link is not followed.

    Raises:
        OutputExists: It is a link.
    """
    with os.fdopen(open_unless_link(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "ab") as file:
        yield file


def open_unless_link(path: Path, flags: int) -> int:
    """Return the descriptor of a file that `os.open` opens with some flags; a link is not followed.

    Raises:
        OutputExists: It is a link.
    """
    try:
        return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK) or path.is_symlink():
            raise _refusal(path) from error
        raise


def _refusal(place: Path) -> OutputExists:
    return OutputExists(
        f"{place} is a link to {os.readlink(place)}. Nothing is written through links in a run folder, which may lead "
        "anywhere: delete it, or copy what it leads to in its place."
    )
