"""Checks of a tile folder before any GPU time is spent: readable images, matching sizes, label values in the list."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import UnidentifiedImageError

from rs_adapt.datasets.digests import digest_cache, digest_pixels
from rs_adapt.errors import DataError
from rs_adapt.files import file_state, write_json
from rs_adapt.pictures import open_picture
from rs_adapt.progress import OnProgress, no_progress

if TYPE_CHECKING:
    from rs_adapt.datasets.sample import Sample
    from rs_adapt.datasets.tile_dataset import TileDataset

Array = np.ndarray[Any, Any]

# Bump when a check is added, so that folders checked by an older version are checked again.
CHECKS_VERSION = 3


def check_tiles(dataset: TileDataset, cache_dir: Path, on_progress: OnProgress = no_progress) -> None:
    """Open every image and label of a set once; files that have not changed since the last time are not read again.

    Args:
        dataset: The set; labels are read only if it has them.
        cache_dir: Folder for the fingerprints of folders that passed.
        on_progress: Receives the tiles that are done.

    Raises:
        DataError: Naming the first bad file: unreadable or truncated, image and label of different sizes, or a label
            value outside the class list.
    """
    tiles = [dataset.get_data_info(index) for index in range(len(dataset))]
    allowed = allowed_values(len(dataset.metainfo["classes"]), dataset.reduce_zero_label, dataset.ignore_index)
    files = [path for tile in tiles for path in (tile["img_path"], tile.get("seg_map_path")) if path]
    marker = cache_dir / f"{fingerprint(files, CHECKS_VERSION, allowed)}.json"
    if marker.is_file():
        return
    folders = [
        folder for folder in (dataset.data_prefix["img_path"], dataset.data_prefix.get("seg_map_path")) if folder
    ]
    caches = [digest_cache(folder) for folder in folders]
    with ThreadPoolExecutor(max_workers=8) as pool:
        checked = pool.map(lambda tile: _check_tile(dataset, tile, allowed), tiles)
        for done, digests in enumerate(checked, start=1):
            for cache, (path, digest) in zip(caches, digests, strict=True):
                cache.add(path, digest)
            on_progress(f"checking {dataset.name}", done, len(tiles))
    for cache in caches:
        cache.save()
    # The marker only saves time: a cache that cannot be written to stops no run.
    with suppress(OSError):
        cache_dir.mkdir(parents=True, exist_ok=True)
        write_json(marker, {"name": dataset.name, "tiles": len(tiles)}, indent=None)


def allowed_values(num_classes: int, reduce_zero_label: bool, ignore_index: int) -> list[int]:
    """Return the label values that a file may hold: classes as stored, the zero of a shifted legend, and ignore."""
    stored = num_classes + 1 if reduce_zero_label else num_classes
    return sorted({*range(stored), ignore_index})


def _check_tile(dataset: TileDataset, tile: Sample, allowed: list[int]) -> list[tuple[Path, str]]:
    """Check a tile, and return the digests of its files: the pixels are decoded here anyway."""
    paths = [tile["img_path"], *([tile["seg_map_path"]] if tile.get("seg_map_path") else [])]
    image, label = check_pair(
        tile["img_path"], tile.get("seg_map_path"), name=dataset.name, allowed=allowed, values=legend(dataset)
    )
    return [
        (Path(path), digest_pixels(Path(path), pixels))
        for path, pixels in zip(paths, (image, label), strict=False)
        if pixels is not None
    ]


def check_pair(
    image_path: str, label_path: str | None, *, name: str, allowed: Sequence[int], values: str
) -> tuple[Array, Array | None]:
    """Read an image and its label to the last byte and return their pixels.

    Args:
        image_path: 8-bit image of any number of bands.
        label_path: 8-bit image of one band with class values; None for an unlabelled image.
        name: Name of the set, for messages.
        allowed: Label values that may occur.
        values: The same with class names, for messages.

    Raises:
        DataError: Unreadable or truncated, not of 8 bit, image and label of different sizes, or a value not allowed.
    """
    # Nothing else checks an unlabelled target before it is used, so its images are read to the last byte too.
    image = _read(name, image_path)
    if image.dtype.kind not in "bu" or image.dtype.itemsize > 1:
        raise DataError(f"{name}: image {image_path} is not 8-bit ({image.dtype}). Scale it to 0-255 and store uint8.")
    if not label_path:
        return image, None
    label = _read(name, label_path)
    if label.ndim != 2:
        raise DataError(
            f"{name}: label {label_path} has {label.shape[2]} bands. Labels are 8-bit images of one "
            "band that hold class values; convert colours to class values first."
        )
    if image.shape[:2] != label.shape:
        (height, width), (label_height, label_width) = image.shape[:2], label.shape
        raise DataError(
            f"{name}: size mismatch, {image_path} is {width}x{height} px but its label "
            f"{label_path} is {label_width}x{label_height} px. Both must be of one size; replace one of them."
        )
    if label.dtype.kind not in "bui" or label.min(initial=0) < 0 or label.max(initial=0) > 255:
        raise DataError(f"{name}: label {label_path} is not 8-bit. Store class values as uint8.")
    counts = np.bincount(label.ravel(), minlength=256)
    counts[[*allowed]] = 0
    if counts.any():
        value = int(np.flatnonzero(counts)[0])
        raise DataError(
            f"{name}: label value {value} ({int(counts[value])} pixels) in {label_path} is outside "
            f"the class list. Allowed are {_ranges(allowed)}: {values}. Fix the label or the classes of the bench."
        )
    return image, label


def legend(dataset: TileDataset) -> str:
    """Return the stored label values with their class names, for messages."""
    shift = 1 if dataset.reduce_zero_label else 0
    names = [f"{index + shift} {name}" for index, name in enumerate(dataset.metainfo["classes"])]
    return ", ".join((["0 ignore"] if shift else []) + names + [f"{dataset.ignore_index} ignore"])


def _read(name: str, path: str) -> Array:
    try:
        with open_picture(path) as image:
            return np.asarray(image)
    except (OSError, SyntaxError, UnidentifiedImageError) as error:
        raise DataError(f"{name}: cannot read {path}: {error}. The file is damaged or cut off; replace it.") from error


def fingerprint(files: Sequence[str], *facts: Any) -> str:
    """Name a state of files (paths, sizes, times) and of the plain facts that they are read by, as 32 hex digits."""
    digest = hashlib.sha256(json.dumps(facts).encode())
    for path in files:
        size, changed, state_changed = file_state(Path(path))
        digest.update(f"{path}\0{size}\0{changed}\0{state_changed}\n".encode())
    return digest.hexdigest()[:32]


def _ranges(values: Sequence[int]) -> str:
    inside = [value for value in values if value != 255]
    return f"{inside[0]}-{inside[-1]} and 255" if 255 in values else f"{inside[0]}-{inside[-1]}"
