"""All files that are read with a raster or a vector file: sidecars, parts of a VRT, tables of a Shapefile."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

from rs_adapt.documents import read_bytes
from rs_adapt.errors import DataError
from rs_adapt.scenes.gdal_files import open_raster

# Endings that change no pixel and no coordinate: overviews, styles, search trees, locks, thumbnails.
_WITHOUT_EFFECT = (".ovr", ".qml", ".qmd", ".sld", ".qix", ".sbn", ".sbx", "-shm", "-journal", ".lock", ".tmp", ".bak")
# The lists of files of other formats follow from their names.
_LISTED_BY_GDAL = (".vrt", ".til", ".img", ".hdr", ".xml")
# The elements of a VRT, of rasters or of layers, that name a file.
_SOURCE = re.compile(r"<(?:SourceFilename|SrcDataSource|SourceDataset)[^<>]*>([^<]+)<")

# Names of the files of a folder by their first part, in small letters: `a.tif.aux.xml` by `a`, `a.tif`, `a.tif.aux`.
_Listing: TypeAlias = dict[str, list[str]]


def files_behind(paths: Iterable[Path]) -> list[Path]:
    """Return the files, and all others that are read with them, each once.

    These are the files beside them that have the same name with a different or a further ending (`.aux.xml`, `.msk`,
    world files, `.prj`, `.dbf`, `.gpkg-wal`), the files in a folder that is a data set, and the parts of a VRT with
    their own sidecars. Overviews and styles are left out.

    Args:
        paths: Files and folders that exist.
    """
    listings: dict[Path, _Listing] = {}
    seen: dict[Path, None] = {}
    waiting = [*paths]
    for path in waiting:
        if path in seen:
            continue
        if path.is_dir():
            waiting += [file for file in sorted(path.rglob("*")) if file.is_file()]
            continue
        seen[path] = None
        folder = path.parent
        if folder not in listings:
            listings[folder] = _list_folder(folder)
        for name in listings[folder].get(path.stem.lower(), []):
            seen.setdefault(folder / name)
        waiting += [part for part in _parts(path) if part.exists()]
    return [*seen]


def _list_folder(folder: Path) -> _Listing:
    listing: _Listing = {}
    for file in sorted(folder.iterdir()):
        # Names that GDAL forms have a dot or a hyphen behind the common part: `x.shp`, `x.dbf`, `x.gpkg-wal`.
        pieces = file.name.lower().split(".")
        if not file.name.lower().endswith(_WITHOUT_EFFECT) and file.is_file():
            for number in range(1, len(pieces)):
                listing.setdefault(".".join(pieces[:number]), []).append(file.name)
    return listing


def _parts(path: Path) -> Iterator[Path]:
    """Yield the files that a file names inside of it."""
    if path.suffix.lower() not in _LISTED_BY_GDAL:
        return
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with open_raster(path) as raster:
                yield from (Path(file) for file in raster.files if Path(file) != path)
    except (RasterioError, DataError):
        # No raster: a VRT of layers, or damaged, which its reader reports.
        pass
    if path.suffix.lower() == ".vrt":
        text = read_bytes(path).decode(errors="replace")
        # An absolute name replaces the folder.
        yield from (path.parent / name.strip() for name in _SOURCE.findall(text))
