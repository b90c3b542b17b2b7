"""Every reader of a file returns or refuses, whatever the file holds; `campaign.py` tries whole commands."""

from __future__ import annotations

import contextlib
import json
import os
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fuzz.damage import damage
from fuzz.readers_of_tasks import TASK_READERS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx_models import read_model, write_model

from rs_adapt.config.literals import read_literals
from rs_adapt.config.own import bench as own_bench
from rs_adapt.datasets.digests import DigestCache
from rs_adapt.datasets.originals.journal import JOURNAL, MARKER, read_journal, read_marker
from rs_adapt.datasets.originals.sources import Archives, list_originals
from rs_adapt.datasets.own.contents import read_contents
from rs_adapt.datasets.own.lists import read_list
from rs_adapt.datasets.own.stretch import read_stretch
from rs_adapt.downloads.partial import Partial
from rs_adapt.errors import RsAdaptError
from rs_adapt.runs.folder import CONFIG_FILE
from rs_adapt.runs.metrics import read_metrics
from rs_adapt.runs.records import (
    DataRecord,
    Manifest,
    Record,
    Result,
    RunStart,
    SweepCellRecord,
    SweepPlan,
    read_record,
)
from rs_adapt.scores.per_image import PerImage
from rs_adapt.sweeps.folder import read_state
from rs_adapt.sweeps.spec import read_spec
from rs_adapt.tiles.index import read_index

ROOT = Path(__file__).parents[2]
RUN = ROOT / "tests" / "runs" / "stored_0_1_0" / "finished"
# More on request; the campaign of whole commands is `campaign.py`.
EXAMPLES = int(os.environ.get("RS_ADAPT_FUZZ_EXAMPLES", "20"))

CELL = {"bench": "b", "setting": "da", "method": "m", "backbone": "v", "head": "h", "strategy": "s", "seed": 0}
SWEEP = {"status": "failed", "digest": "d", "attempts": 1, "identity": {"cell.seed": 0}, "wall_s": 1.5, "pid": 3}
PLAN = {"name": "n", "cells": [{"folder": "a", "overrides": ["a=1"]}], "skipped": [{"what": "w", "reason": "r"}]}
PART = {"scenes": 1, "tiles": 2, "pixels": 8, "classes": {"roof": {"tiles": 8, "gap": 1}}}
CONTENTS = {"format": 1, "regions": {"src": {"holds": {"1": 8}, "splits": {"train": PART}, "notes": ["n"]}}}
STRETCH = {
    "src": {"from": "as stored", "range": None},
    "tgt": {
        "from": "percentiles",
        "range": [[0.0, 9.5]] * 3,
        "pct": [2.0, 98.0],
        "images": 1,
        "step_px": 1,
        "pixels": 9,
    },
}
TILE = {"name": "t.png", "scene": "a", "box": [0, 0, 8, 8], "transform": [1.0] * 6, "crs": 0, "valid_share": 1.0}
INDEX = {"format": 1, "tile_px": 8, "stride_px": 8, "crs": [None], "tiles": [TILE]}
SCENE = {"region": None, "split": "train", "scene": "a", "source_bytes": [8, 8], "size_px": [8, 8]}
SCENE |= {"num_tiles": 1, "sha256": "0" * 64, "off_legend": {"1,2,3": 4}}
FACTS = {"format": 1, "name": "potsdam", "tile_px": 8, "legend": [[[1, 2, 3], 0]]}
SCALARS = ({"lr": 1e-3, "loss": 1.5, "iter": 1}, {"mIoU": 4.5, "step": 1})
DIGESTS = {"version": 1, "files": {"d.json": [1, 2, 3, "0" * 16]}}
TOML = b'name = "s"\nbench = ["a", "b"]\nseed = [0, 1]\niters = 4\n[[include]]\nname = "x"\nset = ["a=1"]\n'
BENCH = b'name = "mine"\ntile_px = 32\n[[class]]\nname = "a"\ncolour = "#010203"\n[train]\nlr = 1e-3\nval = ["x"]\n'


