"""Cut originals as published protocols do: every tile of the grid, and pixels as they are stored (H/W pixels, C bands).

Unlike `cut_scene`, nothing is left out or masked here: the tiles have to be those that others train on.
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from PIL import Image

from rs_adapt.errors import DataError
from rs_adapt.scenes import Box, Scene, colours_to_classes, count_off_legend, write_geotiff
from rs_adapt.tiles.cut import PNG_LEVEL, pad_tile
from rs_adapt.tiles.grid import tile_boxes, tile_origins

# MiB of decoded blocks that GDAL keeps; its default is a share of the machine's memory, for each process.
_GDAL_CACHE_MIB = 256
_COLOURS_KEPT = 1000
# Of 8 bit.
_VALUES = 256


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The way to cut the originals of a data set.

    Attributes:
        tile_px: Side of a tile; None where each tile is a whole image.
        stride_px: Step of the grid; the last tile of a row or column is aligned with the edge. None with `tile_px`.
        num_bands: Bands of a tile, the first ones of the file.
        legend: RGB colour -> label value; None for labels that hold values.
        label_values: Values that the label of a tile may hold.
        renumbered: Value of an original label -> value in the tile, of labels that hold values; empty to keep them.
        ignore_value: Label value of padding and of colours that are not in the legend.
        image_tile: Path of an image's tile, with the fields {x0}, {y0}, {x1}, {y1} and those of the scene.
        label_tile: Path of a label's tile.
    """

    tile_px: int | None
    stride_px: int | None
    num_bands: int
    legend: Mapping[Sequence[int], int] | None
    label_values: tuple[int, ...]
    renumbered: Mapping[int, int] = field(default_factory=dict)
    ignore_value: int
    image_tile: str
    label_tile: str

    def files(self, width_px: int, height_px: int, fields: Mapping[str, str | None]) -> list[tuple[Box, str, str]]:
        """Return window, image path and label path of every tile of a scene, row by row.

        Args:
            width_px: Width of the scene.
            height_px: Height of the scene.
            fields: Scene, split and region, as the patterns name them.
        """
        files = []
        if self.tile_px is None or self.stride_px is None:
            boxes = [Box(0, 0, width_px, height_px)]
        else:
            boxes = tile_boxes(width_px, height_px, self.tile_px, self.stride_px)
        for box in boxes:
            # A padded tile is named by its own size, not by that of the scene.
            x1, y1 = (box.x1, box.y1) if self.tile_px is None else (box.x0 + self.tile_px, box.y0 + self.tile_px)
            whole = {"x0": box.x0, "y0": box.y0, "x1": x1, "y1": y1}
            files.append((box, self.image_tile.format(**fields, **whole), self.label_tile.format(**fields, **whole)))
        return files


@dataclass(frozen=True, kw_only=True)
class CutOriginal:
    """The tiles that were cut from an original.

    Attributes:
        size_px: Width and height of the scene.
        num_tiles: Tiles of the image, and of the label.
        sha256: Over names and bytes of all tiles.
        off_legend: RGB colour -> pixels of the scene with a colour that is not in the legend.
    """

    size_px: tuple[int, int]
    num_tiles: int
    sha256: str
    off_legend: Mapping[tuple[int, int, int], int]


