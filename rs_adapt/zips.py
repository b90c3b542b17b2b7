"""Zips from elsewhere, looked at before anything in them is unpacked: a few MiB of zeros may hold gigabytes."""

from __future__ import annotations

import zipfile
from pathlib import Path

from rs_adapt import limits
from rs_adapt.errors import RsAdaptError


def check_unpacked_size(path: Path, *, error: type[RsAdaptError], ratio: int = limits.ZIP_RATIO) -> None:
    """Refuse a zip whose files are together many times larger than it.

    Args:
        path: The file; one that is no zip passes.
        error: The class of the error to raise.
        ratio: Largest size of the files in proportion to the zip's.

    Raises:
        RsAdaptError: Of class `error`: it holds too much, or its directory is damaged.
    """
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as failure:
        raise error(f"{path} cannot be read as a zip ({failure}): copy it again.") from failure
    if size > max(limits.ZIP_SMALL_BYTES, ratio * path.stat().st_size):
        raise error(
            f"{path} unpacks to {size / 2**20:.0f} MiB, more than {ratio} times its size. It is not unpacked: copy it "
            "again from somebody you trust."
        )


def check_member(member: zipfile.ZipInfo, *, most: int, place: str, error: type[RsAdaptError]) -> None:
    """Refuse a file of a zip that is larger than its reader expects.

    Raises:
        RsAdaptError: Of class `error`; names the file and both sizes.
    """
    if member.file_size > most:
        raise error(
            f"{place}/{member.filename[:200]} unpacks to {member.file_size / 2**20:.0f} MiB, and "
            f"{most / 2**20:.0f} MiB are allowed. Unpack it by other means if you trust it."
        )
