"""Cut a part of a scene of your own into tiles, and count what is in them (N tiles, K classes, H/W pixels)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rs_adapt.datasets.own.blank import count_blank
from rs_adapt.datasets.own.layout import SceneFiles
from rs_adapt.datasets.own.polygon_labels import PolygonFacts
from rs_adapt.datasets.own.translation import LabelReader
from rs_adapt.datasets.own.windows import IGNORE
from rs_adapt.datasets.recipes import LabelSource, SceneRegion
from rs_adapt.scenes import Box, Scene
from rs_adapt.tiles import Tile, tile_origins
from rs_adapt.tiles.cut import MIN_VALID, make_tile, write_image_tile, write_label_tile, write_valid_tile

# Memory (MiB) in which GDAL may keep blocks of files: a row of tiles of a scene that is stored in rows fits in.
CACHE_MIB = 160
# Columns of the counts behind those of the classes: ignored contents, and pixels that the label does not cover.
IGNORED, UNLABELLED = -2, -1
# Folders of a split: images, labels, and where images have data.
KINDS = ("img_dir", "ann_dir", "valid_dir")


@dataclass(frozen=True, kw_only=True)
class CutTask:
    """Some rows of tiles of a scene.

    Attributes:
        scene: The scene's files.
        region: Its region.
        labels: How its label is read; None where it has none, or it is not needed.
        stretch: Values that become 0 and 255, a pair by channel; None as in `Scene`.
        folder: Folder of the tiles: images go to `img_dir` in it.
        write_labels: Whether label tiles are written, to `ann_dir`.
        write_valid: Whether masks of the pixels with data are written, to `valid_dir`, for tiles that have others too.
        tile_px: Side of a tile.
        stride_px: Step of the grid.
        num_classes: Number of classes.
        part: Number of this part of the scene's rows of tiles, from 0.
        num_parts: Number of parts.
    """

    scene: SceneFiles
    region: SceneRegion
    labels: LabelSource | None
    stretch: list[list[float]] | None
    folder: Path
    write_labels: bool
    write_valid: bool
    tile_px: int
    stride_px: int
    num_classes: int
    part: int
    num_parts: int


@dataclass(frozen=True, kw_only=True)
class CutTile:
    """A place of the grid: its tile, or None where too little of the image is there, and what the label holds.

    `counts` (K + 2) are its pixels where the image has data: by class, ignored, without a label. `contents` and
    `hidden` count the pixels of the label by value, colour or attribute, those that it declares to be without data
    apart, and `blank` (3) what `count_blank` does; every pixel of a scene belongs to one place there, also where tiles
    overlap.
    """

    box: Box
    tile: Tile | None
    counts: NDArray[np.int64]
    contents: Mapping[str, int]
    hidden: Mapping[str, int]
    blank: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class CutPart:
    """Tiles of some rows of a scene.

    Attributes:
        task: What was cut.
        tiles: All places of the grid in these rows.
        cells: Pixels of the parts of which tiles consist, none of which overlap, by window: shape (2, K + 2), first
            where the image has data, then where it has none; by class, ignored, without a label.
        polygons: What became of the polygons of the scene, in its first part; None in others, and for rasters.
    """

    task: CutTask
    tiles: Sequence[CutTile]
    cells: Mapping[Box, NDArray[np.int64]]
    polygons: PolygonFacts | None


def cut_part(task: CutTask) -> CutPart:
    """Cut some rows of a scene's tiles; only what a tile needs is read at a time.

    Raises:
        DataNotFound: The image or the label does not exist.
        DataError: A file cannot be read, or the label holds what belongs to no class.
    """
    import rasterio

    with rasterio.Env(GDAL_CACHEMAX=CACHE_MIB << 20):
        opened = _open(task.scene, task.region, task.labels, _frozen(task.stretch))
        for kind, is_written in zip(KINDS, (True, task.write_labels, False), strict=True):
            if is_written:
                (task.folder / kind).mkdir(parents=True, exist_ok=True)
        cells: dict[Box, NDArray[np.int64]] = {}
        tiles = [_cut_tile(place, opened, task, cells) for place in _places(opened.scene, task)]
    polygons = opened.label.polygons if opened.label is not None and task.part == 0 else None
    return CutPart(
        task=task,
        tiles=tiles,
        cells=cells,
        polygons=None if polygons is None else polygons.facts,
    )


def close_scene() -> None:
    """Close the scene that this process cut last."""
    _open.cache_clear()


@dataclass
class _Opened:
    """An open scene with its label; the files close with it."""

    scene: Scene
    label: LabelReader | None

    def __del__(self) -> None:
        self.scene.close()
        if self.label is not None:
            self.label.close()


# A plain image is decoded whole when it is opened: once for all of its parts.
@lru_cache(maxsize=1)
def _open(
    files: SceneFiles, region: SceneRegion, labels: LabelSource | None, stretch: tuple[tuple[float, ...], ...] | None
) -> _Opened:
    scene = Scene(files.image, bands=region.bands, stretch=stretch, nodata=region.nodata)
    try:
        label = None if labels is None or files.label is None else LabelReader(labels, scene.info, files.label)
    except BaseException:
        scene.close()
        raise
    return _Opened(scene=scene, label=label)


def _frozen(stretch: list[list[float]] | None) -> tuple[tuple[float, ...], ...] | None:
    return None if stretch is None else tuple(map(tuple, stretch))


@dataclass(frozen=True)
class _Place:
    """A tile's window, the part of it that no later tile covers, and the cells that it consists of."""

    box: Box
    own: Box
    cells: Sequence[Box]


