"""Predict maps of large scenes: peak memory of the process, and megapixels a second.

    python benchmarks/map_memory.py RUN [--size 20000x20000 100000x2000] [--share 0.02] [options of predict]

A GeoTIFF of three bands of 8 bit, in compressed blocks of 512 px, is drawn: patches of 1024 px of coloured fields cover
a share of it, at the same places whatever the machine, and the rest has no data and no blocks. `rs-adapt predict` maps
it in a process of its own. "Peak" is the largest resident memory of that process (VmHWM); "beside the model" is what it
takes more than for a scene of 4096 x 512 px, in which the model sees full batches, too. "With data" counts the pixels
of tiles that the model sees. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from process_tree import memory_kib
from rasterio.windows import Window

PATCH_PX = 1024


def draw(file: Path, width_px: int, height_px: int, share: float) -> None:
    """Write a scene."""
    profile = {"driver": "GTiff", "width": width_px, "height": height_px, "count": 3, "dtype": "uint8", "nodata": 0}
    profile |= {"tiled": True, "blockxsize": 512, "blockysize": 512, "interleave": "pixel", "compress": "deflate"}
    profile |= {"zlevel": 1, "sparse_ok": True, "bigtiff": "if_safer", "crs": "EPSG:32632"}
    rng = np.random.default_rng(0)
    with rasterio.open(file, "w", transform=rasterio.Affine(0.5, 0, 4e5, 0, -0.5, 5e6), **profile) as dataset:
        for y0 in range(0, height_px, PATCH_PX):
            for x0 in range(0, width_px, PATCH_PX):
                if rng.random() >= share:
                    continue
                height, width = min(PATCH_PX, height_px - y0), min(PATCH_PX, width_px - x0)
                fields_CHW = rng.integers(20, 230, (3, PATCH_PX // 64, PATCH_PX // 64), dtype=np.uint8)
                patch_CHW = fields_CHW.repeat(64, axis=1).repeat(64, axis=2)[:, :height, :width]
                noise_CHW = rng.integers(0, 16, patch_CHW.shape, dtype=np.uint8)
                dataset.write(patch_CHW + noise_CHW, window=Window(x0, y0, width, height))


def predict(scene: Path, out: Path, run: Path, options: list[str]) -> dict[str, Any]:
    """Predict a scene in a process of its own; return its record with the peak of its memory in MiB."""
    command = [sys.executable, "-m", "rs_adapt", "predict", str(scene), "--checkpoint", str(run), "--out", str(out)]
    begun_s, peak_kib = time.monotonic(), 0
    process = subprocess.Popen([*command, "--json", *options], stdout=subprocess.PIPE, text=True)
    while process.poll() is None:
        peak_kib = max(peak_kib, memory_kib(process.pid, "VmHWM"))
        time.sleep(0.05)
    out_text = process.stdout.read() if process.stdout else ""
    if process.returncode:
        raise SystemExit(out_text or process.returncode)
    (record,) = json.loads(out_text)
    return {**record, "peak_mib": peak_kib / 1024, "wall_s": time.monotonic() - begun_s}


def main() -> None:
    """Print a row a size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="Run folder or pack.")
    parser.add_argument("--size", nargs="+", default=["20000x20000", "100000x2000"], help="WIDTHxHEIGHT in pixels.")
    parser.add_argument("--share", type=float, default=0.02, help="Share of the patches that have data.")
    parser.add_argument("--folder", type=Path, help="Where to draw; default: the system's folder for temporary files.")
    # All other options are those of predict.
    args, options = parser.parse_known_args()
    print("| scene | Mpx | tiles | seconds | Mpx/s | peak: MiB | beside the model: MiB | map: MB |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        small = Path(folder) / "small.tif"
        draw(small, 4096, 512, 1.0)
        least = predict(small, Path(folder) / "small_map.tif", args.run, options)
        for size in args.size:
            width_px, height_px = (int(side) for side in size.split("x"))
            scene, out = Path(folder) / f"{size}.tif", Path(folder) / f"{size}_map.tif"
            draw(scene, width_px, height_px, args.share)
            row = predict(scene, out, args.run, options)
            mpx, beside = width_px * height_px / 1e6, row["peak_mib"] - least["peak_mib"]
            pace = f"{row['seconds']:.0f} | {mpx / row['seconds']:.2f}"
            sizes = f"{row['peak_mib']:.0f} | {beside:.0f} | {os.path.getsize(out) / 1e6:.0f}"
            print(f"| {width_px} x {height_px} | {mpx:.0f} | {row['tiles']} | {pace} | {sizes} |", flush=True)
            scene.unlink()
            out.unlink()


if __name__ == "__main__":
    main()
