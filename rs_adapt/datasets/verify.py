"""Check every tile of a data set: numbers, sizes, label values, duplicates, and all faults."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

import numpy as np

from rs_adapt.datasets.checks import check_pair
from rs_adapt.datasets.own.contents import CONTENTS_FILE, Contents, read_contents
from rs_adapt.datasets.prepare import is_current
from rs_adapt.datasets.tile_sets import TileSet, TileSets
from rs_adapt.errors import DataError, RsAdaptError
from rs_adapt.progress import OnProgress, no_progress


class SetReport(TypedDict):
    """The report on a set of tiles; see `verify_tiles`."""

    set: str
    split: str
    img_dir: str
    ann_dir: str | None
    images: int
    labels: int
    published: int | None
    sizes: dict[str, int]
    values: dict[str, int]
    class_pct: dict[str, float]
    ignored_pct: float
    blank_images: int
    faults: list[str]


class Duplicates(TypedDict):
    """Groups of identical images, listed as `<set>/<tile>`: across splits, across regions, or within a set."""

    across_splits: list[list[str]]
    across_regions: list[list[str]]
    within: list[list[str]]


class TileReport(TypedDict):
    """The report of `verify_tiles` on a data set."""

    name: str
    title: str
    ok: bool
    tile_px: list[int]
    classes: dict[str, str]
    sets: list[SetReport]
    duplicates: Duplicates
    faults: list[str]
    contents: NotRequired[dict[str, Any]]


@dataclass(kw_only=True)
class _SetTotals:
    """The tiles of a set, added up."""

    num_images: int = 0
    num_labels: int = 0
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    first_of_size: dict[tuple[int, int], str] = field(default_factory=dict)
    values: Any = field(default_factory=lambda: np.zeros(256, np.int64))
    num_blank: int = 0
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class _TileContent:
    """One tile as it was read; without `digest` it could not be read."""

    size: tuple[int, int] = (0, 0)
    values: Any = None
    digest: bytes = b""
    blank: bool = False
    fault: str = ""


def verify_tiles(tiles: TileSets, on_progress: OnProgress = no_progress) -> TileReport:
    """Open every tile, and compare the folders with what the data set should hold.

    Equal images are found by a digest of their pixels; images of one colour are counted and not compared.

    Args:
        tiles: The folders.
        on_progress: Called with the stage, the steps done and the steps in all.

    Returns:
        Plain values, as `--json` prints them: `ok`; `sets` with numbers, sizes, values, shares of classes (% of the
        labelled pixels) and `faults` of each folder; `duplicates` within a set, across regions, and across splits;
        `faults`, all sentences on what is wrong. Equal images of train and val or test are a fault; others are not.
        For your own scenes also `contents`, the record of what is in the tiles; see `rs_adapt.datasets.own.contents`.

    Raises:
        DataError: That record is missing or damaged.
    """
    contents = None if tiles.own_dir is None else read_contents(tiles.own_dir)
    totals = {one.title: _SetTotals() for one in tiles.sets}
    tiles_of_digest: dict[bytes, list[tuple[TileSet, str]]] = defaultdict(list)
    tasks = [(one, name) for one in tiles.sets for name in _pairs(one, tiles, totals[one.title])]
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        read = pool.map(lambda task: _read_tile(task[0], task[1], tiles), tasks)
        for done, ((one, name), content) in enumerate(zip(tasks, read, strict=True), start=1):
            _add(totals[one.title], content, name)
            if content.digest and not content.blank:
                tiles_of_digest[content.digest].append((one, name))
            on_progress("verifying tiles", done, len(tasks))
    for one in tiles.sets:
        _require_sizes(totals[one.title], one.tile_px)
        if contents is not None:
            _require_recorded(totals[one.title], one, contents)
    duplicates = _duplicates(tiles_of_digest.values())
    faults = [f"{title}: {fault}" for title, seen in totals.items() for fault in seen.faults]
    faults += [f"The same image is in {' and '.join(group)}." for group in duplicates["across_splits"]]
    faults += _stale(tiles)
    report: TileReport = {
        "name": tiles.name,
        "title": tiles.title,
        "ok": not faults,
        "tile_px": sorted({one.tile_px for one in tiles.sets if one.tile_px is not None}),
        "classes": {str(value): name for value, name in tiles.class_names.items()},
        "sets": [_row(one, totals[one.title], tiles) for one in tiles.sets],
        "duplicates": duplicates,
        "faults": faults,
    }
    if contents is not None:
        report["contents"] = contents.model_dump(mode="json")
    return report


def _stale(tiles: TileSets) -> list[str]:
    """Return a fault where your own scenes are not what the tiles were cut from."""
    if tiles.own_bench is None or tiles.own_dir is None:
        return []
    try:
        if is_current(tiles.own_bench, data_root=tiles.own_dir, out_dir=tiles.own_dir):
            return []
    except RsAdaptError:
        # The scenes may lie on a different machine: nothing is known of them.
        return []
    return ["The scenes or labels have changed since these tiles were cut: rs-adapt data prepare cuts them again."]


def _pairs(one: TileSet, tiles: TileSets, totals: _SetTotals) -> list[str]:
    """Names of images with labels, sorted; what does not pair up, and wrong numbers, become faults."""
    images = _names(one.img_dir, tiles.img_suffix)
    labels = _names(one.ann_dir, one.ann_suffix or tiles.ann_suffix) if one.ann_dir else images
    totals.num_images, totals.num_labels = len(images), len(labels) if one.ann_dir else 0
    for folder, names in ((one.img_dir, images), (one.ann_dir, labels)):
        if folder and not names:
            totals.faults.append(f"{folder} does not exist or holds no tiles")
    for left, right, what, other in ((images, labels, "image", "label"), (labels, images, "label", "image")):
        if alone := sorted(left - right):
            totals.faults.append(f"{len(alone)} {what}(s) without {other}, first {alone[0]}")
    if one.num_tiles is not None and len(images) != one.num_tiles:
        totals.faults.append(f"{len(images)} images, published are {one.num_tiles}")
    return sorted(images & labels)


def _names(folder: Path, suffix: str) -> set[str]:
    return {path.relative_to(folder).as_posix().removesuffix(suffix) for path in folder.rglob(f"*{suffix}")}


def _read_tile(one: TileSet, name: str, tiles: TileSets) -> _TileContent:
    values = ", ".join(f"{value} {label}" for value, label in tiles.class_names.items())
    image_path = str(one.img_dir / (name + tiles.img_suffix))
    label_path = str(one.ann_dir / (name + (one.ann_suffix or tiles.ann_suffix))) if one.ann_dir else None
    try:
        image, label = check_pair(image_path, label_path, name=one.title, allowed=tiles.allowed, values=values)
    except DataError as error:
        return _TileContent(fault=str(error).removeprefix(f"{one.title}: "))
    height_px, width_px = image.shape[:2]
    digest = hashlib.sha256(repr(image.shape).encode() + np.ascontiguousarray(image).tobytes())
    return _TileContent(
        size=(width_px, height_px),
        values=np.zeros(256, np.int64) if label is None else np.bincount(label.ravel(), minlength=256),
        digest=digest.digest(),
        blank=bool((image == image[0, 0]).all()),
    )


def _add(totals: _SetTotals, content: _TileContent, name: str) -> None:
    if content.fault:
        totals.faults.append(content.fault)
    if content.digest:
        totals.sizes[content.size] += 1
        totals.first_of_size.setdefault(content.size, name)
        totals.values += content.values
        totals.num_blank += content.blank


def _require_sizes(totals: _SetTotals, tile_px: int | None) -> None:
    if tile_px is None:
        return
    for (width_px, height_px), count in totals.sizes.items():
        if (width_px, height_px) != (tile_px, tile_px):
            first = totals.first_of_size[width_px, height_px]
            totals.faults.append(
                f"{count} tile(s) of {width_px}x{height_px} px, first {first}; tiles are of {tile_px}x{tile_px} px"
            )


def _require_recorded(totals: _SetTotals, one: TileSet, contents: Contents) -> None:
    """Compare the number of images with the record that was written when the scenes were cut."""
    region = contents.regions.get(one.title.removesuffix(f" {one.split}"))
    recorded = region.splits.get(one.split) if region is not None else None
    if recorded is not None and recorded.tiles != totals.num_images:
        totals.faults.append(f"{totals.num_images} images, {CONTENTS_FILE} has recorded {recorded.tiles}")


def _duplicates(groups: Iterable[Sequence[tuple[TileSet, str]]]) -> Duplicates:
    """Sort groups of equal images by where they lie."""
    kinds: Duplicates = {"across_splits": [], "across_regions": [], "within": []}
    for group in groups:
        if len(group) < 2:
            continue
        splits, titles = {one.split for one, _ in group}, {one.title for one, _ in group}
        kind: Literal["across_splits", "across_regions", "within"] = "within"
        if len(titles) > 1:
            kind = "across_splits" if len(splits) > 1 else "across_regions"
        kinds[kind].append([f"{one.title}/{name}" for one, name in group])
    return kinds


def _row(one: TileSet, totals: _SetTotals, tiles: TileSets) -> SetReport:
    labelled = {value: int(totals.values[value]) for value in tiles.class_names}
    total, scored = int(totals.values.sum()), sum(labelled.values())
    return {
        "set": one.title,
        "split": one.split,
        "img_dir": str(one.img_dir),
        "ann_dir": str(one.ann_dir) if one.ann_dir else None,
        "images": totals.num_images,
        "labels": totals.num_labels,
        "published": one.num_tiles,
        "sizes": {f"{width}x{height}": count for (width, height), count in totals.sizes.most_common()},
        "values": {str(value): int(count) for value, count in enumerate(totals.values) if count},
        "class_pct": {name: _pct(labelled[value], scored) for value, name in tiles.class_names.items()},
        "ignored_pct": _pct(total - scored, total),
        "blank_images": totals.num_blank,
        "faults": totals.faults,
    }


def _pct(part: int, whole: int) -> float:
    return round(100 * part / whole, 3) if whole else 0.0


def shares(rows: Sequence[SetReport]) -> dict[str, list[float]]:
    """Return class name -> its share (%) in each set, in the order of the rows."""
    return {name: [row["class_pct"][name] for row in rows] for name in rows[0]["class_pct"]}
