"""Preparing tiles: complete or absent, made once, remade when the raw files change, and clear refusals."""

from __future__ import annotations

import errno
import multiprocessing
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rs_adapt import files
from rs_adapt.datasets.prepare import ensure_prepared
from rs_adapt.errors import ConfigError, DataError, DataNotFound
from rs_adapt.tiles import read_index

SYNTHETIC: dict[str, Any] = {
    "prepare": {
        "kind": "synthetic",
        "seed": 0,
        "scenes": {"train": 1, "val": 1, "test": 1},
        "size_px": 128,
        "stride_px": 64,
    },
    "bench": {"tile_px": 64, "classes": list("abcdef"), "reduce_zero_label": False, "ignore_index": 255},
}


def test_folder_with_other_content_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="is not empty and holds no prepared tiles"):
        ensure_prepared(**SYNTHETIC, data_root=tmp_path, out_dir=tmp_path / "out")
    assert (tmp_path / "out" / "thesis.txt").is_file()


def test_cache_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file, where RS_ADAPT_HOME names a folder")
    out = tmp_path / "home" / "prepared" / "bench-1"
    with pytest.raises(ConfigError, match=r"Cannot write the tiles to .*bench-1: Not a directory\. .*RS_ADAPT_HOME"):
        ensure_prepared(**SYNTHETIC, data_root=tmp_path, out_dir=out)


