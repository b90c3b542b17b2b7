"""Cells whose data have changed since their run are stale, and are not resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rs_adapt.config import compose, resolve_cell
from rs_adapt.datasets import digests
from rs_adapt.datasets.tile_files import list_tiles
from rs_adapt.files import write_json
from rs_adapt.sweeps.data import DataFingerprints
from rs_adapt.sweeps.folder import can_resume, read_state
from rs_adapt.sweeps.work import Order, format_order
from tests.geodata import draw_classes, write_image, write_raster
from tests.sweeps.conftest import CELL

BENCH = """
name = "mine"
title = "Mine"
tile_px = 32
[[class]]
name = "a"
colour = "#C80000"
[[class]]
name = "b"
colour = "#00C800"
[[class]]
name = "c"
colour = "#0000C8"
[source]
images = "images"
val = ["two"]
[source.labels]
path = "labels"
suffix = ".tif"
[source.labels.classes]
a = [0]
b = [1]
c = [2]
[target]
images = "images"
"""


def relabel(path: Path) -> None:
    with Image.open(path) as image:
        label = np.array(image)
    Image.fromarray(np.where(label == 1, 2, label).astype(np.uint8)).save(path)


def facts(sha256: str) -> dict[str, Any]:
    return {"tiles": 4, "sha256": sha256}


def recorded(folder: Path, data: dict[str, str]) -> None:
    """Write the start of a run that recorded these fingerprints."""
    start = {"cell": CELL, "data": {role: facts(sha256) for role, sha256 in data.items()}}
    write_json(folder / "cell.json", start)
    write_json(folder / "sweep_cell.json", {"digest": "now", "status": "running"})


@pytest.mark.parametrize(
    ("file", "now", "status", "note"),
    [
        ("result.json", {"labelled": "old"}, "done", ""),
        ("result.json", {"labelled": "new"}, "stale", "its data have changed since: labelled"),
        # Data that are not on this machine.
        ("result.json", {}, "done", ""),
        ("state.pth", {"labelled": "old"}, "interrupted", ""),
        ("state.pth", {"labelled": "new"}, "missing", "its data have changed since: labelled; it starts from scratch"),
    ],
)
def test_state_follows_from_the_data_too(
    tmp_path: Path, file: str, now: dict[str, str], status: str, note: str
) -> None:
    recorded(tmp_path, {"labelled": "old"})
    write_json(tmp_path / file, {"cell": CELL})
    state = read_state(tmp_path, digest="now", identity={}, fingerprints=lambda: now)
    assert (state.status, state.note) == (status, note)


def test_run_without_fingerprints_is_current_and_nothing_is_read(tmp_path: Path) -> None:
    recorded(tmp_path, {})
    write_json(tmp_path / "result.json", {"cell": CELL})
    assert read_state(tmp_path, digest="now", identity={}, fingerprints=lambda: 1 / 0).status == "done"  # type: ignore[arg-type, return-value]


def test_state_of_other_data_is_not_resumed(tmp_path: Path) -> None:
    recorded(tmp_path, {"labelled": "old"})
    (tmp_path / "config.py").write_text("a = 1\n")
    (tmp_path / "state.pth").touch()
    from rs_adapt.sweeps.folder import config_sha256

    sha256 = config_sha256(tmp_path)
    assert sha256 is not None
    assert [can_resume(tmp_path, sha256, {"labelled": name}) for name in ("old", "new")] == [True, False]


def test_orders_of_before_without_fingerprints_are_read(tmp_path: Path) -> None:
    order = Order(folder=str(tmp_path), title="", digest="", identity={}, config_sha256="", command=(), retries=0)
    assert '"fingerprints": {}' in format_order(order)


def test_fingerprints_follow_the_tiles(loveda_root: Path, tmp_path: Path) -> None:
    text = compose(resolve_cell("loveda-da"), data_root=loveda_root, work_dir=tmp_path / "run").pretty_text
    before = DataFingerprints().of_config(text)
    assert set(before) == {"labelled", "unlabelled", "val", "source_val", "label_free", "test"}
    relabel(loveda_root / "loveda" / "rural" / "train" / "ann_dir" / "1.png")
    after = DataFingerprints().of_config(text)
    assert {role for role in before if before[role] != after[role]} == {"labelled"}
    (loveda_root / "loveda").rename(loveda_root / "elsewhere")
    assert DataFingerprints().of_config(text) == {}


def test_data_that_cells_share_are_looked_at_once(
    loveda_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    monkeypatch.setattr(digests, "list_tiles", lambda settings: looked.append(settings["name"]) or list_tiles(settings))
    data = DataFingerprints()
    texts = [
        compose(resolve_cell("loveda-da", seed=seed), data_root=loveda_root, work_dir=tmp_path / "run").pretty_text
        for seed in (0, 1)
    ]
    first = data.of_config(texts[0])
    num_looks = len(looked)
    assert num_looks > 0
    assert data.of_config(texts[1]) == first == DataFingerprints().of_config(texts[1])
    assert len(looked) == 2 * num_looks


def test_fingerprints_follow_the_scenes_of_your_own_bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RS_ADAPT_HOME", str(tmp_path / "home"))
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    for number, name in enumerate(("one", "two")):
        classes = draw_classes(64, 64, seed=number)
        write_image(tmp_path / "images" / f"{name}.tif", classes)
        write_raster(tmp_path / "labels" / f"{name}.tif", classes)
    (tmp_path / "mine.toml").write_text(BENCH)
    cfg = compose(resolve_cell(str(tmp_path / "mine.toml"), setting="da"), work_dir=tmp_path / "run")
    assert DataFingerprints().of_config(cfg.pretty_text) == {}
    from rs_adapt.engine.build import prepare_data

    prepare_data(cfg)
    before = DataFingerprints().of_config(cfg.pretty_text)
    write_raster(tmp_path / "labels" / "one.tif", draw_classes(64, 64, seed=5))
    after = DataFingerprints().of_config(cfg.pretty_text)
    assert {role for role in before if before[role] != after[role]} == {"labelled"}
