"""Files and folders that are there complete or not at all, and what tells whether a file has changed.

Everything is written under a temporary name beside its target and renamed when it is complete. What a killed process
leaves under such a name is removed by the next one that writes the same target.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path

from rs_adapt.disk import find_disk_failure, require_regular
from rs_adapt.errors import ConfigError, OutputExists, RsAdaptError
from rs_adapt.leftovers import remove_leftovers, temporary_prefix


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Give an empty temporary file to write to; it becomes `path` at the end of the block.

    If the block raises, the temporary file is removed and `path` stays as it was. The folder of `path` must exist.
    The file gets the permissions of a newly made one, whatever the library that writes it asks for.

    Args:
        path: The file to make or to replace.

    Yields:
        The temporary file, in the same folder.
    """
    remove_leftovers(path)
    temporary = path.with_name(f"{temporary_prefix(path, 'new')}{time.monotonic_ns()}")
    try:
        temporary.touch(exist_ok=False)
        mode = temporary.stat().st_mode
        yield temporary
        temporary.chmod(mode)
        _flush(temporary)
        os.replace(temporary, path)
        flush_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def file_state(path: Path) -> tuple[int, int, int]:
    """Return what tells whether a file has changed: its size in bytes, and two times in ns.

    The second time is that of the last change of its state, which an edit that restores the time of modification does
    not restore.
    """
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, as 64 hex digits.

    Raises:
        OSError: The file cannot be read.
    """
    require_regular(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_file_or_geodatabase(path: Path) -> bool:
    """Return whether a path is a file, or a folder that is one to GDAL (a file geodatabase)."""
    return path.is_file() or (path.is_dir() and path.suffix.lower() == ".gdb")


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes to a file, complete or not at all."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write text to a file in UTF-8, complete or not at all."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: object, *, indent: int | None = 2) -> None:
    """Write JSON with a final line break to a file, complete or not at all.

    Args:
        path: The file to make or to replace.
        content: Mappings, sequences and plain values.
        indent: Spaces per level; None writes one line.

    Raises:
        ValueError: A number is NaN or infinite, which JSON does not know.
    """
    write_text(path, json.dumps(content, indent=indent, allow_nan=False) + "\n")


@contextmanager
def staged_files(folder: Path, names: Sequence[str]) -> Iterator[Path]:
    """Give a temporary folder; at the end of the block the named files move from it into `folder`, in this order.

    Other files in `folder` stay. A reader who finds the last of the files finds all of them.

    Args:
        folder: An existing folder.
        names: The files that the block writes.

    Yields:
        The temporary folder, inside `folder`.
    """
    place = folder / "files"
    remove_leftovers(place)
    with tempfile.TemporaryDirectory(dir=folder, prefix=temporary_prefix(place, "new")) as staging:
        yield Path(staging)
        for name in names:
            _flush(Path(staging) / name)
        for name in names:
            os.replace(Path(staging) / name, folder / name)
        flush_folder(folder)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder to fill; it becomes `path` at the end of the block, instead of what was there.

    If the block raises, the temporary folder is removed and `path` stays as it was. Missing parents are made.

    Args:
        path: The folder to make or to replace.

    Yields:
        The temporary folder, beside `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path)
    temporary = _temporary_folder(path, "new")
    try:
        yield temporary
        _move_folder(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_folder_atomically(
    out: Path, fill: Callable[[Path], object], *, overwrite: bool, own: Sequence[str] = ("*",)
) -> list[Path]:
    """Let a function write into a folder that appears complete or not at all.

    Files and folders that the command has not written are never deleted. Where there are some, the new files replace
    the old ones one by one, in the order of their names.

    Args:
        out: The folder that the user named with `--out`.
        fill: Called with an empty folder, to write the files into.
        overwrite: Replace the command's own files.
        own: Patterns of the names that the command writes into such a folder.

    Returns:
        The written paths in `out`, sorted.

    Raises:
        OutputExists: See `check_output_folder`.
        ConfigError: The place cannot be written to.
    """
    check_output_folder(out, overwrite=overwrite)
    temporary: Path | None = None
    others = [path for path in out.iterdir() if not _matches(path, own)] if out.is_dir() else []
    try:
        with _merged_folder(out, own) if others else atomic_folder(out) as temporary:
            fill(temporary)
            names = sorted(path.name for path in temporary.iterdir())
            for file in temporary.rglob("*"):
                if file.is_file() and not file.is_symlink():
                    _flush(file)
    except Exception as error:
        failure = find_disk_failure(error) or (error if isinstance(error, OSError) else None)
        if failure is None or isinstance(error, RsAdaptError):
            raise
        if temporary is not None and failure.filename is not None and temporary not in Path(failure.filename).parents:
            # Something that `fill` wanted to read.
            raise
        raise _cannot_write(out, failure) from error
    return [out / name for name in names]


@contextmanager
def _merged_folder(folder: Path, own: Sequence[str]) -> Iterator[Path]:
    """Give a temporary folder; at the end of the block its files replace those of `folder` that match `own`."""
    remove_leftovers(folder)
    temporary = _temporary_folder(folder, "new")
    try:
        yield temporary
        names = sorted(path.name for path in temporary.iterdir())
        for path in folder.iterdir():
            if path.name not in names and _matches(path, own) and not path.is_dir():
                path.unlink()
        for name in names:
            os.replace(temporary / name, folder / name)
        flush_folder(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _matches(path: Path, own: Sequence[str]) -> bool:
    return any(fnmatchcase(path.name, pattern) for pattern in own)


def remove_folder(path: Path) -> None:
    """Remove a folder; it loses its name first, so that a killed process leaves no half of it under that name."""
    outdated = _temporary_folder(path, "old")
    path.rename(outdated / path.name)
    shutil.rmtree(outdated, ignore_errors=True)


def check_output_folder(out: Path, *, overwrite: bool) -> None:
    """Refuse a place for a folder that is taken, before any work is done for it.

    Raises:
        OutputExists: It is a file, or a folder that is not empty, and `overwrite` is False.
    """
    if out.exists() and not out.is_dir():
        raise OutputExists(f"{out} exists, and it is a file. Choose a different folder with --out.")
    if out.exists() and not overwrite and any(out.iterdir()):
        raise OutputExists(f"{out} exists. Choose a different folder with --out, or add --overwrite to replace it.")


def check_output_file(out: Path, *, overwrite: bool) -> None:
    """Refuse a place for a file that is taken, before any work is done for it.

    Raises:
        OutputExists: It exists, and `overwrite` is False.
    """
    if out.exists() and not overwrite:
        raise OutputExists(f"{out} exists. Choose a different file with --out, or add --overwrite to replace it.")


def make_output_folder(out: Path) -> None:
    """Make a folder, and check that files can be written into it, before any work is done for them.

    Raises:
        ConfigError: It cannot be made or written to.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out).close()
    except OSError as error:
        raise _cannot_write(out, error) from error


def _temporary_folder(path: Path, kind: str) -> Path:
    # Not mkdtemp, which makes a private folder whatever the user's umask says.
    while True:
        folder = path.parent / f"{temporary_prefix(path, kind)}{secrets.token_hex(4)}"
        with suppress(FileExistsError):
            folder.mkdir()
            return folder


def _move_folder(temporary: Path, path: Path) -> None:
    """Give a folder its final name; what had it before is renamed first, so that no half-deleted folder carries it."""
    if not path.exists() and not path.is_symlink():
        temporary.rename(path)
        flush_folder(path.parent)
        return
    outdated = _temporary_folder(path, "old")
    path.rename(outdated / path.name)
    temporary.rename(path)
    flush_folder(path.parent)
    shutil.rmtree(outdated, ignore_errors=True)


def flush_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the system allows it: a rename must survive a power cut."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _flush(path: Path) -> None:
    """Bring a file's content to the disk: a name that survives a power cut must not stand for an empty file."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _cannot_write(out: Path, error: OSError) -> ConfigError:
    return ConfigError(f"Cannot write to {out}: {error.strerror}. Choose a different folder with --out.")
