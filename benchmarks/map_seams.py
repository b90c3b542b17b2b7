"""Seams of maps, and what a map owes to the way its scene was cut: probabilities of a trained run, in float.

    rs-adapt train --bench synthetic-da --work-dir RUN
    python benchmarks/map_seams.py RUN [--size-px 640] [--scenes 2] [--crops 5]

Scenes of the synthetic target are drawn and predicted with every kind of blending. The first table has the mean jump of
the probabilities (half the sum over the classes of absolute differences) from one pixel to the next across the borders
of tiles, in both directions, and that across the other borders of the backbone's patches, where probabilities change
most without tiles, too; without seams the ratio is 1. The second compares maps of crops at random places, three tiles
wide, with the map of the whole scene, by the distance of a pixel from the crop's edges: the mean and the largest
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
import rasterio
from numpy.typing import NDArray

from rs_adapt.datasets.synthetic.regions import SOUTH
from rs_adapt.datasets.synthetic.scenes import make_scene
from rs_adapt.inference.checkpoint import recompose
from rs_adapt.inference.predictor import Predictor
from rs_adapt.prediction.appearance import Appearance
from rs_adapt.prediction.predict import predict_scene
from rs_adapt.prediction.settings import MapSettings
from rs_adapt.prediction.strips import remove_store
from rs_adapt.prediction.writing import MapClasses
from rs_adapt.scenes import write_geotiff
from rs_adapt.tiles.blend import Blending

# Name, blending, share of a tile that neighbours share.
WAYS: tuple[tuple[str, Blending, float], ...] = (
    ("Hann", "hann", 0.25),
    ("cosine", "cosine", 0.25),
    ("flat", "flat", 0.25),
    ("Hann, half a tile", "hann", 0.5),
    ("hard cuts", "flat", 0.0),
)
# Distances from a crop's edge, in tiles.
BANDS = (0.0, 0.125, 0.25, 0.5, 0.75, 1.0)
PIXEL_M = 0.5
# Of the first scene; tiles that overlap lie at multiples of their step from (0, 0).
CORNER_PX = (1_000_000, 10_000_000)


def predict(
    predictor: Predictor,
    image_HW3: NDArray[np.uint8],
    tile_px: int,
    overlap_px: int,
    kind: Blending,
    left_top: tuple[int, int] = (0, 0),
) -> NDArray[np.float32]:
    """Return the probabilities of an image, float32 (K, H, W), as the file has them that `rs-adapt predict` writes."""
    names = tuple(str(number) for number in range(predictor.num_classes))
    place = ((CORNER_PX[0] + left_top[0]) * PIXEL_M, (CORNER_PX[1] - left_top[1]) * PIXEL_M)
    with tempfile.TemporaryDirectory() as folder:
        scene, out = Path(folder) / "scene.tif", Path(folder) / "map.tif"
        transform = (PIXEL_M, 0.0, place[0], 0.0, -PIXEL_M, place[1])
        write_geotiff(scene, image_HW3, crs="EPSG:32632", transform=transform, nodata=0)
        record = predict_scene(
            predictor,
            scene,
            out,
            appearance=Appearance(),
            classes=MapClasses(names=names, palette=((0, 0, 0),) * len(names)),
            settings=MapSettings(
                tile_px=tile_px,
                overlap_px=overlap_px,
                batch_size=8,
                blending=kind,
                layers=("classes", "probabilities_float"),
            ),
            model_sha256="",
        )
        remove_store(out)
        with rasterio.open(record.files[1]) as dataset:
            values_KHW: NDArray[np.float32] = dataset.read()
    return values_KHW


def jumps(values_KHW: NDArray[np.float32], tile_px: int, overlap_px: int, patch_px: int) -> tuple[float, float]:
    """Return the mean jump across the borders of tiles, and that across other borders of patches."""
    across, inside = [], []
    stride_px, margin_px = tile_px - overlap_px, overlap_px // 2
    for axis in (1, 2):
        jump_HW = np.abs(np.diff(values_KHW, axis=axis)).sum(axis=0) / 2
        side = values_KHW.shape[axis]
        phase_px = 0
        if overlap_px:
            # Rows count downwards from y = 0.
            phase_px = (CORNER_PX[0] if axis == 2 else -CORNER_PX[1]) % stride_px
        starts = np.arange(0, side + 2 * stride_px, stride_px) - margin_px - phase_px
        # The jump at position i is from pixel i to pixel i + 1.
        borders = np.unique(np.concatenate([starts, starts + tile_px]) - 1)
        patches = np.unique(starts[:, None] + np.arange(patch_px, tile_px, patch_px)) - 1
        borders, patches = (at[(at > 0) & (at < side - 1)] for at in (borders, patches))
        across.append(jump_HW.take(borders, axis=axis - 1).mean())
        inside.append(jump_HW.take(np.setdiff1d(patches, borders), axis=axis - 1).mean())
    return float(np.mean(across)), float(np.mean(inside))


def scenes(count: int, size_px: int) -> Iterator[NDArray[np.uint8]]:
    """Draw scenes of the target without an edge that has no data."""
    for number in range(count):
        image_HW3, _ = make_scene(SOUTH, seed=7, split="test", number=number, size_px=size_px)
        yield np.maximum(image_HW3, 1)


def main() -> None:
    """Print a row for each blending, then one for each blending and distance from a crop's edge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--size-px", type=int, default=640)
    parser.add_argument("--tile-px", type=int, default=128)
    parser.add_argument("--scenes", type=int, default=2)
    parser.add_argument("--crops", type=int, default=5, help="Of each scene.")
    args = parser.parse_args()
    predictor = Predictor.load(recompose(args.run), args.run, device="cpu")
    images = list(scenes(args.scenes, args.size_px))
    tile_px, crop_px = args.tile_px, 3 * args.tile_px
    rng = np.random.default_rng(0)
    corners = [rng.integers(1, args.size_px - crop_px, 2).tolist() for _ in images for _ in range(args.crops)]
    to_edge = np.minimum(np.arange(crop_px), np.arange(crop_px)[::-1])
    distance_HW = np.minimum.outer(to_edge, to_edge) / tile_px
    rows = []
    print("| blending | overlap | jump: across, inside | ratio |", "|---|---|---|---|", sep="\n")
    for name, kind, share in WAYS:
        overlap_px = int(share * tile_px)
        wholes = [predict(predictor, image_HW3, tile_px, overlap_px, kind) for image_HW3 in images]
        across, inside = np.mean(
            [jumps(whole_KHW, tile_px, overlap_px, predictor.patch_px) for whole_KHW in wholes], axis=0
        )
        print(f"| {name} | {overlap_px} | {across:.5f}, {inside:.5f} | {across / inside:.3f} |", flush=True)
        differences, changes = [], []
        for number, (x0, y0) in enumerate(corners):
            place = np.s_[y0 : y0 + crop_px, x0 : x0 + crop_px]
            image_HW3, whole_KHW = images[number // args.crops], wholes[number // args.crops][:, *place]
            crop_KHW = predict(predictor, image_HW3[place], tile_px, overlap_px, kind, (x0, y0))
            differences.append(np.abs(crop_KHW - whole_KHW))
            changes.append(crop_KHW.argmax(axis=0) != whole_KHW.argmax(axis=0))
        for start, stop in zip(BANDS, (*BANDS[1:], 99.0), strict=True):
            band_HW = (distance_HW >= start) & (distance_HW < stop)
            inner = [difference_KHW[:, band_HW] for difference_KHW in differences]
            sizes = f"{np.mean(inner):.1e} | {np.max(inner):.1e} | {100 * np.mean([c[band_HW] for c in changes]):.3f} %"
            rows.append(f"| {name} | {overlap_px} | from {start * tile_px:.0f} px | {sizes} |")
    print(
        "\n| blending | overlap | from the edge | mean difference | largest | other class |", "|---" * 6 + "|", sep="\n"
    )
    print("\n".join(rows))


if __name__ == "__main__":
    main()
