"""Finished strips to GeoTIFFs: tiled, compressed, with overviews, in the order that servers read (COG)."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import Affine
from rasterio.windows import Window

from rs_adapt.errors import DataError
from rs_adapt.files import atomic_file
from rs_adapt.prediction.grid import MapGrid
from rs_adapt.prediction.layers import NODATA, SHARE_STEP, Layer, Pixels, is_float
from rs_adapt.prediction.place import MapPlace
from rs_adapt.prediction.strips import StripStore

_BLOCK_PX = 512
# Layers with a band for each class.
_BY_CLASS: tuple[Layer, ...] = ("probabilities", "probabilities_float")
# Of a GeoTIFF that is read once, by `copy_as_cog`, and removed: only the final file is compressed well.
STAGED: dict[str, object] = {
    "driver": "GTiff",
    "tiled": True,
    "blockxsize": _BLOCK_PX,
    "blockysize": _BLOCK_PX,
    "interleave": "band",
    "compress": "deflate",
    "zlevel": 1,
    "bigtiff": "if_safer",
    "sparse_ok": True,
}
# Memory (MiB) in which GDAL may keep blocks.
CACHE_MIB = 128


@dataclass(frozen=True, kw_only=True)
class MapClasses:
    """The classes of a map.

    Attributes:
        names: In index order.
        palette: Red, green, blue (0 to 255) of each class.
    """

    names: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]


def write_map(
    out: Path,
    store: StripStore,
    grid: MapGrid,
    *,
    layer: Layer,
    place: MapPlace,
    classes: MapClasses,
    facts: dict[str, str],
    on_rows: Callable[[int], None],
) -> None:
    """Write a layer of a map as a cloud-optimized GeoTIFF, complete or not at all.

    Args:
        out: The file.
        store: All strips.
        grid: The tiles.
        layer: Which layer of the strips.
        place: Coordinate system and transform, or ground control points.
        classes: Names and colours.
        facts: Tags of the file: model, version.
        on_rows: Called with the number of rows written since the last call.

    Raises:
        DataError: A strip was damaged; repeat the command, which predicts it again.
    """
    num_bands = len(classes.names) if layer in _BY_CLASS else 1
    profile: dict[str, object] = STAGED | {
        "width": grid.width_px,
        "height": grid.height_px,
        "count": num_bands,
        "dtype": "float32" if is_float(layer) else "uint8",
        "nodata": math.nan if is_float(layer) else NODATA,
    }
    if num_bands > 3:
        profile |= {"photometric": "minisblack"}
    if place.crs is not None and not place.gcps:
        profile["crs"] = place.crs
    if place.transform is not None:
        profile["transform"] = Affine(*place.transform[:6])
    staged = store.folder / f"{layer}.tif"
    with rasterio.Env(GDAL_CACHEMAX=CACHE_MIB << 20), warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(staged, "w", **profile) as dataset:
            _describe(dataset, layer, classes, facts)
            if place.gcps:
                dataset.gcps = (list(place.gcps), rasterio.crs.CRS.from_wkt(place.crs) if place.crs else None)
            for first, rows in block_rows(store, grid, layer):
                dataset.write(rows, window=Window(0, first, grid.width_px, rows.shape[1]))
                on_rows(rows.shape[1])
        with atomic_file(out) as temporary:
            copy_as_cog(staged, temporary, is_of_classes=layer == "classes", is_float=is_float(layer))
    staged.unlink()


def copy_as_cog(staged: Path, out: Path, *, is_of_classes: bool, is_float: bool = False) -> None:
    """Copy a staged GeoTIFF into the order that servers read, compressed and with overviews.

    Args:
        staged: A file with the profile `STAGED`.
        out: The file.
        is_of_classes: Whether its values are numbers of classes, whose mean would be a class that is not there.
        is_float: Whether its values are floats.
    """
    rasterio.shutil.copy(
        staged,
        out,
        driver="COG",
        compress="deflate",
        predictor="yes" if is_float else "no",
        blocksize=_BLOCK_PX,
        overview_resampling="mode" if is_of_classes else "average",
        bigtiff="if_safer",
    )


def _describe(dataset: rasterio.io.DatasetWriter, layer: Layer, classes: MapClasses, facts: dict[str, str]) -> None:
    """Write what the values mean into the file: colours and names, or the scale of shares."""
    dataset.update_tags(layer=layer, class_names=json.dumps(list(classes.names)), **facts)
    if layer == "classes":
        colours = {value: (*rgb, 255) for value, rgb in enumerate(classes.palette)}
        dataset.write_colormap(1, colours | {NODATA: (0, 0, 0, 0)})
        dataset.set_band_description(1, "class")
        dataset.update_tags(1, **{f"class_{value}": name for value, name in enumerate(classes.names)})
        return
    names = classes.names if layer in _BY_CLASS else (layer.removesuffix("_float"),)
    for band, name in enumerate(names, start=1):
        dataset.set_band_description(band, name)
    if not is_float(layer):
        dataset.scales = (SHARE_STEP,) * len(names)


def block_rows(store: StripStore, grid: MapGrid, layer: Layer) -> Iterator[tuple[int, Pixels]]:
    """Yield the map from top to bottom in whole rows of blocks: first pixel row, and values (bands, rows, W)."""
    waiting: list[Pixels] = []
    height_px, first = 0, 0
    for row in range(grid.rows):
        strip = _full_strip(store, grid, layer, row)
        waiting.append(strip)
        height_px += strip.shape[1]
        ready = height_px if row == grid.rows - 1 else height_px // _BLOCK_PX * _BLOCK_PX
        if ready:
            rows = np.concatenate(waiting, axis=1)
            yield first, rows[:, :ready]
            first, waiting, height_px = first + ready, [rows[:, ready:]], height_px - ready


def _full_strip(store: StripStore, grid: MapGrid, layer: Layer, row: int) -> Pixels:
    parts: list[Pixels] = []
    start, stop = grid.finished_rows(row)
    for panel in grid.panels():
        part = store.read(panel.index, row, layer)
        if part is None or part.shape[-2:] != (stop - start, panel.x1 - panel.x0):
            raise DataError(
                f"A strip of the map in {store.folder} was damaged and has been removed. Repeat the command: it "
                "predicts this strip again."
            )
        parts.append(part if part.ndim == 3 else part[None])
    return np.concatenate(parts, axis=2)


def layer_file(out: Path, layer: Layer) -> Path:
    """Return the file of a layer beside the map of classes, such as `map_confidence.tif` beside `map.tif`."""
    return out if layer == "classes" else out.with_name(f"{out.stem}_{layer}{out.suffix}")
