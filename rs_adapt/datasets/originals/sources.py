"""Files of a source as they are shipped: in folders, in zips, and in zips within zips."""

from __future__ import annotations

import io
import os
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import IO, Any

from rs_adapt import limits
from rs_adapt.errors import DataError, DataNotFound
from rs_adapt.zips import check_member

_LOCAL_HEADER_BYTES = 30
# What zipfile raises for damaged archives. RuntimeError: encrypted; NotImplementedError: a version or a kind of
# compression that Python lacks; struct.error: a header that is cut off.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, struct.error, ValueError)


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A zip: a file, or `num_bytes` of a file from `start` on (a zip that lies uncompressed within another)."""

    disk: Path
    start: int = 0
    num_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class Original:
    """A file of a source.

    Attributes:
        path: Below the source, with archives as folders and "/" between.
        num_bytes: Size of the file, unpacked.
        disk: The file; None for one in an archive.
        archive: The zip that holds it; None for a file on disk.
        member: Name of the file in the zip.
        crc: CRC-32 of the file in the zip.
    """

    path: str
    num_bytes: int
    disk: Path | None = None
    archive: Archive | None = None
    member: str = ""
    crc: int | None = None


@dataclass
class Archives:
    """Open zips, kept open for the next file; use it as a context manager."""

    _open: dict[Archive, tuple[zipfile.ZipFile, IO[bytes]]] = field(default_factory=dict)

    def __enter__(self) -> Archives:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close all."""
        for archive, file in self._open.values():
            archive.close()
            file.close()
        self._open.clear()

    def get(self, archive: Archive) -> zipfile.ZipFile:
        """Open a zip, or return it if it is open.

        Raises:
            DataError: It is no zip, or is cut off.
        """
        if archive not in self._open:
            file: IO[bytes] = archive.disk.open("rb")
            if archive.num_bytes is not None:
                file = io.BufferedReader(_Window(file, archive.start, archive.num_bytes))
            try:
                self._open[archive] = (zipfile.ZipFile(file), file)
            except (*_DAMAGE, OSError) as error:
                file.close()
                raise DataError(
                    f"{archive.disk} cannot be read as a zip ({error}): it is damaged or incomplete, fetch it again."
                ) from error
        return self._open[archive][0]

    @contextmanager
    def on_disk(self, original: Original, scratch: Path) -> Iterator[Path]:
        """Give a path of the file; one in an archive is unpacked into `scratch` for the time of the context.

        Raises:
            DataError: The archive is damaged or encrypted.
        """
        if original.disk is not None:
            yield original.disk
            return
        handle, name = tempfile.mkstemp(suffix=PurePosixPath(original.path).suffix, dir=scratch)
        try:
            with os.fdopen(handle, "wb") as copy:
                self.copy(original, copy)
            yield Path(name)
        finally:
            os.unlink(name)

    def copy(self, original: Original, target: IO[bytes]) -> None:
        """Unpack a file of an archive."""
        assert original.archive is not None
        try:
            archive = self.get(original.archive)
            # A zip within a zip is packed already.
            packed = archive.getinfo(original.member).compress_size
            is_zip = original.member.lower().endswith(".zip")
            most = max(limits.ZIP_SMALL_BYTES, 20 * packed) if is_zip else limits.ZIPPED_IMAGE_BYTES
            check_member(archive.getinfo(original.member), most=most, place=original.path, error=DataError)
            with _open(archive, original.member) as member:
                _copy(member, target)
        except (*_DAMAGE, KeyError) as error:
            raise DataError(
                f"{original.path} cannot be unpacked ({error}): fetch the archive again, or unpack it by other means."
            ) from error


def list_originals(source: Path, wanted: Callable[[str], bool], *, archives: Archives, scratch: Path) -> list[Original]:
    """Find the files of a source, also within zips and zips within zips, sorted by path.

    Zips that lie compressed within another are unpacked into `scratch`, and stay there if they hold a wanted file.

    Args:
        source: A folder, or a zip.
        wanted: Says of a path below the source (archives are folders) whether the file is of use.
        archives: Opens the zips.
        scratch: A folder for inner zips.

    Raises:
        DataNotFound: There is no such folder or file.
        DataError: A zip is damaged, or the source is a file of another kind.
    """
    if source.is_dir():
        return sorted(_in_folder(source, wanted, archives, scratch), key=lambda original: original.path)
    if not source.exists():
        raise DataNotFound(f"There is no source {source}: name the folder of the originals, or a zip, with --source.")
    if source.suffix.lower() != ".zip":
        raise DataError(f"The source {source} is neither a folder nor a zip: unpack it, and name the folder.")
    found = _in_archive(Archive(disk=source), source.name, wanted, archives, scratch)
    return sorted(found, key=lambda original: original.path)


