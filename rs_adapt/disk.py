"""Failures of a disk: full, out of quota or inodes, read-only, file too large. Found behind the errors of libraries.

And paths that cannot be used: too long, without permission, links in a circle, folders in place of files.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rs_adapt.errors import ConfigError, RsAdaptError

_FREE = "Free some space."
# Characters of a path in a message.
_SHOWN = 200
# What happened, and what to do.
_FAILURES = {
    errno.ENOSPC: ("is full", _FREE),
    errno.EDQUOT: ("is full: the quota is used up", _FREE),
    errno.EFBIG: ("takes no larger file", "Raise the limit on the size of files (ulimit -f)."),
    errno.EROFS: ("is read-only", "Make it writable."),
    errno.EIO: ("fails with an input/output error", "Check the disk."),
}
_PATHS = {
    errno.ENAMETOOLONG: "is longer than a path may be here",
    errno.EACCES: "may not be read or written by you",
    errno.EPERM: "may not be changed by you",
    errno.ELOOP: "is a link that leads to itself",
    errno.ENOTDIR: "lies below a file, as if that was a folder",
    errno.EISDIR: "is a folder, not a file",
}
# Libraries in other languages pass on the text of the error alone.
_TEXTS = {os.strerror(number).lower(): number for number in _FAILURES}
_RUST = re.compile(r"\(os error (\d+)\)")


def find_disk_failure(error: BaseException) -> OSError | None:
    """Return the failure of a disk that an error stands for, or that caused it; None for any other error.

    Args:
        error: An error of Python, or of a library that wraps one (torch, safetensors, GDAL).
    """
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        if isinstance(current, OSError) and current.errno in _FAILURES:
            return current
        if (number := _number_in(str(current))) is not None:
            return OSError(number, os.strerror(number))
        current = current.__cause__ or current.__context__
    return None


def describe_disk_failure(failure: OSError, folder: Path) -> str:
    """Return one sentence about a failure of `find_disk_failure`, without a remedy.

    Args:
        failure: The failure.
        folder: The folder that was written to, where the failure names no file.
    """
    place = Path(failure.filename).parent if isinstance(failure.filename, str) else folder
    return f"The disk of {place} {_FAILURES[failure.errno or errno.ENOSPC][0]}."


def disk_remedy(failure: OSError) -> str:
    """Return what to do about a failure of `find_disk_failure`, as one sentence."""
    return _FAILURES[failure.errno or errno.ENOSPC][1]


def describe_path_failure(error: BaseException) -> str | None:
    """Return a sentence about a path that cannot be used, and a remedy; None for any other error."""
    if not isinstance(error, OSError) or error.errno not in _PATHS or not isinstance(error.filename, str | bytes):
        return None
    path = os.fsdecode(error.filename)
    shown = path if len(path) <= _SHOWN else f"{path[:_SHOWN]}... ({len(path)} characters)"
    return f"{shown} {_PATHS[error.errno]}. Give a different path, or change its permissions."


@contextmanager
def explain_tiles_disk(out_dir: Path) -> Iterator[None]:
    """Turn errors of the place that tiles are written to into one that says what to do; others pass."""
    try:
        yield
    except Exception as error:
        if isinstance(error, RsAdaptError):
            raise
        failure = find_disk_failure(error) or (error if isinstance(error, OSError) else None)
        home = out_dir.parent
        place = Path(failure.filename) if failure is not None and isinstance(failure.filename, str) else None
        is_place = place is not None and (place in (home, *home.parents) or home in place.parents)
        if failure is None or not (is_place or find_disk_failure(failure)):
            # Something that was to be read.
            raise
        raise ConfigError(
            f"Cannot write the tiles to {out_dir}: {failure.strerror}. Free some space there, or set RS_ADAPT_HOME to "
            "a folder that can be written to."
        ) from error


def _number_in(text: str) -> int | None:
    """Return the number of a disk's failure in a message; None if there is none."""
    if (match := _RUST.search(text)) is not None and int(match[1]) in _FAILURES:
        return int(match[1])
    lower = text.lower()
    return next((number for words, number in _TEXTS.items() if words in lower), None)


def require_regular(path: Path) -> None:
    """Refuse a pipe or a device in place of a file: reading it would wait, or never end.

    Raises:
        OSError: It is one, or there is no such file.
    """
    kind = path.stat().st_mode
    if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
        raise OSError(errno.EINVAL, "it is a pipe or a device, and no file", str(path))
