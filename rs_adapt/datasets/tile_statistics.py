"""Colours and classes of the tiles of a data set, and tiles that show them (H/W pixels)."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rs_adapt.datasets.tile_sets import TileSet, TileSets
from rs_adapt.errors import DataError
from rs_adapt.pictures import open_picture
from rs_adapt.progress import OnProgress, no_progress

Array = np.ndarray[Any, Any]

BINS = 32


@dataclass(frozen=True, kw_only=True)
class SetStatistics:
    """Statistics of a set, over the tiles that were read.

    Attributes:
        title: Region and split.
        num_tiles: Tiles in the folder.
        num_read: Tiles that were read.
        mean: Mean of the first three bands, 0 to 255.
        std: Standard deviation of the first three bands.
        histogram: Share of the pixels by band and brightness, (3, `BINS`), each row with the sum 1.
        class_pct: Class -> share of the labelled pixels, %.
        class_colour: Class -> mean of the first three bands; classes that do not occur are left out.
        ignored_pct: Share of all pixels that are not scored, %.
        samples: Names of tiles that together show all classes as well as a few tiles can.
    """

    title: str
    num_tiles: int
    num_read: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    histogram: Array
    class_pct: dict[str, float]
    class_colour: dict[str, tuple[float, ...]]
    ignored_pct: float
    samples: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Counts:
    """Of a tile: pixels by band and brightness (3, 256), by label value (256); sums of colours by value (256, 3)."""

    brightness: Array
    values: Array
    colours: Array


def set_statistics(
    one: TileSet, tiles: TileSets, *, most_tiles: int, num_samples: int, on_progress: OnProgress = no_progress
) -> SetStatistics | None:
    """Return the statistics of a set's tiles, or of `most_tiles` evenly spaced ones; None for a set without tiles.

    Args:
        one: The set.
        tiles: The data set or bench that it belongs to.
        most_tiles: The largest number of tiles to read.
        num_samples: Number of tiles to choose as samples to show.
        on_progress: Called with the stage, the steps done and the steps in all.

    Raises:
        DataError: A tile cannot be read, or image and label differ in size.
    """
    names = sorted(
        path.relative_to(one.img_dir).as_posix().removesuffix(tiles.img_suffix)
        for path in one.img_dir.rglob(f"*{tiles.img_suffix}")
    )
    if not names:
        return None
    read = [names[index] for index in np.linspace(0, len(names) - 1, min(most_tiles, len(names))).round().astype(int)]
    counts = []
    with ThreadPoolExecutor() as pool:
        for done, found in enumerate(pool.map(lambda name: _counts(one, tiles, name), read), start=1):
            counts.append(found)
            on_progress(f"reading {one.title}", done, len(read))
    return _summed(one, tiles, names, read, counts, num_samples)


def read_tile(one: TileSet, tiles: TileSets, name: str) -> tuple[Array, Array]:
    """Return a tile's first three bands, uint8 (H, W, 3), and its label values (H, W), all 255 where there are none.

    Raises:
        DataError: A file cannot be read, or the two differ in size.
    """
    path = one.img_dir / (name + tiles.img_suffix)
    image = _pixels(path)
    label = _pixels(one.ann_dir / (name + tiles.ann_suffix)) if one.ann_dir else np.full(image.shape[:2], 255, np.uint8)
    image = np.repeat(image[..., None], 3, axis=-1) if image.ndim == 2 else image[..., :3]
    if label.ndim != 2 or label.shape != image.shape[:2] or image.dtype != np.uint8 or label.dtype != np.uint8:
        raise DataError(
            f"{path} and its label do not fit together: `rs-adapt data verify {tiles.name}` reports what is wrong."
        )
    return image, label


def _pixels(path: Path) -> Array:
    try:
        with open_picture(path) as image:
            return np.asarray(image)
    except (OSError, SyntaxError) as error:
        raise DataError(
            f"Cannot read {path} ({error}): `rs-adapt data verify` reports everything that is wrong."
        ) from error


def _counts(one: TileSet, tiles: TileSets, name: str) -> _Counts:
    image_HW3, label_HW = read_tile(one, tiles, name)
    flat = label_HW.ravel()
    return _Counts(
        brightness=np.stack([np.bincount(image_HW3[..., band].ravel(), minlength=256) for band in range(3)]),
        values=np.bincount(flat, minlength=256),
        colours=np.stack(
            [np.bincount(flat, weights=image_HW3[..., band].ravel(), minlength=256) for band in range(3)], axis=-1
        ),
    )


def _summed(
    one: TileSet,
    tiles: TileSets,
    names: Sequence[str],
    read: Sequence[str],
    counts: Sequence[_Counts],
    num_samples: int,
) -> SetStatistics:
    brightness, values, colours = (
        sum((getattr(found, key) for found in counts[1:]), start=getattr(counts[0], key))
        for key in ("brightness", "values", "colours")
    )
    levels, pixels = np.arange(256), brightness.sum(axis=1)
    mean = brightness @ levels / pixels
    std = np.sqrt(np.maximum(brightness @ levels**2 / pixels - mean**2, 0))
    scored = [*tiles.class_names]
    labelled = max(1, int(values[scored].sum()))
    return SetStatistics(
        title=one.title,
        num_tiles=len(names),
        num_read=len(read),
        mean=tuple(map(float, mean)),
        std=tuple(map(float, std)),
        histogram=brightness.reshape(3, BINS, -1).sum(axis=-1) / pixels[:, None],
        class_pct={name: 100 * float(values[value]) / labelled for value, name in tiles.class_names.items()},
        class_colour={
            name: tuple(map(float, colours[value] / values[value]))
            for value, name in tiles.class_names.items()
            if values[value]
        },
        ignored_pct=100 * (1 - float(values[scored].sum()) / float(values.sum())),
        samples=_pick_representative(read, np.stack([found.values[scored] for found in counts]), num_samples),
    )


def _pick_representative(names: Sequence[str], pixels: Array, number: int) -> tuple[str, ...]:
    """Tiles chosen one by one, each where it adds most to what the others show of every class.

    Args:
        names: Names of the tiles.
        pixels: (tiles, classes).
        number: Number of tiles.
    """
    shares = pixels / np.maximum(pixels.sum(axis=1, keepdims=True), 1)
    chosen: list[int] = []
    shown = np.zeros(pixels.shape[1])
    for _ in range(min(number, len(names))):
        # Square roots: a little of a class that was not shown is worth more than much of one that was.
        gain = np.sqrt(shown + shares).sum(axis=1)
        gain[chosen] = -1
        best = int(gain.argmax())
        chosen.append(best)
        shown = shown + shares[best]
    return tuple(names[index] for index in sorted(chosen))
