"""Throughput of `predict_scene` beside a bare loop over the same tiles, in the same process, in turns.

    python benchmarks/map_speed.py RUN [--size-px 2048] [--tile-px 512] [--repeats 5]

The bare loop calls the model with the same batches of tiles, which lie in memory, and drops what it returns.
`predict_scene` reads the scene from a compressed GeoTIFF, blends, and writes the map; the time of the strips alone, and
that with the map's file. A share of 100 % means that reading, blending and writing cost nothing. Shares are medians
over the turns: of the time on the clock, and of the CPU time of all threads. The second says how much work is added,
also where threads work at once, and changes less with what else the machine does.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from map_memory import draw

from rs_adapt.inference.checkpoint import recompose
from rs_adapt.inference.predictor import Predictor
from rs_adapt.prediction.appearance import Appearance
from rs_adapt.prediction.grid import MapGrid, batched
from rs_adapt.prediction.predict import predict_scene
from rs_adapt.prediction.reading import read_tile_row
from rs_adapt.prediction.settings import MapSettings
from rs_adapt.prediction.strips import remove_store
from rs_adapt.prediction.writing import MapClasses
from rs_adapt.runs.packs import read_manifest
from rs_adapt.scenes import Scene


class Seconds(NamedTuple):
    """Time on the clock, and CPU time of all threads."""

    clock: float
    cpu: float


class Turn(NamedTuple):
    """The times of one turn: the bare loop, the strips of a map, and the map."""

    bare: Seconds
    strips: Seconds
    all: Seconds


class Stopwatch:
    """Measures from when it is made."""

    def __init__(self) -> None:
        self._start = Seconds(time.perf_counter(), time.process_time())

    def read(self) -> Seconds:
        """Return the seconds since then."""
        return Seconds(time.perf_counter() - self._start.clock, time.process_time() - self._start.cpu)


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
    size, turns = args.size_px, list[Turn]()
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
            bare, ends = Stopwatch(), list[Seconds]()
            for batch in batches:
                predictor.predict_tiles(batch)
            bare_s, all_in = bare.read(), Stopwatch()
            predict_scene(
                predictor,
                scene_file,
                out,
                appearance=Appearance(),
                classes=classes,
                settings=settings,
                model_sha256="0" * 64,
                on_progress=lambda stage, done, total, ends=ends, watch=all_in: (
                    ends.append(watch.read()) if stage.startswith("predicting") else None
                ),
            )
            turns.append(Turn(bare=bare_s, strips=ends[-1], all=all_in.read()))
            remove_store(out)
            print(
                ", ".join(
                    f"{name} {clock:.2f} s (CPU {cpu:.2f} s)" for name, (clock, cpu) in turns[-1]._asdict().items()
                ),
                flush=True,
            )
    mpx = size * size / 1e6
    print(f"{size} x {size} px, {grid.num_tiles()} tiles of {args.tile_px} px, medians of {args.repeats}:")
    for kind, name in enumerate(("clock", "CPU")):
        bare_s, all_s = (statistics.median(getattr(turn, part)[kind] for turn in turns) for part in ("bare", "all"))
        strips, whole = (
            100 * statistics.median(turn.bare[kind] / getattr(turn, part)[kind] for turn in turns)
            for part in ("strips", "all")
        )
        print(f"{name}: bare loop {mpx / bare_s:.3f} Mpx/s; strips {strips:.1f} % of it; ", end="")
        print(f"with the map's file {whole:.1f} %, {mpx / all_s:.3f} Mpx/s")


if __name__ == "__main__":
    main()
