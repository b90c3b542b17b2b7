"""Undamaged files of every kind in one folder: scenes, benches, runs, a sweep, weights, originals, a log."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from fuzz import material_of_tasks
from PIL import Image

MINE = """\
name = "mine"
title = "Mine"
tile_px = 32
crop_px = 32
[[class]]
name = "land"
colour = "#C8C8C8"
[[class]]
name = "water"
colour = [40, 90, 220]
[train]
backbone = "dinov2_nano"
head = "linear"
method = "lora"
iters = 4
batch_size = 1
lr = 1e-3
[source]
images = "source/images"
val = ["area_2"]
[source.labels]
path = "source/labels"
suffix = ".tif"
ignore = [9]
[source.labels.classes]
land = [1, 3]
water = [2]
[target]
images = "target/images"
val = ["t_2", "t_3"]
[target.labels]
path = "target/labels"
suffix = ".tif"
[target.labels.classes]
land = [1, 3]
water = [2]
"""
POLYGONS = """\
name = "outlines"
tile_px = 32
[[class]]
name = "land"
colour = "#C8C8C8"
[[class]]
name = "water"
colour = "#2020C8"
[train]
backbone = "dinov2_nano"
head = "linear"
method = "frozen"
iters = 2
batch_size = 1
[source]
images = "placed"
val = ["area_2"]
[source.labels]
path = "outlines.geojson"
kind = "polygons"
column = "use"
background = "land"
[source.labels.classes]
water = ["pond"]
[target]
images = "target/images"
"""
SWEEP = """\
name = "two"
title = "Two methods"
bench = "mine.toml"
setting = "da"
method = ["frozen", "lora"]
seed = 0
iters = 2
set = ["runtime.num_workers=0"]
[[skip]]
method = "rein"
reason = "not here"
[launcher]
kind = "inline"
jobs = 1
"""
ON_CPU = ("--num-workers", "0", "--device", "cpu")
TRAIN = ("train", "--bench", "mine.toml", "--setting", "da", *ON_CPU)
# What cuts the tiles of both benches.
PREPARED_BY = (
    (*TRAIN, "--dry-run"),
    ("train", "--bench", "outlines.toml", "--setting", "dg", *ON_CPU, "--dry-run"),
)
LOG_LINES = [
    "2025/01/01 00:00:0{n} - mmengine - INFO - Iter(train) [{i}/4]  lr: 1.0000e-03  eta: 0:00:01  time: 0.1  loss: {l}",
    "2025/01/01 00:00:09 - mmengine - INFO - Iter(val) [2/2]    aAcc: 60.0000  mIoU: 40.0000  mAcc: 50.0000",
]


def make(box: Path, run: Callable[..., object]) -> None:
    """Fill a folder, which is the current one.

    Args:
        box: The folder.
        run: Called with the arguments of a command, and with `stop_after`.
    """
    rng = np.random.default_rng(0)
    _scenes(box, rng)
    (box / "mine.toml").write_text(MINE)
    (box / "outlines.toml").write_text(POLYGONS)
    (box / "s.toml").write_text(SWEEP)
    run(*TRAIN, "--work-dir", "run_a")
    run(*TRAIN, "--seed", "1", "--work-dir", "run_b")
    run(*TRAIN, "--work-dir", "stopped", "--set", "bench.schedule.eval_every=2", stop_after=2)
    run("sweep", "s.toml", "--work-dir", "sweep")
    run("export", "run_a", "--out", "pack")
    run("train", "--bench", "outlines.toml", "--setting", "dg", *ON_CPU, "--dry-run")
    _weights(box)
    run("weights", "convert", "nano.safetensors", "--out", "converted.safetensors")
    _originals(box, rng)
    material_of_tasks.make(box, rng)
    run(*PREPARE)
    _journal(box)
    lines = [LOG_LINES[0].format(n=i, i=i, l=1 / i) for i in range(1, 5)] + LOG_LINES[1:]
    (box / "train.log").write_text("\n".join(lines) + "\n")
    scalars = [{"lr": 1e-3, "loss": 1 / i, "iter": i, "step": i} for i in range(1, 5)]
    scalars.append({"mIoU": 40.0, "aAcc": 60.0, "step": 4})  # type: ignore[list-item]
    (box / "scalars.json").write_text("".join(f"{json.dumps(line)}\n" for line in scalars))


PREPARE = ("data", "prepare", "potsdam", "--source", "originals", "--data-root", "data", "--partial", "--jobs", "1")
PREPARE = (*PREPARE, "--tile-px", "16")


def _scenes(box: Path, rng: np.random.Generator) -> None:
    from rs_adapt.scenes import write_geotiff

    for place, names, deep in (("source", ("area_1", "area_2"), False), ("target", ("t_1", "t_2", "t_3"), True)):
        for kind in ("images", "labels"):
            (box / place / kind).mkdir(parents=True)
        for name in names:
            label = np.kron(rng.integers(1, 4, (8, 8)), np.ones((8, 8))).astype(np.uint8)
            image = (label[..., None] * 50 + rng.integers(0, 20, (64, 64, 3))).astype(np.uint8)
            # The target is of 16 bit, so that a stretch is measured and stored.
            pixels = (image.astype(np.uint16) * 40) if deep else image
            write_geotiff(box / place / "images" / f"{name}.tif", pixels, crs="EPSG:32632")
            write_geotiff(box / place / "labels" / f"{name}.tif", label)
    (box / "placed").mkdir()
    squares = []
    for number in (1, 2):
        image = rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)
        x = 500_000.0 + 100 * number
        place = box / "placed" / f"area_{number}.tif"
        write_geotiff(place, image, crs="EPSG:32632", transform=(1.0, 0.0, x, 0.0, -1.0, 5_000_000.0))
        squares += [(x + 8.0 * k, 5_000_000.0 - 8 * k) for k in range(1, 5)]
    rings = [[[x, y], [x + 8, y], [x + 8, y - 8], [x, y - 8], [x, y]] for x, y in squares]
    features = [
        {"type": "Feature", "properties": {"use": "pond"}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
        for ring in rings
    ]
    crs = {"type": "name", "properties": {"name": "EPSG:32632"}}
    content = {"type": "FeatureCollection", "crs": crs, "features": features}
    (box / "outlines.geojson").write_text(json.dumps(content))


def _weights(box: Path) -> None:
    import torch
    from safetensors.torch import load_file

    import rs_adapt

    shipped = Path(rs_adapt.__file__).parent / "backbones" / "shipped" / "dinov2_nano.safetensors"
    shutil.copyfile(shipped, box / "nano.safetensors")
    torch.save(load_file(shipped), box / "nano.pth")

    class Part(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(4, 4))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x @ self.weight

    torch.jit.save(torch.jit.script(Part()), box / "script.pt")


def _originals(box: Path, rng: np.random.Generator) -> None:
    from rs_adapt.datasets.originals import load_layout
    from rs_adapt.scenes import write_geotiff

    layout = load_layout("potsdam")
    colours = np.array([label.colours[0] for label in layout.classes if label.colours], np.uint8)
    folder = box / "originals"
    (folder / "made").mkdir(parents=True)
    for scene in ("2_10", "2_13"):
        label = np.kron(rng.integers(0, len(colours), (3, 5)), np.ones((8, 8))).astype(np.uint8)
        image = rng.integers(0, 256, (24, 40, len(layout.bands)), dtype=np.uint8)
        for pattern, pixels in ((layout.image_files[0], image), (layout.label_files[0], colours[label])):
            path = folder / "made" / Path(pattern.replace("**/", "").format(scene=scene)).name
            write_geotiff(path, pixels) if path.suffix == ".tif" else Image.fromarray(pixels).save(path)
    files = sorted((folder / "made").iterdir())
    images, labels = ([file for file in files if ("label" in file.name) == wanted] for wanted in (False, True))
    with zipfile.ZipFile(folder / "labels.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in labels:
            archive.write(file, file.name)
    with zipfile.ZipFile(folder / "inner.zip", "w") as archive:
        for file in images:
            archive.write(file, file.name)
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        archive.write(folder / "inner.zip", "inner.zip")
    (folder / "inner.zip").unlink()
    shutil.rmtree(folder / "made")


def _journal(box: Path) -> None:
    """Make a copy of the prepared folder that looks unfinished: a journal in place of the marker."""
    for marker in (box / "data").rglob("prepared.json"):
        content = json.loads(marker.read_text())
        lines = [json.dumps(content["facts"]), *(json.dumps(scene) for scene in content["scenes"])]
        unfinished = box / "unfinished" / f".{marker.parent.name}.preparing"
        shutil.copytree(marker.parent, unfinished)
        (unfinished / "prepared.json").unlink()
        (unfinished / "journal.jsonl").write_text("".join(f"{line}\n" for line in lines))


def find(box: Path, pattern: str) -> Sequence[str]:
    """Return files by pattern, relative to the folder, sorted."""
    return sorted(str(path.relative_to(box)) for path in box.glob(pattern) if path.is_file())
