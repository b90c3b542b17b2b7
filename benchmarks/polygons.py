"""Labels from one file of many polygons: seconds a scene, and memory of the process.

    python benchmarks/polygons.py [--features 40000] [--scenes 10] [--side 2048]

Scenes lie side by side, and the polygons, rectangles and 24-cornered rounds, evenly over all of them. The file is
GeoJSON in longitude and latitude, so every vertex is transformed, or a GeoPackage in the scenes' system. Timed is the
reading of a scene's label in windows of 512 px: the first scene reads the file. Linux only (VmHWM).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from rs_adapt.datasets.own.translation import LabelReader
from rs_adapt.datasets.recipes import LabelSource
from rs_adapt.scenes import Box, Scene, write_geotiff

UTM = "EPSG:32632"
X0, Y0 = 500_000.0, 5_000_000.0
WINDOW_PX = 512


def draw(folder: Path, num_features: int, num_scenes: int, side: int) -> None:
    """Write the scenes, and their polygons as GeoJSON and as GeoPackage."""
    import fiona
    from rasterio.warp import transform

    for number in range(num_scenes):
        place = (1.0, 0.0, X0 + number * side, 0.0, -1.0, Y0)
        write_geotiff(folder / f"scene_{number}.tif", np.zeros((side, side, 3), np.uint8), crs=UTM, transform=place)
    rng = np.random.default_rng(0)
    centre_N2 = rng.uniform((X0, Y0 - side), (X0 + num_scenes * side, Y0), (num_features, 2))
    rings = []
    for number, centre_2 in enumerate(centre_N2):
        corners = 4 if number % 2 else 24
        angle_N = np.linspace(0, 2 * np.pi, corners + 1) + rng.uniform(0, np.pi)
        rings.append(centre_2 + rng.uniform(4, 20) * np.stack([np.cos(angle_N), np.sin(angle_N)], axis=1))
    xs, ys = transform(UTM, "OGC:CRS84", *np.concatenate(rings).T)
    degrees = np.split(np.stack([xs, ys], axis=1), np.cumsum([len(ring) for ring in rings])[:-1])
    features = [_feature(number, ring.tolist()) for number, ring in enumerate(degrees)]
    (folder / "all.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    schema = {"geometry": "Polygon", "properties": {"use": "str"}}
    with fiona.open(folder / "all.gpkg", "w", driver="GPKG", crs=UTM, schema=schema) as layer:
        layer.writerecords(_feature(number, ring.tolist()) for number, ring in enumerate(rings))


def _feature(number: int, ring: list[list[float]]) -> dict[str, Any]:
    geometry = {"type": "Polygon", "coordinates": [ring]}
    return {"type": "Feature", "properties": {"use": f"use {number % 5}"}, "geometry": geometry}


def measure(folder: Path, name: str, num_scenes: int, side: int) -> None:
    """Print seconds of the first scene, of a further one, of all, and the peak memory of this process."""
    labels = LabelSource(
        kind="polygons",
        path=str(folder / name),
        suffix=".geojson",
        column="use",
        background=0,
        to_index=tuple((f"use {number}", number) for number in range(5)),
        ignore=(),
    )
    seconds = []
    for number in range(num_scenes):
        with Scene(folder / f"scene_{number}.tif") as scene:
            info = scene.info
        start = time.perf_counter()
        with LabelReader(labels, info, folder / name) as reader:
            for y0 in range(0, side, WINDOW_PX):
                for x0 in range(0, side, WINDOW_PX):
                    reader.read(Box(x0, y0, min(x0 + WINDOW_PX, side), min(y0 + WINDOW_PX, side)))
        seconds.append(time.perf_counter() - start)
    peak_mib = int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) / 1024
    print(
        f"| {name} | {seconds[0]:.2f} | {float(np.median(seconds[1:])):.2f} | {sum(seconds):.1f} | {peak_mib:.0f} |",
        flush=True,
    )


def main() -> None:
    """Draw the files, and measure each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", type=int, default=40_000)
    parser.add_argument("--scenes", type=int, default=10)
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--only", nargs=2, metavar=("FOLDER", "FILE"))
    options = parser.parse_args()
    if options.only:
        measure(Path(options.only[0]), options.only[1], options.scenes, options.side)
        return
    print("| file | s: first scene | s: further scene | s: all scenes | peak, MiB |\n|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        draw(Path(folder), options.features, options.scenes, options.side)
        for name in ("all.geojson", "all.gpkg"):
            sizes = ["--scenes", str(options.scenes), "--side", str(options.side)]
            subprocess.run([sys.executable, __file__, *sizes, "--only", folder, name], check=True)


if __name__ == "__main__":
    main()
