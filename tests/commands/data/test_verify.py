"""`rs-adapt data verify`: numbers, every kind of fault, and what is no fault."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from rs_adapt.commands import main
from rs_adapt.datasets import tile_sets
from rs_adapt.datasets.originals import load_layout, prepare_originals

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Verify = Callable[..., tuple[Any, str, str]]

SCENES = {"train": ("2_10", "2_11"), "val": ("7_13",)}


@pytest.fixture
def verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Verify:
    """Return a function that verifies below `data`, and gives the exit code, stdout and stderr."""

    def run(*arguments: str) -> tuple[Any, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(["data", "verify", *arguments, "--data-root", str(tmp_path / "data")])
        shown = capsys.readouterr()
        return stop.value.code or 0, shown.out, shown.err

    return run


@pytest.fixture
def potsdam(write_originals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write three scenes of Potsdam in tiles of 16 px, six a scene, and let verify expect just that."""
    write_originals("potsdam", tmp_path / "s", [*SCENES["train"], *SCENES["val"]])
    prepare_originals("potsdam", tmp_path / "s", tmp_path / "data", tile_px=16, jobs=1, partial=True)
    small = dataclasses.replace(
        load_layout("potsdam"),
        tile_px=16,
        parts=tuple(
            dataclasses.replace(part, num_tiles=6 * len(SCENES[part.split])) for part in load_layout("potsdam").parts
        ),
    )
    monkeypatch.setattr(tile_sets, "load_layout", lambda _: small)
    return tmp_path / "data" / "potsdam"


def test_prepared_tiles_have_no_fault(potsdam: Path, verify: Verify) -> None:
    code, out, err = verify("potsdam")
    assert (code, err) == (0, "verifying tiles: 18\n")
    assert re.search(r"train +12 +12 +12 +16x16 +0 1 2 3 4 5 6 +0 +0", out)
    assert re.search(r"val +6 +6 +6 +16x16", out)
    assert out.endswith("No faults.\n")


def test_json_has_counts_that_agree_with_the_labels(potsdam: Path, verify: Verify) -> None:
    code, out, _ = verify("potsdam", "--json")
    found = json.loads(out)
    assert (code, found["ok"], found["faults"]) == (0, True, [])
    counts = np.zeros(256, np.int64)
    for path in (potsdam / "ann_dir" / "val").iterdir():
        counts += np.bincount(np.asarray(Image.open(path)).ravel(), minlength=256)
    row = found["sets"][1]
    assert row["set"] == "val"
    assert row["values"] == {str(value): int(count) for value, count in enumerate(counts) if count}
    assert row["ignored_pct"] == pytest.approx(100 * counts[0] / counts.sum(), abs=1e-3)
    assert row["class_pct"]["car"] == pytest.approx(100 * counts[5] / counts[1:7].sum(), abs=1e-3)
    assert sum(row["class_pct"].values()) == pytest.approx(100, abs=0.01)


