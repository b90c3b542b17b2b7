"""Names and relative paths from settings and files, checked where they become part of a path.

A received pack, a sweep or a bench's file may name anything; nobody's name may lead out of the folder it is put into.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path, PurePosixPath, PureWindowsPath

from rs_adapt import limits
from rs_adapt.errors import ConfigError, RsAdaptError

# Of one name and of a whole path, on Linux; that of the folder is left some room.
_PART_BYTES, _PATH_BYTES = 255, 3500
# Separators, drives and streams of Windows, wildcards, and what shells and file systems treat specially.
_RESERVED = frozenset('/\\:*?"<>|')


def path_name(name: str, *, what: str, error: type[RsAdaptError] = ConfigError) -> str:
    """Return a name unchanged if it can stand for one file or folder inside a folder.

    Args:
        name: The name, such as that of a bench.
        what: What it names, for the message, such as `bench.family`.
        error: The class of the error to raise.

    Raises:
        RsAdaptError: Of class `error`: the name is empty, too long, leads elsewhere, or holds characters that are not
            allowed in file names everywhere.
    """
    if fault := _fault(name):
        raise error(
            f"{what} is {name[:80]!r}, which {fault}. It becomes the name of a folder or file: use letters, digits, "
            "'_', '-' and '.', beginning with a letter or digit."
        )
    return name


def path_below(folder: Path, relative: str, *, what: str, error: type[RsAdaptError] = ConfigError) -> Path:
    """Return the path that a relative one means in a folder, if it cannot lead out of it.

    Args:
        folder: The folder.
        relative: Folders and names with `/` between, such as `rural/train/img_dir`.
        what: What it names, for the message.
        error: The class of the error to raise.

    Raises:
        RsAdaptError: Of class `error`: the path is absolute, or leads upwards.
    """
    if fault := relative_fault(relative):
        raise error(f"{what} is {relative[:200]!r}, which {fault}. Give a path below {folder}.")
    return folder / relative


def relative_fault(relative: str) -> str | None:
    """Return why a relative path may lead out of the folder that it belongs to; None if it does not."""
    if "\0" in relative:
        return "holds a zero character"
    windows = PureWindowsPath(relative)
    if relative.startswith(("/", "\\", "~")) or windows.drive or windows.root:
        return "is not relative"
    parts = PurePosixPath(relative).parts
    if ".." in parts or ".." in windows.parts:
        return "leads out of its folder"
    longest = max((len(part.encode(errors="replace")) for part in parts), default=0)
    if longest > _PART_BYTES or len(relative.encode(errors="replace")) > _PATH_BYTES:
        return "is longer than file systems allow"
    return None


def _fault(name: str) -> str | None:
    if not name:
        return "is empty"
    if len(name.encode(errors="replace")) > limits.NAME_BYTES:
        return f"is longer than {limits.NAME_BYTES} bytes"
    if reserved := sorted(_RESERVED & set(name)):
        return f"holds {' '.join(reserved)}"
    if any(unicodedata.category(character)[0] == "C" for character in name):
        return "holds characters that cannot be printed"
    if name[0] in ".-~" or name[-1] in ". " or name[0] == " ":
        return "begins or ends with a sign that has a meaning of its own in paths"
    return None
