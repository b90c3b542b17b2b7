"""The dry run and `data verify` print the same numbers of what is in the tiles of a bench of one's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from own_benches import draw, write_bench, write_scene

from rs_adapt.commands import main

if TYPE_CHECKING:
    from collections.abc import Callable

TRAIN = """
[train]
backbone = "dinov2_nano"
head = "linear"
method = "frozen"
iters = 2
batch_size = 1
"""
LABELS = 'path = "lab"'


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs a command and gives exit code, stdout and stderr."""

    def run(*arguments: Any) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main([*map(str, arguments)])
        shown = capsys.readouterr()
        return int(stop.value.code or 0), shown.out, shown.err

    return run


def bench(folder: Path, source: str = 'images = "img"', **facts: Any) -> Path:
    for number in (1, 2, 3):
        classes = draw(64, 96, number)
        classes[:3] = 1
        write_scene(folder / "img" / f"a{number}.png", folder / "lab" / f"a{number}.png", classes)
    file = write_bench(folder, source, LABELS, **facts)
    file.write_text(file.read_text() + TRAIN)
    return file


def test_the_dry_run_and_verify_print_the_same_truth(call, tmp_path: Path) -> None:
    target = 'images = "img"\nval = ["a2"]\n[target.labels]\npath = "lab"\n[target.labels.classes]\nroof = [1, 0]'
    file = bench(tmp_path, target=target)
    train = ("train", "--bench", file, "--setting", "da", "--dry-run", "--work-dir", tmp_path / "run")
    code, out, err = call(*train)
    assert code == 0, err
    lines = [line.strip() for line in out.splitlines() if line.startswith(("  source ", "  target ")) and ":" in line]
    lines = [line for line in lines if " stretch: " not in line]
    assert [line.split(":")[0] for line in lines] == [
        "source labels hold",
        "source train",
        "source val",
        "target labels hold",
        "target train",
        "target val",
        "target val warning",
    ]
    assert lines[4] == "target train: 12 tiles of 2 scenes, no labels are read"
    assert lines[6] == "target val warning: no pixel of field is in these tiles"
    code, out, err = call("data", "verify", file)
    assert set(lines) <= set(out.splitlines())
    contents = json.loads(call(*train, "--json")[1])["contents"]
    report = json.loads(call("data", "verify", file, "--json")[1])
    assert report["contents"] == contents
    # Where tiles do not overlap, the record counts what the tiles themselves hold.
    for row in report["sets"]:
        region, split = row["set"].split()
        classes = contents["regions"][region]["splits"][split]["classes"]
        held = (
            {} if classes is None else {str(k): one["tiles"] for k, one in enumerate(classes.values()) if one["tiles"]}
        )
        assert row["values"] == held


def test_verify_notices_tiles_that_are_not_those_of_the_record(call, tmp_path: Path, own_home: Path) -> None:
    file = bench(tmp_path)
    assert call("train", "--bench", file, "--setting", "dg", "--dry-run")[0] == 0
    assert call("data", "verify", file)[0] == 0
    (tile, *_) = sorted(own_home.glob("prepared/mine-*/source/train/img_dir/*.png"))
    tile.unlink()
    (tile.parents[1] / "ann_dir" / tile.name).unlink()
    code, out, _ = call("data", "verify", file)
    assert code == 1
    assert "wrong: source train: 11 images, contents.json has recorded 12" in out


def test_nothing_is_scored_on_a_source_that_trains_on_all(call, tmp_path: Path) -> None:
    file = bench(tmp_path, 'images = "img"\nval_share = 0')
    run = tmp_path / "run"
    options = ("--num-workers", "0", "--device", "cpu", "--work-dir", run)
    code, out, err = call("train", "--bench", file, "--setting", "dg", *options)
    assert code == 0, err
    assert "Not scored: the target has no labels." in out
    code, _, err = call("eval", run, "--split", "source-val")
    assert code == 2
    assert "trains on all scenes of its source (val_share = 0), so there is no split source-val to score" in err


def test_tiles_are_made_before_the_first_run(call, tmp_path: Path, own_home: Path) -> None:
    file = bench(tmp_path)
    code, out, _ = call("data", "prepare", file, "--dry-run")
    assert code == 0
    assert "source: 3 scenes (2 train, 1 val)" in out
    assert not (own_home / "prepared").exists()
    code, out, _ = call("data", "prepare", file, "--jobs", "2")
    assert code == 0
    assert "source train: 12 tiles of 2 scenes, 12 288 px labelled" in out
    (folder,) = own_home.glob("prepared/mine-*")
    made = (folder / "prepared.json").stat().st_mtime_ns
    assert call("train", "--bench", file, "--setting", "dg", "--dry-run")[0] == 0
    assert (folder / "prepared.json").stat().st_mtime_ns == made
    code, _, err = call("data", "prepare", file, "--tile-px", "64", "--partial")
    assert code == 2
    assert "--tile-px, --partial does not apply" in err


def test_adaptation_takes_no_pseudo_label_where_a_chip_is_padded(
    call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rs_adapt.strategies import pseudo_labels

    seen = []
    valid_pixels = pseudo_labels.valid_pixels

    def watched(samples: Any, *shape: Any) -> Any:
        valid = valid_pixels(samples, *shape)
        seen.append(
            [(sample.img_path, share) for sample, share in zip(samples, valid.float().mean((1, 2)), strict=True)]
        )
        return valid

    monkeypatch.setattr("rs_adapt.strategies.self_training.valid_pixels", watched)
    write_scene(tmp_path / "tgt" / "chip.png", None, draw(16, 16))
    file = bench(tmp_path)
    file.write_text(file.read_text() + "resize_ratio = [0.9, 1.0]\n")
    options = ("--num-workers", "0", "--device", "cpu", "--work-dir", tmp_path / "run", "--setting", "da")
    code, _, err = call("train", "--bench", file, *options, "--strategy", "dacs")
    assert code == 0, err
    assert len(seen) == 2
    for ((path, share),) in seen:
        assert path.endswith("chip_0_0_16_16.png")
        # A quarter of the tile, and of a random crop of it.
        assert 0.15 < share < 0.35
