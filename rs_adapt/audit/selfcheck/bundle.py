"""Bundles of `rs-adapt share`: which files they may hold, and how one is unpacked for a check.

A bundle comes from strangers. Only names that `share` writes are unpacked, as plain files into a new folder, and never
more bytes than the archive states and the limits allow: numbers and tensors are stored without compression, so they
cannot be larger than the archive, and texts have a limit of their own.
"""

from __future__ import annotations

import re
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rs_adapt.errors import ConfigError
from rs_adapt.files import file_sha256
from rs_adapt.runs.records import BundleRecord, read_record

BUNDLE_FILE = "bundle.json"
# Of a method that is not the package's: the files of its plugin, as text.
METHOD_DIR = "method"
_TEXTS = r"config\.py|(?:cell|data|result|images|hashes|manifest|bundle)\.json|metrics\.jsonl"
_NAME = re.compile(
    rf"(?:{_TEXTS}|adapter\.safetensors|confusions/iter\d{{1,12}}\.npz|{METHOD_DIR}(?:/\w[\w-]{{0,99}}){{1,4}}\.py"
    r"|packs/iter\d{1,12}/(?:adapter\.safetensors|manifest\.json))"
)
MAX_FILES = 100
MAX_TEXT_BYTES = 256 * 2**20
_PART_BYTES = 2**20


def is_bundle(path: Path) -> bool:
    """Return whether a path is a file that may be a bundle, rather than a run folder."""
    return path.is_file() and path.suffix.lower() == ".zip"


def may_be_in_bundle(name: str) -> bool:
    """Return whether a bundle may hold a file of this name."""
    return _NAME.fullmatch(name) is not None


def is_text(name: str) -> bool:
    """Return whether a file of a bundle is a text, which is compressed."""
    return name.endswith((".json", ".jsonl", ".py"))


@contextmanager
def unpacked(bundle: Path) -> Iterator[Path]:
    """Unpack a bundle into a temporary folder for the length of a block.

    Yields:
        The folder, which looks like a run folder.

    Raises:
        ConfigError: The file is no bundle, is damaged, or holds what `rs-adapt share` does not write.
    """
    with tempfile.TemporaryDirectory(prefix="rs-adapt-bundle-") as place:
        try:
            with zipfile.ZipFile(bundle) as archive:
                _unpack(bundle, archive, Path(place))
        except OSError as error:
            raise ConfigError(f"{bundle} cannot be read: {error.strerror or error}.") from error
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
            raise ConfigError(f"{bundle} is not a zip archive, or is damaged ({error}). Copy it again.") from error
        yield Path(place)


def find_bundle_faults(folder: Path) -> list[str]:
    """Return where the files of an unpacked bundle are not those that its `bundle.json` lists, as sentences.

    Raises:
        ConfigError: There is no `bundle.json`, or it is damaged.
    """
    record = read_record(folder / BUNDLE_FILE, BundleRecord, error=ConfigError, remedy="Copy the bundle again.")
    if record is None:
        raise ConfigError(f"The archive holds no {BUNDLE_FILE}: it is no bundle of `rs-adapt share`.")
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {BUNDLE_FILE}
    faults = [f"{name} is missing, but {BUNDLE_FILE} lists it." for name in sorted(set(record.files) - present)]
    faults += [f"{name} is not listed in {BUNDLE_FILE}." for name in sorted(present - set(record.files))]
    faults += [
        f"{name} was changed: its SHA-256 is not that in {BUNDLE_FILE}."
        for name in sorted(present & set(record.files))
        if file_sha256(folder / name) != record.files[name]
    ]
    return faults


def _unpack(bundle: Path, archive: zipfile.ZipFile, place: Path) -> None:
    members = archive.infolist()
    names = [member.filename for member in members]
    if len(members) > MAX_FILES or len(set(names)) < len(names):
        raise ConfigError(f"{bundle} holds {len(names)} files, some of them twice or too many. It is not unpacked.")
    size, texts = bundle.stat().st_size, 0
    for member in members:
        mode = member.external_attr >> 16
        if not may_be_in_bundle(member.filename) or stat.S_ISLNK(mode) or member.flag_bits & 1:
            raise ConfigError(
                f"{bundle} holds {member.filename!r}, which `rs-adapt share` does not write. It is not unpacked."
            )
        if is_text(member.filename):
            texts += member.file_size
        elif member.compress_type != zipfile.ZIP_STORED or member.file_size > size:
            raise ConfigError(f"{bundle}: {member.filename} is compressed or too large. It is not unpacked.")
    if texts > MAX_TEXT_BYTES:
        raise ConfigError(
            f"{bundle} unpacks to {texts / 2**20:.0f} MiB of text; {MAX_TEXT_BYTES / 2**20:.0f} MiB are allowed."
        )
    for member in members:
        path = place / member.filename
        path.parent.mkdir(parents=True, exist_ok=True)
        left = member.file_size
        with archive.open(member) as source, path.open("xb") as target:
            while part := source.read(min(_PART_BYTES, left + 1)):
                left -= len(part)
                if left < 0:
                    raise ConfigError(f"{bundle}: {member.filename} is longer than the archive states.")
                target.write(part)
