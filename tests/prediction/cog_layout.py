"""The layout of a cloud-optimized GeoTIFF, read from its bytes: nothing here knows GDAL."""

from __future__ import annotations

import os
import struct
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SYSTEM_PYTHON = Path("/usr/bin/python3")
# Debian's python3-gdal.
_VALIDATOR = Path("/usr/lib/python3/dist-packages/osgeo_utils/samples/validate_cloud_optimized_geotiff.py")
_VALIDATION = """
import sys
from osgeo_utils.samples.validate_cloud_optimized_geotiff import validate
for path in sys.argv[1:]:
    warnings, errors, _ = validate(path, full_check=True)
    for sentence in (*warnings, *errors):
        print(path, sentence)
"""
_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT, _OFFSETS, _SIZES, _KIND = 256, 257, 322, 323, 324, 325, 254
_FORMATS = {1: "B", 3: "H", 4: "I", 16: "Q"}


@dataclass(frozen=True)
class Directory:
    """A directory (IFD) of a TIFF: one picture, or one overview of it."""

    at: int
    tags: dict[int, tuple[int, ...]]

    def value(self, tag: int) -> int:
        """Return the single value of a tag."""
        (value,) = self.tags[tag]
        return value


def check_cog(path: Path, *, block_px: int = 512) -> None:
    """Assert that directories stand before all data, overviews before the picture, and blocks as the header says."""
    content = path.read_bytes()
    is_big = content[2] == 43
    assert content[:4] == (b"II\x2b\x00" if is_big else b"II\x2a\x00")
    start = 16 if is_big else 8
    head, _, rest = content[start:].partition(b" bytes\n")
    assert head.startswith(b"GDAL_STRUCTURAL_METADATA_SIZE=")
    size = int(head.rpartition(b"=")[2])
    assert rest[:size].decode().split() == [
        "LAYOUT=IFDS_BEFORE_DATA",
        "BLOCK_ORDER=ROW_MAJOR",
        "BLOCK_LEADER=SIZE_AS_UINT4",
        "BLOCK_TRAILER=LAST_4_BYTES_REPEATED",
        "KNOWN_INCOMPATIBLE_EDITION=NO",
    ]
    directories = list(_directories(content, is_big=is_big))
    ghost_end = start + len(head) + len(b" bytes\n") + size
    assert ghost_end <= directories[0].at <= ghost_end + 1
    sizes = [(directory.value(_WIDTH), directory.value(_HEIGHT)) for directory in directories]
    wanted = [sizes[0]]
    while max(wanted[-1]) > block_px:
        wanted.append((-(-wanted[-1][0] // 2), -(-wanted[-1][1] // 2)))
    assert sizes == wanted, path
    assert [directory.tags.get(_KIND, (0,))[0] & 1 for directory in directories] == [0] + [1] * (len(sizes) - 1)
    last_at, previous_end = max(directory.at for directory in directories), 0
    for directory in reversed(directories):
        assert (directory.value(_TILE_WIDTH), directory.value(_TILE_HEIGHT)) == (block_px, block_px)
        blocks = [pair for pair in zip(directory.tags[_OFFSETS], directory.tags[_SIZES], strict=True) if pair[1]]
        assert blocks
        for offset, length in blocks:
            assert offset > max(last_at, previous_end)
            assert struct.unpack_from("<I", content, offset - 4) == (length,)
            end = offset + length
            assert content[end : end + 4] == content[end - 4 : end]
            previous_end = end


def validate_with_gdal(paths: Sequence[Path]) -> None:
    """Assert that GDAL's own checks find neither an error nor a warning; nothing where they are not installed."""
    if not _VALIDATOR.is_file():
        return
    command = [SYSTEM_PYTHON, "-c", _VALIDATION, *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=clean_environment())
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def clean_environment() -> dict[str, str]:
    """Return the environment for GDAL's programs: tests set variables for their own process's GDAL and Python."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("GDAL_", "PROJ_", "PYTHON"))}


def _directories(content: bytes, *, is_big: bool) -> Iterator[Directory]:
    (at,) = struct.unpack_from("<Q" if is_big else "<I", content, 8 if is_big else 4)
    while at:
        (count,) = struct.unpack_from("<Q" if is_big else "<H", content, at)
        first, entry_size, inline = at + (8 if is_big else 2), 20 if is_big else 12, 8 if is_big else 4
        tags: dict[int, tuple[int, ...]] = {}
        for number in range(count):
            entry = first + number * entry_size
            tag, kind, length = struct.unpack_from("<HHQ" if is_big else "<HHI", content, entry)
            if kind not in _FORMATS:
                continue
            form = f"<{length}{_FORMATS[kind]}"
            place = entry + entry_size - inline
            if struct.calcsize(form) > inline:
                (place,) = struct.unpack_from("<Q" if is_big else "<I", content, place)
            tags[tag] = struct.unpack_from(form, content, place)
        yield Directory(at, tags)
        (at,) = struct.unpack_from("<Q" if is_big else "<I", content, first + count * entry_size)