def dump(value: object) -> bytes:
    return json.dumps(value).encode()


def lines(*values: object) -> bytes:
    return b"".join(dump(value) + b"\n" for value in values)


def record(kind: type[Record]) -> Callable[[Path], object]:
    return lambda path: read_record(path, kind)


def peek(path: Path) -> object:
    return own_bench.peek(str(path))


def part_of(path: Path) -> object:
    return Partial(path.with_name("f")).mark("u")


def literals(path: Path) -> object:
    return read_literals(path, remedy="Copy.")


def read_zip(path: Path) -> None:
    with Archives() as archives:
        for original in list_originals(path, lambda name: True, archives=archives, scratch=path.parent):
            with archives.on_disk(original, path.parent):
                pass


def read_digests(path: Path) -> object:
    cache = DigestCache(path.parent)
    cache._file = path
    return cache.find(path)


def matrices(path: Path) -> bytes:
    counts = np.arange(18, dtype=np.int64).reshape(2, 3, 3)
    names = {"tiles": ("a", "b"), "scenes": ("", ""), "cities": ("", ""), "classes": ("x", "y", "z")}
    PerImage(**names, counts_NKK=counts, facts={"split": "south test", "iter": 4}).save(path)
    return path.read_bytes()


def originals(path: Path) -> bytes:
    inner = path.with_name("inner.zip")
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.tif", b"abc" * 40)
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(inner, "inner.zip")
        archive.writestr("b.tif", b"abc" * 40, zipfile.ZIP_DEFLATED)
    inner.unlink()
    return path.read_bytes()


def geojson(path: Path) -> bytes:
    ring = [[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0], [0.0, 0.0]]
    geometry = {"type": "Polygon", "coordinates": [ring]}
    features = [{"type": "Feature", "properties": {"use": "roof"}, "geometry": geometry}] * 2
    crs = {"type": "name", "properties": {"name": "EPSG:32632"}}
    return dump({"type": "FeatureCollection", "crs": crs, "features": features})


def read_polygons(path: Path) -> object:
    from rs_adapt.scenes.polygons import open_polygon_file

    return open_polygon_file(path, column="use").bounds


def raster(path: Path) -> bytes:
    from rs_adapt.scenes import write_geotiff

    write_geotiff(path, np.arange(192, dtype=np.uint8).reshape(8, 8, 3), crs="EPSG:32632")
    return path.read_bytes()


def picture(path: Path) -> bytes:
    from PIL import Image

    Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(path)
    return path.read_bytes()


def read_scene(path: Path) -> object:
    from rs_adapt.scenes import Scene, stored_form

    form = stored_form(path)
    with Scene(path) as scene:
        return form, scene.read_valid(1)


def weights(path: Path) -> bytes:
    import torch
    from safetensors.torch import save

    tensors = {f"blocks.{number}.attn.qkv.weight": torch.ones(3, 2) for number in range(2)}
    if path.suffix == ".safetensors":
        return save(tensors)
    torch.save(tensors, path)
    return path.read_bytes()


def read_weights(path: Path) -> object:
    from rs_adapt.backbones.reading import read_tensors

    return read_tensors(path)


def log(path: Path) -> bytes:
    head = "2025/01/01 00:00:01 - mmengine - INFO - "
    train = [f"{head}Iter(train) [{i}/4]  lr: 1.0e-03  eta: 0:00:01  loss: {1 / i}" for i in range(1, 5)]
    scores = f"{head}Iter(val) [2/2]    aAcc: 60.0000  mIoU: 40.0000  mAcc: 50.0000"
    return "\n".join([*train, "+---+---+", "| Class | IoU |", "| a | 4.5 |", scores, ""]).encode()


def read_log(path: Path) -> object:
    from rs_adapt.audit.verify.mmengine_log import read_log

    return read_log(path)


