"""Seams of maps, and what a map owes to the way its scene was cut: probabilities of a trained run, in float.

    rs-adapt train --bench synthetic-da --work-dir RUN
    python benchmarks/map_seams.py RUN [--size-px 640]

Scenes of the synthetic target are drawn and predicted with every kind of blending. The table has the mean jump of
the probabilities (half the sum over the classes of absolute differences) from one pixel to the next across the borders
of tiles, in both directions, and that across the other borders of the backbone's patches, where probabilities change
most without tiles, too; without seams the ratio is 1. Then crops are compared with the whole scene, a tile away from
the crop's edges: a crop that starts at a multiple of the tile's step, and one that does not; the largest and the mean
difference of a probability, and the share of pixels whose class differs.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

from rs_adapt.datasets.synthetic.regions import SOUTH
from rs_adapt.datasets.synthetic.scenes import make_scene
from rs_adapt.inference.checkpoint import recompose
from rs_adapt.inference.predictor import Predictor
from rs_adapt.prediction.grid import MapGrid
from rs_adapt.prediction.reading import read_tile_row
from rs_adapt.scenes import Scene, write_geotiff
from rs_adapt.tiles.blend import Blending, RowBlender

BATCH = 8
# Name, blending, share of a tile that neighbours share.
WAYS: tuple[tuple[str, Blending, float], ...] = (
    ("hann", "hann", 0.25),
    ("cosine", "cosine", 0.25),
    ("flat", "flat", 0.25),
    ("hann, half a tile", "hann", 0.5),
    ("hard cuts", "flat", 0.0),
)


def predict(
    predictor: Predictor, image_HW3: NDArray[np.uint8], tile_px: int, overlap_px: int, kind: Blending
) -> NDArray[np.float32]:
    """Return the probabilities of an image, float32 (K, H, W), by the tiles and weights of `rs-adapt predict`."""
    height_px, width_px = image_HW3.shape[:2]
    grid = MapGrid(width_px=width_px, height_px=height_px, tile_px=tile_px, overlap_px=overlap_px, panel_px=width_px)
    (panel,) = grid.panels()
    columns = panel.last - panel.first
    high, wide = ((count - 1) * grid.stride_px + tile_px for count in (grid.rows, columns))
    blender = RowBlender(height_px=high, width_px=wide, num_channels=predictor.num_classes, tile_px=tile_px, kind=kind)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        write_geotiff(Path(folder) / "scene.tif", image_HW3, nodata=0)
        with Scene(Path(folder) / "scene.tif") as scene:
            for row in range(grid.rows):
                tiles = read_tile_row(scene, grid, panel, row)
                for first in range(0, columns, BATCH):
                    positions = range(first, min(first + BATCH, columns))
                    batch = predictor.predict_tiles(np.stack([tiles.tile(position) for position in positions]))
                    for position, tile_KHW in zip(positions, batch, strict=True):
                        blender.add(position * grid.stride_px, row * grid.stride_px, tile_KHW)
                is_last = row == grid.rows - 1
                rows.append(blender.take(high if is_last else (row + 1) * grid.stride_px)[1])
    top, left = -grid.tile_top(0), -grid.tile_left(panel.first)
    return np.concatenate(rows, axis=1)[:, top : top + height_px, left : left + width_px]


def jumps(values_KHW: NDArray[np.float32], tile_px: int, overlap_px: int, patch_px: int) -> tuple[float, float]:
    """Return the mean jump across the borders of tiles, and that across other borders of patches."""
    across, inside = [], []
    stride_px, margin_px = tile_px - overlap_px, overlap_px // 2
    for axis in (1, 2):
        jump_HW = np.abs(np.diff(values_KHW, axis=axis)).sum(axis=0) / 2
        side = values_KHW.shape[axis]
        starts = np.arange(0, side + stride_px, stride_px) - margin_px
        # The jump at position i is from pixel i to pixel i + 1.
        borders = np.unique(np.concatenate([starts, starts + tile_px]) - 1)
        borders = borders[(borders > 0) & (borders < side - 1)]
        away = np.setdiff1d(np.arange(patch_px - 1, side - 1, patch_px), borders)
        across.append(jump_HW.take(borders, axis=axis - 1).mean())
        inside.append(jump_HW.take(away, axis=axis - 1).mean())
    return float(np.mean(across)), float(np.mean(inside))


def scenes(count: int, size_px: int) -> Iterator[NDArray[np.uint8]]:
    """Draw scenes of the target without an edge that has no data."""
    for number in range(count):
        image_HW3, _ = make_scene(SOUTH, seed=7, split="test", number=number, size_px=size_px)
        yield np.maximum(image_HW3, 1)


def main() -> None:
    """Print a row for each blending and crop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--size-px", type=int, default=640)
    parser.add_argument("--tile-px", type=int, default=128)
    parser.add_argument("--scenes", type=int, default=2)
    args = parser.parse_args()
    predictor = Predictor.load(recompose(args.run), args.run, device="cpu")
    images = list(scenes(args.scenes, args.size_px))
    tile_px = args.tile_px
    print("| blending | overlap | jump: across, inside | ratio | crop | largest, mean difference | other class |")
    print("|---|---|---|---|---|---|---|")
    for name, kind, share in WAYS:
        overlap_px = int(share * tile_px)
        stride_px = tile_px - overlap_px
        wholes = [predict(predictor, image_HW3, tile_px, overlap_px, kind) for image_HW3 in images]
        across, inside = np.mean(
            [jumps(whole_KHW, tile_px, overlap_px, predictor.patch_px) for whole_KHW in wholes], axis=0
        )
        seam = f"{across:.5f}, {inside:.5f} | {across / inside:.3f}"
        for cut, offset in (("on the grid", stride_px), ("off the grid", stride_px + stride_px // 2 + 5)):
            differences, changed = [], []
            for image_HW3, whole_KHW in zip(images, wholes, strict=True):
                crop_KHW = predict(predictor, image_HW3[offset:, offset:], tile_px, overlap_px, kind)
                # A tile from the edges of the crop no tile reaches beyond them.
                inner = slice(tile_px, -tile_px)
                part_KHW, same_KHW = crop_KHW[:, inner, inner], whole_KHW[:, offset:, offset:][:, inner, inner]
                differences.append(np.abs(part_KHW - same_KHW))
                changed.append((part_KHW.argmax(axis=0) != same_KHW.argmax(axis=0)).mean())
            largest, mean = max(part.max() for part in differences), np.mean([part.mean() for part in differences])
            sizes = f"{largest:.1e}, {mean:.1e} | {100 * np.mean(changed):.3f} %"
            print(f"| {name} | {overlap_px} | {seam} | {cut} | {sizes} |", flush=True)


if __name__ == "__main__":
    main()