def test_full_disk_is_refused_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def save(_image: Image.Image, _file: Path, **_options: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", save)
    with pytest.raises(ConfigError, match=r"Cannot write the tiles to .*No space left on device\. Free some space"):
        ensure_prepared(**SYNTHETIC, data_root=tmp_path, out_dir=tmp_path / "home" / "bench-1")
    assert [path.name for path in (tmp_path / "home").iterdir()] == [".bench-1.lock"]


IMAGES: dict[str, Any] = {
    "prepare": {
        "kind": "images",
        "image_dir": "set/images",
        "label_dir": "set/labels",
        "image_suffix": ".jpg",
        "label_suffix": ".png",
        "regions": {"urban": ["tile1"], "coast": ["tile2"]},
        "crops": ["001", "002"],
        "val_crops": ["002"],
        "stride_px": 64,
        "how_to_get": "Fetch it from the archive.",
    },
    "bench": {"tile_px": 64, "classes": ["land", "water"], "reduce_zero_label": True, "ignore_index": 255},
}
STEMS = ("tile1_001", "tile1_002", "tile2_001", "tile2_002")


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Four small images of two scenes with labels 0 to 2."""
    rng = np.random.default_rng(0)
    root = tmp_path / "data"
    for name in ("images", "labels"):
        (root / "set" / name).mkdir(parents=True)
    for stem in STEMS:
        colours = rng.integers(0, 256, (100, 130, 3), dtype=np.uint8)
        Image.fromarray(colours).save(root / "set" / "images" / f"{stem}.jpg")
        values = rng.integers(0, 3, (100, 130), dtype=np.uint8)
        Image.fromarray(values).save(root / "set" / "labels" / f"{stem}.png")
    return root


def make(kind: dict[str, Any], root: Path, out_dir: Path) -> list[tuple[str, int, int | None]]:
    steps: list[tuple[str, int, int | None]] = []
    ensure_prepared(**kind, data_root=root, out_dir=out_dir, on_progress=lambda *step: steps.append(step))
    return steps


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_synthetic_tiles_by_region_and_split(tmp_path: Path) -> None:
    out_dir = tmp_path / "cache" / "synthetic-1"
    steps = make(SYNTHETIC, tmp_path / "nowhere", out_dir)
    assert [done for _, done, _ in steps] == list(range(1, 7))
    assert len(list((out_dir / "scenes").rglob("*.tif"))) == 12
    for region in ("north", "south"):
        for split in ("train", "val", "test"):
            part = out_dir / region / split
            assert names(part / "img_dir") == names(part / "ann_dir") == sorted(t.name for t in read_index(part))
            values = np.asarray(Image.open(next((part / "ann_dir").iterdir())))
            assert set(np.unique(values)) <= {0, 1, 2, 3, 4, 5, 255}
    # A second call makes nothing.
    assert make(SYNTHETIC, tmp_path / "nowhere", out_dir) == []
    assert not [name for name in names(out_dir.parent) if ".new-" in name or ".old-" in name]


def test_images_are_cut_by_region_and_held_out_crop(raw: Path, tmp_path: Path) -> None:
    out_dir = tmp_path / "out"
    assert len(make(IMAGES, raw, out_dir)) == 4
    for region, scene in (("urban", "tile1"), ("coast", "tile2")):
        for split, crop in (("train", "001"), ("val", "002")):
            tiles = names(out_dir / region / split / "img_dir")
            assert len(tiles) == 2 * 3
            assert all(name.startswith(f"{scene}_{crop}_") for name in tiles)
    values = np.asarray(Image.open(out_dir / "urban/train/ann_dir/tile1_001_66_36_130_100.png"))
    label = np.asarray(Image.open(raw / "set/labels/tile1_001.png"))
    assert np.array_equal(values, label[36:, 66:])


def test_small_images_are_padded_with_the_ignored_value(raw: Path, tmp_path: Path) -> None:
    small = {**IMAGES, "bench": {**IMAGES["bench"], "tile_px": 128}}
    make(small, raw, tmp_path / "out")
    values = np.asarray(Image.open(tmp_path / "out/urban/train/ann_dir/tile1_001_0_0_128_100.png"))
    assert values.shape == (128, 128)
    assert not values[100:].any()


def test_raw_folder_is_only_read(raw: Path, tmp_path: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in raw.rglob("*")}
    make(IMAGES, raw, tmp_path / "out")
    assert {p: p.stat().st_mtime_ns for p in raw.rglob("*")} == before


def test_changed_raw_file_or_facts_are_made_again(raw: Path, tmp_path: Path) -> None:
    out_dir = tmp_path / "out"
    make(IMAGES, raw, out_dir)
    assert make(IMAGES, raw, out_dir) == []
    label = raw / "set/labels/tile1_001.png"
    Image.fromarray(np.ones((100, 130), dtype=np.uint8)).save(label)
    assert len(make(IMAGES, raw, out_dir)) == 4
    assert (np.asarray(Image.open(out_dir / "urban/train/ann_dir/tile1_001_0_0_64_64.png")) == 1).all()
    os.utime(label, ns=(0, 0))
    assert len(make(IMAGES, raw, out_dir)) == 4
    wider = {**IMAGES, "prepare": {**IMAGES["prepare"], "stride_px": 32}}
    assert len(make(wider, raw, out_dir)) == 4
    assert len(names(out_dir / "urban/train/img_dir")) == 3 * 4


@pytest.mark.parametrize("kind", ["img_dir", "ann_dir", "both"])
def test_tiles_that_vanished_are_made_again(raw: Path, tmp_path: Path, kind: str) -> None:
    before = make(IMAGES, raw, tmp_path / "tiles")
    marker = next((tmp_path / "tiles").glob("prepared.json")).read_text()
    folder = next(path for path in (tmp_path / "tiles").rglob("img_dir")).parent
    lost = [next((folder / one).iterdir()) for one in ("img_dir", "ann_dir") if kind in (one, "both")]
    for file in lost:
        file.unlink()
    assert make(IMAGES, raw, tmp_path / "tiles") != []
    assert all(file.is_file() for file in lost)
    assert next((tmp_path / "tiles").glob("prepared.json")).read_text() == marker
    assert make(IMAGES, raw, tmp_path / "tiles") == [] != before


def test_interrupted_run_leaves_nothing_that_looks_finished(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out_dir = tmp_path / "out"

    def stop(stage: str, done: int, total: int | None) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ensure_prepared(**IMAGES, data_root=raw, out_dir=out_dir, on_progress=stop)
    assert not out_dir.exists()
    # A run that was killed outright cannot tidy up: its folder is cleared by the next one.
    monkeypatch.setattr(files.shutil, "rmtree", lambda *args, **kwargs: None)
    with pytest.raises(KeyboardInterrupt):
        ensure_prepared(**IMAGES, data_root=raw, out_dir=out_dir, on_progress=stop)
    monkeypatch.undo()
    assert [name for name in names(tmp_path) if ".new-" in name]
    assert len(make(IMAGES, raw, out_dir)) == 4
    assert not [name for name in names(tmp_path) if ".new-" in name]


def test_folder_without_marker_is_made_again(raw: Path, tmp_path: Path) -> None:
    out_dir = tmp_path / "out"
    make(IMAGES, raw, out_dir)
    (out_dir / "prepared.json").write_text("{ half")
    (out_dir / "urban/train/img_dir/stray.png").write_bytes(b"")
    assert len(make(IMAGES, raw, out_dir)) == 4
    assert "stray.png" not in names(out_dir / "urban/train/img_dir")


def _count_steps(root: Path, out_dir: Path, queue: Any) -> None:
    queue.put(len(make(IMAGES, root, out_dir)))


def test_of_two_processes_one_works_and_one_waits(raw: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn" if os.name == "nt" else "fork")
    queue = context.Queue()
    workers = [context.Process(target=_count_steps, args=(raw, tmp_path / "out", queue)) for _ in range(2)]
    for worker in workers:
        worker.start()
    counts = sorted(queue.get(timeout=60) for _ in workers)
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert counts == [0, 4]
    assert len(names(tmp_path / "out/urban/train/img_dir")) == 6


def test_error_of_a_missing_folder_names_path_and_remedy(raw: Path, tmp_path: Path) -> None:
    shutil.rmtree(raw / "set/images")
    with pytest.raises(DataNotFound, match=r"no folder of images .*data/set/images\. Fetch it from the archive\."):
        make(IMAGES, raw, tmp_path / "out")


def test_error_of_missing_pairs_states_their_number(raw: Path, tmp_path: Path) -> None:
    (raw / "set/images/tile2_001.jpg").unlink()
    (raw / "set/labels/tile2_001.png").unlink()
    with pytest.raises(DataNotFound, match=r"1 of 4 images .* tile2_001\.jpg\. Fetch it"):
        make(IMAGES, raw, tmp_path / "out")


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        ("images/tile1_002.jpg", r"Label .*labels/tile1_002\.png has no image"),
        ("labels/tile1_002.png", r"Image .*images/tile1_002\.jpg has no label"),
    ],
)
def test_missing_partner_is_named(raw: Path, tmp_path: Path, lost: str, message: str) -> None:
    (raw / "set" / lost).unlink()
    with pytest.raises(DataError, match=message):
        make(IMAGES, raw, tmp_path / "out")


def test_an_unexpected_file_is_named(raw: Path, tmp_path: Path) -> None:
    shutil.copy(raw / "set/images/tile1_001.jpg", raw / "set/images/tile9_001.jpg")
    shutil.copy(raw / "set/labels/tile1_001.png", raw / "set/labels/tile9_001.png")
    with pytest.raises(DataError, match=r"tile9_001\.jpg belongs to no region"):
        make(IMAGES, raw, tmp_path / "out")


def test_size_mismatch_is_named(raw: Path, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((100, 120), dtype=np.uint8)).save(raw / "set/labels/tile1_001.png")
    with pytest.raises(DataError, match=r"labels/tile1_001\.png is 120 x 100 px, its image .* is 130 x 100 px"):
        make(IMAGES, raw, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_unknown_label_value_is_named(raw: Path, tmp_path: Path) -> None:
    Image.fromarray(np.full((100, 130), 3, dtype=np.uint8)).save(raw / "set/labels/tile1_001.png")
    with pytest.raises(DataError, match=r"tile1_001\.png holds the values \[3\]; allowed are \[1, 2\]"):
        make(IMAGES, raw, tmp_path / "out")


@pytest.mark.parametrize("file", ["images/tile1_001.jpg", "labels/tile1_001.png"])
@pytest.mark.parametrize("share", [0.0, 0.6])
def test_damaged_file_is_named(raw: Path, tmp_path: Path, file: str, share: float) -> None:
    path = raw / "set" / file
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(DataError, match=rf"{path.name} cannot be read"):
        make(IMAGES, raw, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"allowed are synthetic, .*images, scenes"):
        make({**SYNTHETIC, "prepare": {"kind": "download"}}, tmp_path, tmp_path / "out")