def _places(scene: Scene, task: CutTask) -> list[_Place]:
    """Return the places of this part's rows of tiles."""
    columns = _spans(scene.info.width_px, task.tile_px, task.stride_px)
    rows = _spans(scene.info.height_px, task.tile_px, task.stride_px)
    first, end = (len(rows) * part // task.num_parts for part in (task.part, task.part + 1))
    return [
        _Place(
            box=Box(column.start, row.start, column.end, row.end),
            own=Box(column.start, row.start, column.own_end, row.own_end),
            cells=[Box(x0, y0, x1, y1) for y0, y1 in row.cells for x0, x1 in column.cells],
        )
        for row in rows[first:end]
        for column in columns
    ]


@dataclass(frozen=True)
class _Span:
    """A tile along one side: first and last pixel, where the next tile begins, and the cells in it."""

    start: int
    end: int
    own_end: int
    cells: Sequence[tuple[int, int]]


def _spans(size_px: int, tile_px: int, stride_px: int) -> list[_Span]:
    origins = tile_origins(size_px, tile_px, stride_px)
    ends = [min(origin + tile_px, size_px) for origin in origins]
    edges = sorted({*origins, *ends})
    return [
        _Span(
            start=start,
            end=end,
            own_end=origins[number + 1] if number + 1 < len(origins) else size_px,
            cells=[(x0, x1) for x0, x1 in pairwise(edges) if start <= x0 and x1 <= end],
        )
        for number, (start, end) in enumerate(zip(origins, ends, strict=True))
    ]


def _cut_tile(place: _Place, opened: _Opened, task: CutTask, cells: dict[Box, NDArray[np.int64]]) -> CutTile:
    box = place.box
    rgb_HW3, valid_HW = opened.scene.read_rgb(box)
    kinds_HW = np.full(valid_HW.shape, task.num_classes + 1, dtype=np.uint8)
    contents: Mapping[str, int] = {}
    hidden: Mapping[str, int] = {}
    classes_HW = kinds_HW
    if opened.label is not None:
        window = opened.label.read(box)
        own = window if place.own == box else opened.label.read(place.own)
        contents, hidden, classes_HW = own.contents, own.hidden, window.classes_HW
        kinds_HW = np.where(window.no_data_HW, kinds_HW, np.minimum(classes_HW, np.uint8(task.num_classes)))
    for cell in place.cells:
        if cell not in cells:
            part = np.s_[cell.y0 - box.y0 : cell.y1 - box.y0, cell.x0 - box.x0 : cell.x1 - box.x0]
            cells[cell] = _count(kinds_HW[part], valid_HW[part], task.num_classes)
    own_part = np.s_[: place.own.y1 - box.y0, : place.own.x1 - box.x0]
    tile = None
    # Padding is not nodata: the share is that of the pixels that the scene has.
    if np.count_nonzero(valid_HW) >= MIN_VALID * valid_HW.size:
        names = {"scene": task.scene.scene, "stem": task.scene.stem}
        tile = make_tile(opened.scene.info, box, valid_HW, **names, tile_px=task.tile_px)
        img_path, ann_path, valid_path = (task.folder / kind / tile.name for kind in KINDS)
        write_image_tile(img_path, rgb_HW3, valid_HW, task.tile_px)
        if task.write_labels:
            write_label_tile(ann_path, classes_HW, valid_HW, task.tile_px, IGNORE)
        if task.write_valid:
            write_valid_tile(valid_path, valid_HW, task.tile_px)
    return CutTile(
        box=box,
        tile=tile,
        counts=_count(kinds_HW, valid_HW, task.num_classes)[0],
        contents=contents,
        hidden=hidden,
        blank=count_blank(rgb_HW3[own_part], valid_HW[own_part]),
    )


def _count(kinds_HW: NDArray[np.uint8], valid_HW: NDArray[np.bool_], num_classes: int) -> NDArray[np.int64]:
    length = num_classes + 2
    return np.stack(
        [np.bincount(kinds_HW[mask_HW].ravel(), minlength=length) for mask_HW in (valid_HW, ~valid_HW)]
    ).astype(np.int64)
