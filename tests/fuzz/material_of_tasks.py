"""Undamaged files of captions, scene classes and velocities for the campaign, and the commands that read them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

_BENCH = """\
task = "captions"
name = "captioned"
crop_px = 32
[train]
captions = "captioned/FILE"
images = "captioned"
batch_size = 2
iters = 2
negatives = 1
backbone = "nano_clip"
[[test]]
benchmark = "items"
source = "captioned/items.json"
images = "captioned"
"""
_ON_CPU = ("--num-workers", "0", "--device", "cpu", "--dry-run")
TABLE, SHARD = (
    ("train", "--bench", f"captions_{kind}.toml", "--strategy", "negatives", *_ON_CPU) for kind in ("csv", "tar")
)
SPLIT = ("data", "prepare", "rsscn7", "--data-root", "scenes", "--split-file", "split.json")
FLOW = (
    *("train", "--bench", "flow-files-sr", "--data-root", "flows", *_ON_CPU),
    *("--set", "bench.prepare.files.train=['train.npy']", "--set", "bench.prepare.files.test=['test.npy']"),
)


def make(box: Path, rng: np.random.Generator) -> None:
    """Write the files into a folder."""
    from fuzz.readers_of_tasks import tar_of

    (box / "captioned").mkdir()
    for name in "ab":
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(box / "captioned" / f"{name}.png")
    (box / "captioned" / "t.csv").write_text('image,caption\na.png,"a red car, left of a house"\nb.png,two houses\n')
    images = {f"{name}.png": (box / "captioned" / f"{name}.png").read_bytes() for name in "ab"}
    texts = {"a.txt": b"a red car left of a house", "b.txt": b"a white boat above a pond"}
    (box / "captioned" / "t.tar").write_bytes(tar_of(images | texts))
    items = [{"image": "a.png", "kind": "swap", "texts": ["a car", "a house"]}] * 2
    (box / "captioned" / "items.json").write_text(json.dumps(items))
    for kind in ("csv", "tar"):
        (box / f"captions_{kind}.toml").write_text(_BENCH.replace("FILE", f"t.{kind}"))
    names = ("field", "forest", "grass", "industry", "parking", "resident", "river lake")
    rows = [[f"{name}/{part}.png", 0, name] for name in names for part in ("train", "val", "test")]
    for path, *_ in rows:
        (box / "scenes" / "rsscn7" / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(box / "scenes" / "rsscn7" / path)
    split = {part: [row for row in rows if Path(row[0]).stem == part] for part in ("train", "val", "test")}
    (box / "split.json").write_text(json.dumps(split))
    (box / "flows").mkdir()
    for part in ("train", "test"):
        np.save(box / "flows" / f"{part}.npy", rng.standard_normal((3, 2, 16, 16)).astype(np.float32))
