"""Cutting of originals of true size: tiles a second, and memory of all processes together.

    python benchmarks/prepare.py [--jobs 1 2] [--only potsdam loveda]

Originals are drawn with the sizes, names, bands and kinds of files of the real ones, and cut by `rs-adapt data prepare`
in a process of its own: two Potsdam scenes (RGB and four bands), three Vaihingen areas in a zip within a zip, LoveDA as
zips with images at the ends of every range of ids, and iSAID with one large and one small image. Numbers of tiles are
compared with those counted by hand. Seconds are wall clock and, of all processes, CPU time. "Largest process" is the
peak of its resident memory (VmHWM), "all" the largest sum over the processes in samples every 20 ms; pages that
processes share count in each. Linux only.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from process_tree import cpu_seconds, family, memory_kib

from rs_adapt.datasets.originals import load_layout
from rs_adapt.scenes import write_geotiff

VAIHINGEN = {"1": (1919, 2569), "17": (2336, 1281), "38": (3816, 1550)}
# First and last id of each range, and one between.
LOVEDA = {"Train": (0, 700, 1365, 1366, 2000, 2521), "Val": (2522, 3000, 3513, 3514, 4000, 4190)}
ISAID = {"P0000": (4000, 4000), "P0001": (700, 1000)}
# Tiles by hand: 12 x 12 a Potsdam scene; 4 x 6, 5 x 3 and 8 x 4; four an image; 8 x 8 and 1 x 2.
CASES: dict[str, tuple[int, str]] = {
    "potsdam": (2 * 144, "2 x 6000 x 6000 x 3"),
    "potsdam_rgbir": (2 * 144, "2 x 6000 x 6000 x 4"),
    "vaihingen": (24 + 15 + 32, "3 areas, zip in zip"),
    "loveda": (12 * 4, "12 x 1024 x 1024, zips"),
    "isaid": (64 + 2, "4000 x 4000, 700 x 1000"),
}


def picture(width_px: int, height_px: int, bands: int, seed: int) -> NDArray[np.uint8]:
    """Draw an image whose PNG is about as large as that of an aerial image: coarse shapes with a little noise."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(40, 200, (height_px // 16 + 1, width_px // 16 + 1, bands), dtype=np.uint8)
    fine = rng.integers(0, 16, (height_px, width_px, bands), dtype=np.uint8)
    pixels: NDArray[np.uint8] = fine + coarse.repeat(16, axis=0).repeat(16, axis=1)[:height_px, :width_px]
    return pixels


