"""Throughput of `predict_scene` beside a bare loop over the same tiles, in the same process, in turns.

    python benchmarks/map_speed.py RUN [--size-px 2048] [--tile-px 512] [--repeats 5]

The bare loop calls the model with the same batches of tiles, which lie in memory, and drops what it returns.
`predict_scene` reads the scene from a compressed GeoTIFF, blends, and writes the map; the time of the strips alone, and
that with the map's file. A share of 100 % means that reading, blending and writing cost nothing.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from map_memory import draw

from rs_adapt.inference.checkpoint import recompose
from rs_adapt.inference.predictor import Predictor
from rs_adapt.prediction.appearance import Appearance
from rs_adapt.prediction.grid import MapGrid, batched
from rs_adapt.prediction.predict import MapSettings, predict_scene
from rs_adapt.prediction.reading import read_tile_row
from rs_adapt.prediction.strips import remove_store
from rs_adapt.prediction.writing import MapClasses
from rs_adapt.runs.packs import read_manifest
from rs_adapt.scenes import Scene


def main() -> None:
    """Print a row a repetition, and the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--size-px", type=int, default=2048)
    parser.add_argument("--tile-px", type=int, default=512)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    predictor = Predictor.load(recompose(args.run), args.run, device=args.device)
    manifest = read_manifest(args.run)
    classes = MapClasses(names=tuple(manifest.classes), palette=tuple(tuple(rgb) for rgb in manifest.palette))
    settings = MapSettings(
        tile_px=args.tile_px, overlap_px=args.tile_px // 4, batch_size=args.batch_size, overwrite=True
    )
    size, marks = args.size_px, list[tuple[float, float, float]]()
    grid = MapGrid(
        width_px=size, height_px=size, tile_px=settings.tile_px, overlap_px=settings.overlap_px, panel_px=size
    )
    with tempfile.TemporaryDirectory() as folder:
        scene_file, out = Path(folder) / "scene.tif", Path(folder) / "map.tif"
        draw(scene_file, size, size, 1.0)
        (panel,) = grid.panels()
        with Scene(scene_file) as scene:
            rows = [read_tile_row(scene, grid, panel, row) for row in range(grid.rows)]
        batches = [
            np.stack([row.tile(position) for position in positions])
            for row in rows
            for positions in batched(range(panel.last - panel.first), settings.batch_size)
        ]
        predictor.predict_tiles(batches[0])
        for _ in range(args.repeats):
            begun_s = time.perf_counter()
            for batch in batches:
                predictor.predict_tiles(batch)
            bare_s, ends_s = time.perf_counter() - begun_s, list[float]()
            begun_s = time.perf_counter()
            predict_scene(
                predictor,
                scene_file,
                out,
                appearance=Appearance(),
                classes=classes,
                settings=settings,
                model_sha256="0" * 64,
                on_progress=lambda stage, done, total, ends_s=ends_s: (
                    ends_s.append(time.perf_counter()) if stage.startswith("predicting") else None
                ),
            )
            marks.append((bare_s, ends_s[-1] - begun_s, time.perf_counter() - begun_s))
            remove_store(out)
            print("bare loop {:.2f} s, strips {:.2f} s, with the map's file {:.2f} s".format(*marks[-1]), flush=True)
    bare_s, strips_s, all_s = (statistics.median(column) for column in zip(*marks, strict=True))
    mpx = size * size / 1e6
    print(f"{size} x {size} px, {grid.num_tiles()} tiles of {args.tile_px} px, medians of {args.repeats}:")
    print(f"bare loop {mpx / bare_s:.3f} Mpx/s; strips {100 * bare_s / strips_s:.1f} % of it; ", end="")
    print(f"with the map's file {100 * bare_s / all_s:.1f} %, {mpx / all_s:.3f} Mpx/s")


if __name__ == "__main__":
    main()