def spoil(kind: str, folder: Path) -> None:
    images, labels = folder / "img_dir" / "train", folder / "ann_dir" / "train"
    tile = "2_10_0_0_16_16.png"
    if kind == "no label":
        (labels / tile).unlink()
    elif kind == "no image":
        (images / tile).unlink()
    elif kind == "cut off":
        (images / tile).write_bytes((images / tile).read_bytes()[:300])
    elif kind == "value":
        Image.fromarray(np.full((16, 16), 9, np.uint8)).save(labels / tile)
    elif kind == "size":
        for target in (images, labels):
            Image.open(target / tile).crop((0, 0, 8, 16)).save(target / tile)
    elif kind == "sizes differ":
        Image.open(labels / tile).crop((0, 0, 8, 16)).save(labels / tile)
    elif kind == "leak":
        Image.open(images / tile).save(folder / "img_dir" / "val" / "7_13_0_0_16_16.png", compress_level=9)
    elif kind == "nothing":
        shutil.rmtree(folder / "img_dir" / "val")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("no label", r"train: 1 image\(s\) without label, first 2_10_0_0_16_16"),
        ("no image", r"train: 11 images, published are 12"),
        ("cut off", r"train: cannot read .*img_dir/train/2_10_0_0_16_16\.png"),
        ("value", r"train: label value 9 \(256 pixels\) in .*2_10_0_0_16_16\.png is outside"),
        ("size", r"train: 1 tile\(s\) of 8x16 px, first 2_10_0_0_16_16; tiles are of 16x16 px"),
        ("sizes differ", r"train: size mismatch, .*2_10_0_0_16_16\.png is 16x16 px but its label"),
        ("leak", r"The same image is in train/2_10_0_0_16_16 and val/7_13_0_0_16_16\."),
        ("nothing", r"val: .*img_dir/val does not exist or holds no tiles"),
    ],
)
def test_each_fault_is_found_and_fails(potsdam: Path, verify: Verify, kind: str, message: str) -> None:
    spoil(kind, potsdam)
    code, out, _ = verify("potsdam")
    assert code == 1
    assert re.search(f"wrong: {message}", out)
    assert "No faults" not in out


def test_all_faults_are_reported_at_once(potsdam: Path, verify: Verify) -> None:
    for kind in ("no label", "leak"):
        spoil(kind, potsdam)
    (potsdam / "ann_dir" / "val" / "7_13_24_8_40_24.png").write_bytes(b"")
    code, out, _ = verify("potsdam", "--json")
    assert code == 1
    # The image that is in val as well has lost its label in train, so it is not looked at there.
    assert len(json.loads(out)["faults"]) == 2
    assert [len(row["faults"]) for row in json.loads(out)["sets"]] == [1, 1]


def test_copies_within_a_set_and_plain_tiles_are_remarks_and_not_faults(potsdam: Path, verify: Verify) -> None:
    train, val = potsdam / "img_dir" / "train", potsdam / "img_dir" / "val"
    shutil.copy(train / "2_10_0_0_16_16.png", train / "2_11_0_0_16_16.png")
    for folder, name in ((train, "2_10_24_0_40_16.png"), (val, "7_13_0_0_16_16.png")):
        Image.new("RGB", (16, 16)).save(folder / name)
    code, out, _ = verify("potsdam", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["duplicates"] == {
        "across_splits": [],
        "across_regions": [],
        "within": [["train/2_10_0_0_16_16", "train/2_11_0_0_16_16"]],
    }
    assert [row["blank_images"] for row in found["sets"]] == [1, 1]
    assert "Equal images within a set: 1 groups, such as train/2_10_0_0_16_16 = train/2_11" in verify("potsdam")[1]


@pytest.mark.parametrize("name", ["loveda", "loveda-da", "loveda-u2r-dg"])
def test_benches_are_verified_by_their_folders(loveda_root: Path, verify: Verify, name: str) -> None:
    code, out, _ = verify(name, "--json")
    found = json.loads(out)
    assert code == 1
    assert {row["set"]: row["images"] for row in found["sets"]} == {
        "rural train": 4,
        "rural val": 2,
        "urban train": 4,
        "urban val": 2,
    }
    assert {row["set"]: row["published"] for row in found["sets"]}["urban val"] == 2708
    # Too few, and of 64 px.
    assert len(found["faults"]) == 8


def test_names_and_missing_data_are_refused(verify: Verify) -> None:
    code, _, err = verify("lovda")
    assert code == 2
    assert re.search(r"There is no data set or bench 'lovda'\. Did you mean loveda", err)
    code, _, err = verify("isprs-da")
    assert code == 2
    assert re.search(r"There are no tiles of isprs_p2v: none of .*rs-adapt data prepare potsdam", err)
    code, _, err = verify("synthetic")
    assert code == 2
    assert "The first run of the bench makes its tiles." in err
