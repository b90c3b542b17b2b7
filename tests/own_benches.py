"""Benches of one's own for tests: scenes whose red channel is 40 + 80 times the class, their file, and their tiles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rs_adapt.config.own.bench import peek
from rs_adapt.datasets.own.contents import Contents, read_contents
from rs_adapt.datasets.prepare import ensure_prepared
from rs_adapt.scenes import write_geotiff

Classes = NDArray[np.uint8]


def draw(height_px: int, width_px: int, seed: int = 0) -> Classes:
    """Return squares of 8 px of classes 0 and 1 at random."""
    squares = np.random.default_rng(seed).integers(0, 2, (-(-height_px // 8), -(-width_px // 8)), dtype=np.uint8)
    return np.kron(squares, np.ones((8, 8), np.uint8))[:height_px, :width_px]


def paint(classes_HW: Classes) -> NDArray[np.uint8]:
    red_HW = (40 + 80 * classes_HW).astype(np.uint8)
    return np.stack([red_HW, red_HW // 2, 255 - red_HW], axis=-1)


def write_scene(image: Path, label: Path | None, classes_HW: Classes, **geotiff: Any) -> None:
    """Write an image that shows classes, and their label."""
    image.parent.mkdir(parents=True, exist_ok=True)
    if image.suffix.lower() == ".tif":
        write_geotiff(image, paint(classes_HW), **geotiff)
    else:
        Image.fromarray(paint(classes_HW)).save(image)
    if label is not None:
        label.parent.mkdir(parents=True, exist_ok=True)
        if label.suffix.lower() == ".tif":
            write_geotiff(label, classes_HW)
        else:
            Image.fromarray(classes_HW).save(label)


def write_bench(folder: Path, source: str, labels: str, *, target: str = 'images = "tgt"', head: str = "") -> Path:
    """Write the file of a bench of two classes, with tiles of 32 px, and a target image if there is none."""
    if not (folder / "tgt").is_dir():
        write_scene(folder / "tgt" / "t.png", None, draw(64, 64, seed=9))
    file = folder / "bench.toml"
    file.write_text(
        f"""
name = "mine"
tile_px = 32
{head}
[[class]]
name = "field"
colour = "#C8C8C8"
[[class]]
name = "roof"
colour = "#DC2828"
[source]
{source}
[source.labels]
{labels}
[source.labels.classes]
field = [0]
roof = [1]
[target]
{target}
""",
        encoding="utf-8",
    )
    return file


def prepare(file: Path, *, jobs: int | None = None, **how: Any) -> tuple[Path, Contents]:
    """Cut the scenes of a bench's file, and return the folder of the tiles with the record of their contents."""
    content = peek(str(file))["bench"]
    out = file.parent / "prepared"
    ensure_prepared(prepare=content["prepare"], bench=content, data_root=file.parent, out_dir=out, jobs=jobs, **how)
    return out, read_contents(out)


def tiles_of(out: Path, part: str) -> list[dict[str, Any]]:
    """Return the tiles of the index of `<region>/<split>`."""
    tiles: list[dict[str, Any]] = json.loads((out / part / "index.json").read_text())["tiles"]
    return tiles


def count_pixels(out: Path, part: str) -> tuple[int, int]:
    """Return how many labelled pixels of all tiles show the class of their label, and how many do not."""
    right = wrong = 0
    files = sorted((out / part / "ann_dir").iterdir())
    assert [file.name for file in files] == sorted(tile["name"] for tile in tiles_of(out, part))
    for file in files:
        label_HW, red_HW = np.array(Image.open(file)), np.array(Image.open(out / part / "img_dir" / file.name))[..., 0]
        same_HW = (red_HW // 80 == label_HW)[label_HW != 255]
        right, wrong = right + int(same_HW.sum()), wrong + int((~same_HW).sum())
    return right, wrong