# Name of the file, its form for `damage`, its content and its reader.
READERS: dict[str, tuple[str, str, bytes | Callable[[Path], bytes], Callable[[Path], object]]] = {
    "cell": ("cell.json", "json", (RUN / "cell.json").read_bytes(), record(RunStart)),
    "result": ("result.json", "json", (RUN / "result.json").read_bytes(), record(Result)),
    "manifest": ("manifest.json", "json", (RUN / "manifest.json").read_bytes(), record(Manifest)),
    "data": ("data.json", "json", dump({"roles": {"labelled": {"a": ["0" * 16]}}}), record(DataRecord)),
    "sweep cell": ("sweep_cell.json", "json", dump(SWEEP), record(SweepCellRecord)),
    "plan": ("sweep.json", "json", dump(PLAN), record(SweepPlan)),
    "state of a cell": (
        *("sweep_cell.json", "json", dump(SWEEP)),
        lambda path: read_state(path.parent, digest="d", identity={}, locked=False),
    ),
    "metrics": ("metrics.jsonl", "jsonl", (RUN / "metrics.jsonl").read_bytes(), lambda path: read_metrics(path.parent)),
    "config": (
        CONFIG_FILE,
        "python",
        (RUN / "config.py").read_bytes(),
        literals,
    ),
    "onnx": ("m.onnx", "bytes", lambda path: write_model(path).read_bytes(), read_model),
    "matrices": ("m.npz", "npz", matrices, PerImage.load),
    "sweep": ("s.toml", "toml", TOML, read_spec),
    "bench": ("b.toml", "toml", BENCH, peek),
    "bench of a pack": (
        "b.json",
        "json",
        dump({"name": "mine", "class": [{"name": "a"}]}),
        lambda p: own_bench.peek(str(p)),
    ),
    "contents": ("contents.json", "json", dump(CONTENTS), lambda path: read_contents(path.parent)),
    "stretch": ("stretch.json", "json", dump(STRETCH), lambda path: read_stretch(path.parent)),
    "index": ("index.json", "json", dump(INDEX), lambda path: read_index(path.parent)),
    "marker": (MARKER, "json", dump({"facts": FACTS, "scenes": [SCENE]}), lambda path: read_marker(path.parent)),
    "journal": (JOURNAL, "jsonl", lines(FACTS, SCENE, SCENE), lambda path: read_journal(path.parent)),
    "digests": ("d.json", "json", dump(DIGESTS), read_digests),
    "list": ("l.txt", "text", b"image,label\n# no\n", read_list),
    "part": (
        "f.part.json",
        "json",
        dump({"url": "u", "mark": "m"}),
        part_of,
    ),
    "originals": ("o.zip", "zip", originals, read_zip),
    "polygons": ("p.geojson", "json", geojson, read_polygons),
    "raster": ("r.tif", "bytes", raster, read_scene),
    "picture": ("p.png", "bytes", picture, read_scene),
    "weights": ("w.safetensors", "tensors", weights, read_weights),
    "weights of torch": ("w.pth", "tensors", weights, read_weights),
    "log": ("train.log", "text", log, read_log),
    "scalars": ("scalars.json", "jsonl", lines(*SCALARS), read_log),
    **TASK_READERS,
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_file_is_read_or_refused(reader: str, tmp_path: Path) -> None:
    name, form, given_content, read = READERS[reader]
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    content = given_content(path) if callable(given_content) else given_content

    def put(value: bytes | None) -> None:
        if path.is_dir():
            path.rmdir()
        path.unlink(missing_ok=True)
        path.mkdir() if value is None else path.write_bytes(value)

    put(content)
    with contextlib.suppress(RsAdaptError):
        read(path)

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(0, 2**32))
    def check(seed: int) -> None:
        put(damage(form, content, random.Random(seed))[1])
        with contextlib.suppress(RsAdaptError):
            read(path)

    check()


def test_tensors_are_compared_with_their_header(tmp_path: Path) -> None:
    content = weights(tmp_path / "w.safetensors")
    header = b'{"a": {"dtype": "F32", "shape": [1000000, 1000000], "data_offsets": [0, 4000000000000]}}'
    path = tmp_path / "w.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + content[-24:])
    with pytest.raises(RsAdaptError, match=r"w\.safetensors"):
        read_weights(path)