def label(name: str, width_px: int, height_px: int, seed: int) -> NDArray[np.uint8]:
    """Draw blocks of 40 px with a class each, in the data set's colours or values."""
    layout = load_layout(name)
    rng = np.random.default_rng(seed)
    values = rng.choice([one.value for one in layout.classes], (height_px // 40 + 1, width_px // 40 + 1))
    if not layout.colour_labels:
        return values.astype(np.uint8).repeat(40, axis=0).repeat(40, axis=1)[:height_px, :width_px]
    colours = np.zeros((256, 3), np.uint8)
    for one in layout.classes:
        colours[one.value] = one.colours[0]
    return colours[values].repeat(40, axis=0).repeat(40, axis=1)[:height_px, :width_px]


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def draw_potsdam(folder: Path, bands: str = "RGB") -> None:
    """Two scenes, a split each."""
    for seed, scene in enumerate(("2_10", "7_13")):
        write_geotiff(
            folder / f"top_potsdam_{scene}_{bands}.tif", picture(6000, 6000, len(bands) if bands == "RGB" else 4, seed)
        )
        write_geotiff(folder / f"top_potsdam_{scene}_label_noBoundary.tif", label("potsdam", 6000, 6000, seed))


def draw_vaihingen(folder: Path) -> None:
    """Three areas; the images' zip lies uncompressed within another, the labels' is compressed."""
    inner = io.BytesIO()
    labels = folder / "ISPRS_semantic_labeling_Vaihingen_ground_truth_eroded_COMPLETE.zip"
    with (
        zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as images,
        zipfile.ZipFile(labels, "w", zipfile.ZIP_DEFLATED) as truth,
    ):
        for seed, (area, size) in enumerate(VAIHINGEN.items()):
            for archive, name, pixels in (
                (images, f"top/top_mosaic_09cm_area{area}.tif", picture(*size, 3, seed)),
                (truth, f"top_mosaic_09cm_area{area}_noBoundary.tif", label("vaihingen", *size, seed)),
            ):
                write_geotiff(folder / "x.tif", pixels)
                archive.write(folder / "x.tif", name)
    (folder / "x.tif").unlink()
    with zipfile.ZipFile(folder / "Vaihingen.zip", "w") as outer:
        outer.writestr("Vaihingen/ISPRS_semantic_labeling_Vaihingen.zip", inner.getvalue())


def draw_loveda(folder: Path) -> None:
    """Train.zip and Val.zip."""
    domains = {scene: part.region for part in load_layout("loveda").parts for scene in part.scenes or ()}
    for split, ids in LOVEDA.items():
        with zipfile.ZipFile(folder / f"{split}.zip", "w") as archive:
            for number in ids:
                place = f"{split}/{str(domains[str(number)]).title()}"
                archive.writestr(f"{place}/images_png/{number}.png", png(picture(1024, 1024, 3, number)))
                archive.writestr(f"{place}/masks_png/{number}.png", png(label("loveda", 1024, 1024, number)))


def draw_isaid(folder: Path) -> None:
    """Write a large and a small image; images and masks in zips."""
    for kind in ("images", "Semantic_masks"):
        (folder / "train" / kind).mkdir(parents=True)
    images, masks = folder / "train" / "images" / "part1.zip", folder / "train" / "Semantic_masks" / "images.zip"
    with zipfile.ZipFile(images, "w") as pictures, zipfile.ZipFile(masks, "w") as truth:
        for seed, (name, size) in enumerate(ISAID.items()):
            pictures.writestr(f"images/{name}.png", png(picture(*size, 3, seed)))
            truth.writestr(f"images/{name}_instance_color_RGB.png", png(label("isaid", *size, seed)))


DRAW: dict[str, Callable[[Path], None]] = {
    "potsdam": draw_potsdam,
    "potsdam_rgbir": lambda folder: draw_potsdam(folder, "RGBIR"),
    "vaihingen": draw_vaihingen,
    "loveda": draw_loveda,
    "isaid": draw_isaid,
}


def measure(name: str, source: Path, root: Path, jobs: int) -> dict[str, Any]:
    """Run the command; return seconds and peaks in MiB."""
    command = [sys.executable, "-m", "rs_adapt", "data", "prepare", name, "--source", str(source)]
    command += ["--data-root", str(root), "--partial", "--jobs", str(jobs)]
    begun, cpu_before, largest, together = time.monotonic(), cpu_seconds(), 0, 0
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while run.poll() is None:
        pids = family(run.pid)
        largest = max([largest, *(memory_kib(pid, "VmHWM") for pid in pids)])
        together = max(together, sum(memory_kib(pid, "VmRSS") for pid in pids))
        time.sleep(0.02)
    seconds = time.monotonic() - begun
    if run.returncode:
        raise SystemExit(run.stderr.read() if run.stderr else run.returncode)
    cpu = cpu_seconds() - cpu_before
    return {"seconds": seconds, "cpu": cpu, "largest": largest / 1024, "together": together / 1024}


def main() -> None:
    """Print a row a data set and number of processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--only", nargs="+", choices=[*CASES], default=[*CASES])
    args = parser.parse_args()
    print(
        "| data set | originals | jobs | tiles | s: wall, CPU | tiles a second: wall, CPU | largest process, all: MiB |"
    )
    print("|---|---|---|---|---|---|---|")
    for name in args.only:
        wanted, what = CASES[name]
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "source"
            source.mkdir()
            DRAW[name](source)
            for jobs in args.jobs:
                root = Path(folder) / f"data{jobs}"
                found = measure(name, source, root, jobs)
                tiles = len([*(root / name).glob("**/img_dir/**/*.*")])
                if tiles != wanted:
                    raise SystemExit(f"{name}: {tiles} tiles, wanted are {wanted}")
                memory = f"{found['largest']:.0f}, {found['together']:.0f}"
                rates = [(found[clock], tiles / found[clock]) for clock in ("seconds", "cpu")]
                rate = " | ".join(f"{wall:.0f}, {cpu:.0f}" for wall, cpu in zip(*rates, strict=True))
                print(f"| {name} | {what} | {jobs} | {tiles} | {rate} | {memory} |", flush=True)


if __name__ == "__main__":
    main()
