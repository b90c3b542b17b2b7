"""Confusion matrices of single images on disk, from which scores, intervals and comparisons are computed.

Shapes: N images, K classes. The file is an `.npz` of two arrays without pickles: `counts_NKK`, in the smallest integer
type that holds it, and `text`, the UTF-8 bytes of JSON with names and facts. Nothing here needs torch.
"""

from __future__ import annotations

import json
import math
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from rs_adapt import limits
from rs_adapt.disk import require_regular
from rs_adapt.documents import parse_json
from rs_adapt.errors import ScoresError
from rs_adapt.files import atomic_file
from rs_adapt.scores.measures import Measure, stated_measure

FORMAT = 1

# The largest size of an unpacked file. Ten thousand images of 16 classes take 20 MiB, far below it.
MAX_BYTES = 2**30

MAX_CLASSES = 256

# What zipfile, numpy and json raise for damaged bytes; RecursionError is a RuntimeError.
_DAMAGE = (zipfile.BadZipFile, zlib.error, ValueError, EOFError, RuntimeError, NotImplementedError)

_MEMBERS = ("counts_NKK.npy", "text.npy")
# Types of the facts that are read; null where one is not known.
_FACTS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("split", "bench", "selection", "weights", "pack_sha256", "data_sha256"), str),
    "protocol": (str, dict),
    "iter": int,
    "inference": dict,
    "measure": dict,
}
_NAMES = ("tiles", "scenes", "cities", "classes")


@dataclass(frozen=True, kw_only=True)
class PerImage:
    """Confusion matrices of N images over K classes, with their origin.

    Args:
        tiles: N unique names without file ending.
        scenes: N names of the scenes that the tiles were cut from; "" where unknown.
        cities: N names of the cities that they lie in; "" where unknown.
        classes: K unique names in index order.
        counts_NKK: Pixel counts (N, K, K) in int64, 0 or more; row = truth, column = prediction.
        facts: Plain values: `split` (such as "south test"), `bench`, `iter`, `selection`, `weights` (student or
            teacher), `protocol`, `inference`, `precision`, `pack_sha256`, and `data_sha256`, the fingerprint
            of images and labels. Of classification also `measure`, by which `rs_adapt.scores.measures` scores them.

    Raises:
        ScoresError: Names are not unique, lengths do not agree, or counts are negative.
    """

    tiles: tuple[str, ...]
    scenes: tuple[str, ...]
    cities: tuple[str, ...]
    classes: tuple[str, ...]
    counts_NKK: NDArray[np.int64]
    facts: dict[str, Any]

    def __post_init__(self) -> None:
        """Check that all parts belong together."""
        n, k = len(self.tiles), len(self.classes)
        if self.counts_NKK.shape != (n, k, k) or self.counts_NKK.dtype != np.int64:
            raise ScoresError(
                f"Matrices of {n} images and {k} classes have the shape {(n, k, k)} and type int64, not "
                f"{self.counts_NKK.shape} and {self.counts_NKK.dtype}. Score the checkpoint again: rs-adapt eval."
            )
        if len(self.scenes) != n or len(self.cities) != n:
            raise ScoresError(
                f"There are {n} images, but {len(self.scenes)} names of scenes and {len(self.cities)} of cities; each "
                "image needs one of each (empty if unknown). Score the checkpoint again: rs-adapt eval."
            )
        for kind, names in (("tile", self.tiles), ("class", self.classes)):
            if twice := _first_duplicate(names):
                raise ScoresError(f"The name {twice!r} stands for more than one {kind}. Rename one of them.")
        # As float: a sum that is too large for int64 would wrap around.
        if self.counts_NKK.size and (self.counts_NKK.min() < 0 or self.counts_NKK.sum(dtype=np.float64) >= 2**62):
            raise ScoresError(
                "Pixel counts are negative or sum to more than 2^62, which is impossible. Score the checkpoint again: "
                "rs-adapt eval."
            )

    @property
    def measure(self) -> Measure:
        """The score that the matrices are judged by."""
        return stated_measure(self.facts, self.classes)

    def total_KK(self) -> NDArray[np.int64]:
        """Return the confusion matrix over all images, (K, K) in int64."""
        total: NDArray[np.int64] = self.counts_NKK.sum(axis=0)
        return total

    def save(self, path: Path) -> None:
        """Write the file, complete or not at all; equal content gives equal bytes.

        Args:
            path: The file; its folder is made if need be, an existing file is replaced.

        Raises:
            OSError: The file cannot be written.
        """
        text = {"format": FORMAT} | {name: list(getattr(self, name)) for name in _NAMES} | {"facts": self.facts}
        largest = int(self.counts_NKK.max(initial=0))
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(
                file,
                counts_NKK=self.counts_NKK.astype(np.min_scalar_type(largest)),
                text=np.frombuffer(json.dumps(text, allow_nan=False).encode(), dtype=np.uint8),
            )

    @classmethod
    def load(cls, path: Path) -> PerImage:
        """Read a file that `save` wrote; nothing in it is executed.

        Raises:
            ScoresError: The file is missing, damaged, of another kind, or of another format.
        """
        return _read(path)


