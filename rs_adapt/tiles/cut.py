"""Cut a scene and its label into PNG tiles (H/W pixels)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rs_adapt.errors import ConfigError, DataError
from rs_adapt.scenes import Box, Scene, SceneInfo, colours_to_classes, count_off_legend
from rs_adapt.tiles.grid import tile_boxes, tile_name
from rs_adapt.tiles.index import Tile

# The fastest levels of zlib write the same pixels in a fraction of the time; tiles are read far more often than sent.
PNG_LEVEL = 1
# Smallest share of valid pixels, of those that the scene has in a tile; padding does not count.
MIN_VALID = 0.5


def cut_scene(
    image: Path,
    label: Path | None,
    *,
    img_dir: Path,
    ann_dir: Path | None,
    tile_px: int,
    stride_px: int,
    ignore_value: int,
    stem: str | None = None,
    bands: Sequence[int] | None = None,
    legend: Mapping[Sequence[int], int] | None = None,
    allowed_values: Sequence[int] | None = None,
    min_valid: float = MIN_VALID,
    stretch: Sequence[Sequence[float]] | None = None,
) -> list[Tile]:
    """Cut a scene into RGB tiles and, where there is a label, into 8-bit label tiles of the same names.

    A scene smaller than a tile is padded at the right and at the bottom: image 0, label `ignore_value`. Label pixels
    where the image or the label has no data become `ignore_value`. Which tiles are kept depends on the image alone,
    so that a labelled and an unlabelled copy of a scene give the same tiles.

    Args:
        image: The scene, GeoTIFF or jpg/png.
        label: Its class values (one band), or colours that `legend` translates; None cuts the image only.
        img_dir: Folder for image tiles, made if absent.
        ann_dir: Folder for label tiles, made if absent; None only without `label`.
        tile_px: Side of a tile.
        stride_px: Step of the grid, at most `tile_px`.
        ignore_value: Label value of pixels that do not count (255, or 0 for benches with `reduce_zero_label`).
        stem: First part of the tiles' names; None takes the image's stem.
        bands: 1-based bands that become red, green and blue.
        legend: RGB colour -> class value, for labels painted in colours.
        allowed_values: Label values that may occur besides `ignore_value`; None allows all.
        min_valid: Smallest share of valid pixels, 0 to 1, of those that the scene has in a tile that is kept.
        stretch: Values that become 0 and 255, a pair by channel; None as in `Scene`.

    Returns:
        The kept tiles, row by row.

    Raises:
        DataNotFound: The image or the label does not exist.
        DataError: A file cannot be read, sizes of image and label differ, or the label holds unknown values or colours.
        ConfigError: A label is given without `ann_dir`.
    """
    if label is not None and ann_dir is None:
        raise ConfigError(f"Label {label} is given without a folder for its tiles: give ann_dir too.")
    stem = image.stem if stem is None else stem
    img_dir.mkdir(parents=True, exist_ok=True)
    with Scene(image, bands=bands, stretch=stretch) as scene:
        info = scene.info
        classes = None if label is None else _read_label(label, info, ignore_value, legend, allowed_values)
        if ann_dir is not None:
            ann_dir.mkdir(parents=True, exist_ok=True)
        tiles = []
        for box in tile_boxes(info.width_px, info.height_px, tile_px, stride_px):
            rgb_HW3, valid_HW = scene.read_rgb(box)
            if np.count_nonzero(valid_HW) < min_valid * valid_HW.size:
                continue
            tile = make_tile(info, box, valid_HW, scene=image.name, stem=stem, tile_px=tile_px)
            write_image_tile(img_dir / tile.name, rgb_HW3, valid_HW, tile_px)
            if classes is not None and ann_dir is not None:
                part_HW = classes[box.y0 : box.y1, box.x0 : box.x1]
                write_label_tile(ann_dir / tile.name, part_HW, valid_HW, tile_px, ignore_value)
            tiles.append(tile)
    return tiles


def _read_label(
    label: Path,
    image: SceneInfo,
    ignore_value: int,
    legend: Mapping[Sequence[int], int] | None,
    allowed_values: Sequence[int] | None,
) -> NDArray[np.uint8]:
    with Scene(label) as scene:
        size, wanted = (scene.info.width_px, scene.info.height_px), (image.width_px, image.height_px)
        if size != wanted:
            raise DataError(
                f"Label {label} is {size[0]} x {size[1]} px, its image {image.path} is {wanted[0]} x {wanted[1]} px: "
                "they must be of the same size."
            )
        if legend is None:
            classes_HW, valid_HW = scene.read_classes()
        else:
            rgb_HW3, valid_HW = scene.read_rgb()
            classes_HW, num_off = colours_to_classes(rgb_HW3, legend, off_legend=ignore_value)
            if num_off:
                found = ", ".join(f"{rgb} ({n} px)" for rgb, n in count_off_legend(rgb_HW3, legend))
                raise DataError(f"Label {label} has {num_off} pixels of colours that are not in its legend: {found}.")
    classes_HW = np.where(valid_HW, classes_HW, np.uint8(ignore_value))
    if allowed_values is not None:
        unknown = sorted({int(v) for v in np.unique(classes_HW)} - {*allowed_values, ignore_value})
        if unknown:
            raise DataError(f"Label {label} holds the values {unknown}; allowed are {sorted(allowed_values)}.")
    return classes_HW


def make_tile(info: SceneInfo, box: Box, valid_HW: NDArray[np.bool_], *, scene: str, stem: str, tile_px: int) -> Tile:
    """Return the entry of a tile in the index.

    Args:
        info: Facts of the scene.
        box: The tile's window.
        valid_HW: Where the image has data.
        scene: Name of the scene.
        stem: First part of the tile's name.
        tile_px: Side of a tile.
    """
    return Tile(
        name=tile_name(stem, box),
        scene=scene,
        box=box,
        transform=_shifted(info.transform, box),
        crs=info.crs,
        valid_share=round(float(np.count_nonzero(valid_HW)) / tile_px**2, 6),
    )


def write_image_tile(path: Path, rgb_HW3: NDArray[np.uint8], valid_HW: NDArray[np.bool_], tile_px: int) -> None:
    """Write an image tile, 0 where the image has no data and in the padding; `rgb_HW3` is changed."""
    rgb_HW3[~valid_HW] = 0
    _write_png(path, pad_tile(rgb_HW3, tile_px, 0))


def write_label_tile(
    path: Path, classes_HW: NDArray[np.uint8], valid_HW: NDArray[np.bool_], tile_px: int, ignore_value: int
) -> None:
    """Write a label tile, `ignore_value` where the image has no data and in the padding."""
    _write_png(path, pad_tile(np.where(valid_HW, classes_HW, np.uint8(ignore_value)), tile_px, ignore_value))


def write_valid_tile(path: Path, valid_HW: NDArray[np.bool_], tile_px: int) -> None:
    """Write where a tile shows an image, 1 or 0; no file is written where all of it does."""
    if valid_HW.all() and valid_HW.shape == (tile_px, tile_px):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_png(path, pad_tile(valid_HW.astype(np.uint8), tile_px, 0))


def pad_tile(array: NDArray[np.uint8], tile_px: int, value: int) -> NDArray[np.uint8]:
    """Fill an array of shape (H, W) or (H, W, C) up to `tile_px` at the right and at the bottom."""
    height_px, width_px = array.shape[:2]
    if (height_px, width_px) == (tile_px, tile_px):
        return array
    padded = np.full((tile_px, tile_px, *array.shape[2:]), value, dtype=np.uint8)
    padded[:height_px, :width_px] = array
    return padded


def _shifted(transform: Sequence[float], box: Box) -> tuple[float, ...]:
    a, b, c, d, e, f = transform
    return (a, b, a * box.x0 + b * box.y0 + c, d, e, d * box.x0 + e * box.y0 + f)


def _write_png(path: Path, array: NDArray[np.uint8]) -> None:
    Image.fromarray(array).save(path, compress_level=PNG_LEVEL)