def _in_folder(source: Path, wanted: Callable[[str], bool], archives: Archives, scratch: Path) -> Iterator[Original]:
    seen: set[str] = set()
    for folder, folders, files in os.walk(source, followlinks=True):
        # A link to a folder above would lead in circles. Hidden folders are no part of any data set.
        real = os.path.realpath(folder)
        folders[:] = [] if real in seen else sorted(name for name in folders if not name.startswith("."))
        files = [] if real in seen else files
        seen.add(real)
        for name in files:
            disk = Path(folder) / name
            path = disk.relative_to(source).as_posix()
            if name.lower().endswith(".zip") and not name.startswith("."):
                yield from _in_archive(Archive(disk=disk), path, wanted, archives, scratch)
            elif wanted(path):
                yield Original(path=path, num_bytes=disk.stat().st_size, disk=disk)


def _in_archive(
    archive: Archive, place: str, wanted: Callable[[str], bool], archives: Archives, scratch: Path
) -> Iterator[Original]:
    for member in archives.get(archive).infolist():
        if len(member.filename) > limits.PATH_CHARS:
            continue
        path = f"{place}/{member.filename}"
        original = Original(
            path=path, num_bytes=member.file_size, archive=archive, member=member.filename, crc=member.CRC
        )
        if PurePosixPath(member.filename).name.startswith("."):
            continue
        if member.filename.lower().endswith(".zip"):
            yield from _in_inner(original, member, wanted, archives, scratch)
        elif wanted(path):
            yield original


def _in_inner(
    inner: Original, member: zipfile.ZipInfo, wanted: Callable[[str], bool], archives: Archives, scratch: Path
) -> Iterator[Original]:
    outer = inner.archive
    assert outer is not None
    if member.compress_type == zipfile.ZIP_STORED and not member.flag_bits & 1:
        start = outer.start + _data_start(archives.get(outer), member)
        window = replace(outer, start=start, num_bytes=member.file_size)
        yield from _in_archive(window, inner.path, wanted, archives, scratch)
        return
    handle, name = tempfile.mkstemp(suffix=".zip", dir=scratch)
    with os.fdopen(handle, "wb") as copy:
        archives.copy(inner, copy)
    found = list(_in_archive(Archive(disk=Path(name)), inner.path, wanted, archives, scratch))
    if not found:
        os.unlink(name)
    yield from found


def _data_start(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> int:
    """Return the first byte of a member: behind its local header, whose name and extra field vary in length."""
    file: Any = archive.fp
    place = file.tell()
    try:
        file.seek(member.header_offset)
        header = file.read(_LOCAL_HEADER_BYTES)
        name_bytes, extra_bytes = struct.unpack("<HH", header[26:30])
    except (OSError, ValueError, struct.error) as error:
        raise DataError(
            f"{member.filename} within a zip cannot be found in it ({error}): the zip is damaged, fetch it again."
        ) from error
    finally:
        file.seek(place)
    return int(member.header_offset + _LOCAL_HEADER_BYTES + name_bytes + extra_bytes)


def _open(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    try:
        return archive.open(name)
    except OSError as error:
        # The directory names a place outside the file.
        raise zipfile.BadZipFile(str(error)) from error


def _copy(member: IO[bytes], target: IO[bytes]) -> None:
    """Copy all bytes; what the archive does not let through is damage, unlike what the target does not take."""
    while True:
        try:
            block = member.read(2**20)
        except OSError as error:
            raise zipfile.BadZipFile(str(error)) from error
        if not block:
            return
        target.write(block)


class _Window(io.RawIOBase):
    """A part of an open file, read as a file of its own."""

    def __init__(self, file: IO[bytes], start: int, num_bytes: int) -> None:
        self._file, self._start, self._num_bytes, self._place = file, start, num_bytes, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._num_bytes}[whence]
        self._place = max(0, base + offset)
        return self._place

    def readinto(self, buffer: Any) -> int:
        self._file.seek(self._start + self._place)
        chunk = self._file.read(min(len(buffer), max(0, self._num_bytes - self._place)))
        buffer[: len(chunk)] = chunk
        self._place += len(chunk)
        return len(chunk)

    def close(self) -> None:
        self._file.close()
        super().close()
