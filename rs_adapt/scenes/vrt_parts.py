"""The files that a VRT lists, looked at before GDAL opens them: each must be an image on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from xml.etree import ElementTree

from rs_adapt import limits
from rs_adapt.errors import DataError
from rs_adapt.files import file_state
from rs_adapt.scenes.drivers import RASTER_DRIVERS, open_with

# Elements whose text is the name of a file.
_NAMES = ("SourceFilename", "SourceDataset", "SrcDataSource")
# Elements that run code, or hand a file to a driver with settings of its own.
_REFUSED = ("PixelFunctionCode", "OpenOptions", "SrcSQL", "Cutline")
# Metadata and arguments whose value is the name of a further file.
_FILE_KEYS = ("X_DATASET", "Y_DATASET", "OVERVIEW_FILE", "RPC_DEM")
_DEPTH = 10
_BENCH_REMEDY = (
    "outside of the bench's folders. If that is meant, allow its folder at the top of the bench's file: "
    "parts = ['{folder}']."
)
# What the files begin with that hold pixels themselves: TIFF, PNG, JPEG, JPEG 2000, BMP, HFA, GRIB, SQLite
# (GeoPackage), GIF, NITF. Others are opened by GDAL with the allowed drivers.
_KNOWN: tuple[bytes, ...] = (
    b"II*\0",
    b"MM\0*",
    b"II+\0",
    b"MM\0+",
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"\0\0\0\x0cjP",
    b"\xffO\xffQ",
    b"BM",
)
_KNOWN += (b"EHFA", b"GRIB", b"SQLite", b"GIF8", b"NITF")


def check_vrt(path: Path) -> None:
    """Refuse a VRT that names anything but files with pixels on this machine.

    Raises:
        DataError: It names a web service, a file within an archive, or code; or it is no VRT.
    """
    list_parts(path)


def list_parts(path: Path) -> list[Path]:
    """Return the files that a VRT lists, and those that VRTs among them list.

    Raises:
        DataError: See `check_vrt`.
    """
    parts: dict[Path, None] = {}
    waiting = [(path, 0)]
    for vrt, depth in waiting:
        if depth > _DEPTH:
            raise DataError(f"{path} lists VRTs that list VRTs, more than {_DEPTH} deep: build it from the images.")
        for part in _parts(vrt, file_state(vrt)):
            if part in parts:
                continue
            parts[part] = None
            if part.suffix.lower() == ".vrt":
                waiting.append((part, depth + 1))
            elif part.is_file():
                _check_pixels(vrt, part)
    return [*parts]


def check_parts_below(path: Path, folders: Sequence[Path], *, remedy: str = _BENCH_REMEDY) -> None:
    """Refuse a VRT whose parts lie outside of some folders and its own.

    Args:
        path: The VRT.
        folders: Folders besides its own.
        remedy: End of the message, from the words after "lies"; `{folder}` stands for the folder of the part.

    Raises:
        DataError: Names the part.
    """
    allowed = [Path(os.path.abspath(folder)) for folder in (*folders, path.parent)]
    allowed += [folder.resolve() for folder in allowed]
    for part in list_parts(path):
        if not any(part.is_relative_to(folder) for folder in allowed):
            raise DataError(f"{path} lists {part}, which lies {remedy.format(folder=part.parent)}")


def check_sidecar(path: Path) -> None:
    """Refuse a raster whose `.aux.xml` names a further file to read.

    Raises:
        DataError: It does.
    """
    sidecar = path.with_name(f"{path.name}.aux.xml")
    if sidecar.is_file() and any(key.encode() in _read(sidecar) for key in _FILE_KEYS):
        raise DataError(f"{sidecar} names a further file that belongs to {path.name}: delete it, or that entry.")


@lru_cache(maxsize=256)
def _parts(path: Path, _state: tuple[int, int, int]) -> tuple[Path, ...]:
    content = _read(path)
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise DataError(f"{path} declares entities or a document type, which no VRT needs: write it again with GDAL.")
    try:
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise DataError(
            f"{path} cannot be read ({error}): it is no VRT, or damaged. Write it again with GDAL."
        ) from error
    return tuple(_names(path, root))


def _names(path: Path, root: ElementTree.Element) -> Iterator[Path]:
    for element in root.iter():
        text = (element.text or "").strip()
        key = element.get("key") or element.get("name") or ""
        if element.tag in _REFUSED or key.upper() in _FILE_KEYS or ("filename" in key.lower() and text):
            raise DataError(
                f"{path} holds {element.tag} {key}".rstrip() + ", which is not read: it can run code or open any file. "
                "Write the image as a GeoTIFF (gdal_translate)."
            )
        if element.tag in _NAMES:
            yield _place(path, text, relative=element.get("relativeToVRT", "0").strip() == "1")


def _place(path: Path, name: str, *, relative: bool) -> Path:
    if not name or name[0] in "<{" or name.startswith("/vsi") or "://" in name or _has_prefix(name):
        raise DataError(
            f"{path} lists {name[:100]!r}, which is no file on this machine. Fetch it, and list the file, or write the "
            "image as a GeoTIFF."
        )
    # GDAL takes other names from the current folder.
    return Path(os.path.abspath((path.parent if relative else Path()) / name))


def _has_prefix(name: str) -> bool:
    """Return whether a name chooses a driver, such as `WMS:...` or `NETCDF:"x.nc":red`."""
    prefix, colon, _ = name.partition(":")
    return bool(colon) and len(prefix) > 1 and prefix.replace("_", "").isalnum()


def _check_pixels(vrt: Path, part: Path) -> None:
    with part.open("rb") as file:
        start = file.read(16)
    if start.startswith(_KNOWN):
        return
    from rasterio.errors import RasterioError

    try:
        open_with(part, RASTER_DRIVERS).close()
    except RasterioError as error:
        raise DataError(f"{vrt} lists {part}, which cannot be read as an image ({error}): fetch it again.") from error


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(limits.RECORD_BYTES + 1)
    if len(content) > limits.RECORD_BYTES:
        raise DataError(f"{path} is larger than {limits.RECORD_BYTES / 2**20:.0f} MiB, which no list of files is.")
    return content
