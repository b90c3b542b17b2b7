"""Cut one large scene of your own: seconds, and memory of each process.

    python benchmarks/cutting.py [--side 24000] [--jobs 1 2] [--layout tiled strips]

A GeoTIFF of three bands of 8 bit and a label of six classes are drawn block by block, stored in tiles of 256 px or in
strips of one row, and cut into tiles of 512 px by `rs-adapt data prepare BENCH.toml` in a process of its own. The scene
is divided into blocks to train on and blocks to score, as a single scene always is. "Largest process" is the peak of
its resident memory (VmHWM). Linux only.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from process_tree import cpu_seconds, family, memory_kib
from rasterio.windows import Window

BLOCK_PX = 2048
TILE_PX = 512
CLASSES = ("land", "building", "road", "water", "tree", "car")
LAYOUTS: dict[str, dict[str, object]] = {
    "tiled": {"tiled": True, "blockxsize": 256, "blockysize": 256},
    "strips": {"tiled": False, "blockysize": 1},
}


def draw(folder: Path, side: int, layout: str) -> None:
    """Write a scene with its label, and a small target image."""
    profile = {"driver": "GTiff", "width": side, "height": side, "dtype": "uint8", "compress": "deflate", "zlevel": 1}
    profile |= {"crs": "EPSG:32632", "transform": rasterio.Affine(0.5, 0, 4e5, 0, -0.5, 5e6), **LAYOUTS[layout]}
    for kind in ("img", "lab", "tgt"):
        (folder / kind).mkdir(parents=True)
    with (
        rasterio.open(folder / "img" / "scene.tif", "w", count=3, interleave="pixel", **profile) as image,
        rasterio.open(folder / "lab" / "scene.tif", "w", count=1, **profile) as label,
    ):
        for y0 in range(0, side, BLOCK_PX):
            height = min(BLOCK_PX, side - y0)
            classes_HW = blocks(height, side, seed=y0)
            rng = np.random.default_rng(y0)
            fine_CHW = rng.integers(0, 16, (3, height, side), dtype=np.uint8)
            window = Window(0, y0, side, height)
            image.write(fine_CHW + 40 * classes_HW, window=window)
            label.write(classes_HW, 1, window=window)
    small = profile | {"width": 1024, "height": 1024}
    with rasterio.open(folder / "tgt" / "t.tif", "w", count=3, **small) as target:
        target.write(np.random.default_rng(1).integers(0, 255, (3, 1024, 1024), dtype=np.uint8))


def blocks(height: int, width: int, *, seed: int) -> NDArray[np.uint8]:
    """Draw blocks of 64 px with a class each."""
    coarse = np.random.default_rng(seed).integers(0, len(CLASSES), (height // 64 + 1, width // 64 + 1), dtype=np.uint8)
    drawn: NDArray[np.uint8] = coarse.repeat(64, axis=0).repeat(64, axis=1)[:height, :width]
    return drawn


def write_bench(folder: Path) -> Path:
    """Write the bench's file."""
    classes = "".join(
        f'[[class]]\nname = "{name}"\ncolour = [{40 * index}, 0, 0]\n' for index, name in enumerate(CLASSES)
    )
    labels = "".join(f"{name} = [{index}]\n" for index, name in enumerate(CLASSES))
    file = folder / "large.toml"
    file.write_text(
        f'name = "large"\ntile_px = {TILE_PX}\n{classes}[source]\nimages = "img"\n'
        f'[source.labels]\npath = "lab"\nsuffix = ".tif"\n[source.labels.classes]\n{labels}[target]\nimages = "tgt"\n'
    )
    return file


def measure(file: Path, jobs: int, home: Path) -> dict[str, Any]:
    """Cut the scene in a process of its own; return seconds, and the peak of each process in MiB."""
    command = [sys.executable, "-m", "rs_adapt", "data", "prepare", str(file), "--jobs", str(jobs)]
    begun, cpu_before, peaks = time.monotonic(), cpu_seconds(), dict[int, int]()
    environment = os.environ | {"RS_ADAPT_HOME": str(home)}
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
    while run.poll() is None:
        for pid in family(run.pid):
            peaks[pid] = max(peaks.get(pid, 0), memory_kib(pid, "VmHWM"))
        time.sleep(0.05)
    seconds = time.monotonic() - begun
    out = run.stdout.read() if run.stdout else ""
    if run.returncode:
        raise SystemExit(out or run.returncode)
    used = cpu_seconds() - cpu_before
    return {"seconds": seconds, "cpu": used, "largest": max(peaks.values()) / 1024, "processes": len(peaks), "out": out}


def main() -> None:
    """Print a row a layout and number of processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=24_000, help="Pixels of a side.")
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--layout", nargs="+", choices=[*LAYOUTS], default=[*LAYOUTS])
    parser.add_argument("--folder", type=Path, help="Where to draw; default: the system's folder for temporary files.")
    args = parser.parse_args()
    print("| layout | jobs | tiles | s: wall, CPU | tiles a second | largest process: MiB |")
    print("|---|---|---|---|---|---|")
    for layout in args.layout:
        with tempfile.TemporaryDirectory(dir=args.folder) as folder:
            draw(Path(folder) / "data", args.side, layout)
            file = write_bench(Path(folder) / "data")
            for jobs in args.jobs:
                home = Path(folder) / f"home{jobs}"
                row = measure(file, jobs, home)
                tiles = len([*home.glob("prepared/*/source/*/img_dir/*.png")])
                rate = f"{row['seconds']:.0f}, {row['cpu']:.0f} | {tiles / row['seconds']:.1f}"
                print(f"| {layout} | {jobs} | {tiles} | {rate} | {row['largest']:.0f} |", flush=True)
                print(row["out"], file=sys.stderr)


if __name__ == "__main__":
    main()