def cut_original(
    image: Path, label: Path, *, recipe: Recipe, folder: Path, fields: Mapping[str, str | None], names: tuple[str, str]
) -> CutOriginal:
    """Cut an image and its label, window by window.

    A scene smaller than a tile is padded at the right and below: image 0, label `ignore_value`.

    Args:
        image: 8-bit raster.
        label: RGB colours, or one band of values; of the image's size.
        recipe: How.
        folder: Folder that the paths of tiles are relative to.
        fields: Scene, split and region, for the paths.
        names: Names of image and label, for messages.

    Raises:
        DataError: A file cannot be read, is not of 8 bit, has too few bands, image and label differ in size, or the
            label holds a value that it may not.
    """
    digest = hashlib.sha256()
    off_legend: Counter[tuple[int, int, int]] = Counter()
    with (
        rasterio.Env(GDAL_CACHEMAX=_GDAL_CACHE_MIB << 20),
        _scene(image, names[0]) as scene,
        _scene(label, names[1]) as truth,
    ):
        width_px, height_px = scene.info.width_px, scene.info.height_px
        label_size = (truth.info.width_px, truth.info.height_px)
        if label_size != (width_px, height_px):
            raise DataError(
                f"{names[1]} is {label_size[0]} x {label_size[1]} px, its image {names[0]} {width_px} x {height_px}. "
                "Both must be of one size: fetch them again."
            )
        files = recipe.files(width_px, height_px, fields)
        bands = range(1, recipe.num_bands + 1)
        columns, rows = (_own_starts(side_px, recipe) for side_px in (width_px, height_px))
        for box, image_tile, label_tile in files:
            pixels_HWC = _read(scene, box, bands, names[0])
            # Tiles overlap: only what no earlier tile holds is counted.
            own = (slice(rows[box.y0] - box.y0, None), slice(columns[box.x0] - box.x0, None))
            values_HW = _label(truth, box, recipe, names[1], off_legend, own)
            for name, tile, fill in ((image_tile, pixels_HWC, 0), (label_tile, values_HW, recipe.ignore_value)):
                padded = tile if recipe.tile_px is None else pad_tile(tile, recipe.tile_px, fill)
                content = _write(folder / name, padded)
                digest.update(name.encode() + b"\0" + content)
    return CutOriginal(
        size_px=(width_px, height_px),
        num_tiles=len(files),
        sha256=digest.hexdigest(),
        off_legend=dict(off_legend.most_common()),
    )


def tiles_sha256(recipe: Recipe, size_px: Sequence[int], *, folder: Path, fields: Mapping[str, str | None]) -> str:
    """Return the digest of a scene's tiles as they are on disk, comparable with `CutOriginal.sha256`.

    Raises:
        OSError: A tile is missing or cannot be read.
    """
    digest = hashlib.sha256()
    for _, *names in recipe.files(size_px[0], size_px[1], fields):
        for name in names:
            digest.update(name.encode() + b"\0" + (folder / name).read_bytes())
    return digest.hexdigest()


def _scene(path: Path, name: str) -> Scene:
    try:
        return Scene(path, bands=(1, 1, 1))
    except DataError as error:
        # A file of an archive has a temporary path, which tells nobody anything.
        raise DataError(f"{name}: {error}") from error


def _read(scene: Scene, box: Box, bands: Sequence[int], name: str) -> NDArray[np.uint8]:
    try:
        return scene.read_stored(box, bands)
    except DataError as error:
        raise DataError(f"{name}: {error}") from error


def _label(
    truth: Scene,
    box: Box,
    recipe: Recipe,
    name: str,
    off_legend: Counter[tuple[int, int, int]],
    own: tuple[slice, slice],
) -> NDArray[np.uint8]:
    if recipe.legend is not None:
        rgb_HW3 = _read(truth, box, (1, 2, 3), name)
        values_HW, num_off = colours_to_classes(rgb_HW3, recipe.legend, off_legend=recipe.ignore_value)
        if num_off:
            off_legend.update(dict(count_off_legend(rgb_HW3[own], recipe.legend, most=_COLOURS_KEPT)))
        return values_HW
    try:
        values_HW, _ = truth.read_classes(box)
    except DataError as error:
        raise DataError(f"{name}: {error}") from error
    allowed = {*recipe.renumbered, recipe.ignore_value} if recipe.renumbered else {*recipe.label_values}
    unknown = sorted({int(value) for value in np.unique(values_HW)} - allowed)
    if unknown:
        raise DataError(f"{name} holds the label values {unknown}; allowed are {sorted(allowed)}.")
    if not recipe.renumbered:
        return values_HW
    table = np.full(_VALUES, recipe.ignore_value, np.uint8)
    table[list(recipe.renumbered)] = list(recipe.renumbered.values())
    return table[values_HW]


def _own_starts(side_px: int, recipe: Recipe) -> dict[int, int]:
    """First pixel of each tile along a side -> first pixel that the tile before it does not hold."""
    if recipe.tile_px is None or recipe.stride_px is None:
        return {0: 0}
    origins = tile_origins(side_px, recipe.tile_px, recipe.stride_px)
    return {x0: max(x0, before + recipe.tile_px) for before, x0 in pairwise([-recipe.tile_px, *origins])}


def _write(path: Path, array: NDArray[np.uint8]) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".tif":
        write_geotiff(path, array)
        return path.read_bytes()
    buffer = io.BytesIO()
    picture: Any = Image.fromarray(array)
    picture.save(buffer, "PNG", compress_level=PNG_LEVEL)
    path.write_bytes(buffer.getvalue())
    return buffer.getvalue()