def _read(path: Path) -> PerImage:
    try:
        require_regular(path)
        with zipfile.ZipFile(path) as archive:
            if sorted(archive.namelist()) != sorted(_MEMBERS):
                _refuse(path, f"it holds {', '.join(archive.namelist()[:4]) or 'nothing'}, not {', '.join(_MEMBERS)}")
            size = sum(member.file_size for member in archive.infolist())
            if size > MAX_BYTES:
                _refuse(path, f"it unpacks to {size / 2**20:.0f} MiB, but {MAX_BYTES / 2**20:.0f} MiB are allowed")
            shapes = {member: _check_array(path, archive, member) for member in _MEMBERS}
            content = parse_json(_array(archive, "text.npy").tobytes())
            expected = _shape_by_names(path, content)
            if shapes["counts_NKK.npy"] != expected:
                _refuse(path, f"counts_NKK has the shape {shapes['counts_NKK.npy']}, its names ask for {expected}")
            counts = _array(archive, "counts_NKK.npy")
    except FileNotFoundError as error:
        raise ScoresError(f"There is no file {path}. rs-adapt eval RUN writes one.") from error
    except OSError as error:
        raise ScoresError(f"{path} cannot be read: {error.strerror or error}.") from error
    except _DAMAGE as error:
        _refuse(path, f"{type(error).__name__}: {error}", cause=error)
    return _checked(path, counts, content)


def _check_array(path: Path, archive: zipfile.ZipFile, member: str) -> tuple[int, ...]:
    """Return the shape in a member's header once it fits the member's size: numpy would allocate whatever it claims."""
    with archive.open(member) as file:
        shape, dtype = _header(path, file)
        left = archive.getinfo(member).file_size - file.tell()
    if dtype.kind not in "ui" or any(side < 0 for side in shape) or math.prod(shape) * dtype.itemsize != left:
        _refuse(path, f"{member} claims {shape} values of type {dtype}, which do not fit its {left} bytes")
    if math.prod(shape) > (limits.COUNTS if member == _MEMBERS[0] else limits.COUNTS_TEXT_BYTES):
        # Counts of 8 bit take eight times their size as whole numbers of 64 bit.
        _refuse(path, f"{member} has {math.prod(shape)} values, more than are allowed")
    return shape


def _array(archive: zipfile.ZipFile, member: str) -> NDArray[Any]:
    with archive.open(member) as file:
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return array


def _header(path: Path, file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        _refuse(path, f"its arrays have numpy's format {version}, not (1, 0)")
    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    return shape, dtype


def _shape_by_names(path: Path, content: Any) -> tuple[int, int, int]:
    """Return the shape that the matrices of these names have."""
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        number = content.get("format") if isinstance(content, dict) else None
        raise ScoresError(
            f"{path} has format {number!r}, but this version of rs-adapt reads format {FORMAT}. Score the checkpoint "
            "again with this version (rs-adapt eval), or read the file with the version that wrote it."
        )
    for name in _NAMES:
        names = content.get(name)
        if not isinstance(names, list) or not all(isinstance(item, str) for item in names):
            _refuse(path, f"{name} is not a list of names")
    if not isinstance(content.get("facts"), dict):
        _refuse(path, "facts is not a table")
    for name, kind in _FACTS.items():
        value = content["facts"].get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, kind)):
            _refuse(path, f"the fact {name} is {value!r:.60}")
    num_images, num_classes = len(content["tiles"]), len(content["classes"])
    if num_classes > MAX_CLASSES:
        _refuse(path, f"it names {num_classes} classes, and labels of 8 bit have at most {MAX_CLASSES}")
    return num_images, num_classes, num_classes


def _checked(path: Path, counts: NDArray[Any], content: Any) -> PerImage:
    if counts.size and int(counts.max()) >= 2**62:
        _refuse(path, "a count is beyond 2^62")
    try:
        return PerImage(
            **{name: tuple(content[name]) for name in _NAMES},
            counts_NKK=counts.astype(np.int64),
            facts=content["facts"],
        )
    except ScoresError as error:
        _refuse(path, str(error), cause=error)


def _refuse(path: Path, reason: str, cause: BaseException | None = None) -> NoReturn:
    raise ScoresError(
        f"{path} holds no confusion matrices of rs-adapt, or is damaged ({reason}). rs-adapt eval RUN writes them "
        "again."
    ) from cause


def _first_duplicate(names: Sequence[str]) -> str | None:
    seen: set[str] = set()
    return next((name for name in names if name in seen or seen.add(name)), None)  # type: ignore[func-returns-value]
