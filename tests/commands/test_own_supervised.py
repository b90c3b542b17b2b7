"""`--setting ss` on a bench of your own: the target's labels are learnt there, and nowhere else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from own_benches import count_pixels, draw, write_bench, write_scene
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable

    Verb = Callable[..., tuple[Any, str, str]]

TRAIN = """
[train]
backbone = "dinov2_nano"
head = "linear"
method = "frozen"
iters = 2
batch_size = 1
"""
TARGET = """images = "tgt"
[target.labels]
path = "tgt_lab"
[target.labels.classes]
field = [0]
roof = [1]
"""


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a bench whose target has labels; the classes of its regions are drawn with different seeds."""
    monkeypatch.setenv("RS_ADAPT_HOME", str(tmp_path / "home"))
    for number, name in enumerate("abc"):
        write_scene(tmp_path / "img" / f"{name}.png", tmp_path / "lab" / f"{name}.png", draw(64, 64, number))
        write_scene(tmp_path / "tgt" / f"{name}.png", tmp_path / "tgt_lab" / f"{name}.png", draw(64, 64, 9 + number))
    file = write_bench(tmp_path, 'images = "img"', 'path = "lab"', target=TARGET)
    file.write_text(file.read_text() + TRAIN)
    return file


def prepared(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "home" / "prepared").iterdir() if path.is_dir())


def test_the_targets_labels_are_learnt_in_ss_alone(run_verb: Verb, bench: Path, tmp_path: Path) -> None:
    train = ("train", "--bench", bench, "--num-workers", "0", "--device", "cpu", "--weights", "random")
    code, out, err = run_verb(*train, "--setting", "ss", "--dry-run", "--work-dir", tmp_path / "dry")
    assert code == 0, err
    assert "  target train: 8 tiles of 2 scenes, 8 192 px labelled: " in out
    (tiles,) = prepared(tmp_path)
    assert count_pixels(tiles, "target/train") == (8 * 32 * 32, 0)
    code, out, err = run_verb(*train, "--setting", "ss", "--work-dir", tmp_path / "run")
    assert code == 0, err
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["protocol"]["report_split"] == "target val"
    assert result["miou_pct"] is not None
    code, out, err = run_verb("eval", tmp_path / "run", "--device", "cpu", "--json")
    assert (code, json.loads(out)["notes"]) == (0, []), err
    # The other settings have a folder of their own, without these labels.
    code, out, err = run_verb(*train, "--setting", "da", "--dry-run", "--work-dir", tmp_path / "dry")
    assert code == 0, err
    assert "  target train: 8 tiles of 2 scenes, no labels are read" in out
    (other,) = (path for path in prepared(tmp_path) if path != tiles)
    assert not (other / "target" / "train" / "ann_dir").exists()


def test_tiles_of_the_target_without_a_labelled_pixel_are_left_out(run_verb: Verb, bench: Path, tmp_path: Path) -> None:
    bench.write_text(bench.read_text().replace('path = "tgt_lab"\n', 'path = "tgt_lab"\nignore = [7]\n'))
    label = tmp_path / "tgt_lab" / "a.png"
    values = np.array(Image.open(label))
    values[:32, :32] = 7
    Image.fromarray(values).save(label)
    code, out, err = run_verb("train", "--bench", bench, "--setting", "ss", "--dry-run", "--weights", "random")
    assert code == 0, err
    assert "  labelled: 7 tiles" in out
    assert "  target train tiles left out: 1 without any labelled pixel" in out


def test_a_class_that_the_target_lacks_is_refused(run_verb: Verb, bench: Path, tmp_path: Path) -> None:
    for path in (tmp_path / "tgt_lab").iterdir():
        Image.fromarray(np.zeros((64, 64), np.uint8)).save(path)
    code, _, err = run_verb("train", "--bench", bench, "--setting", "ss", "--dry-run", "--weights", "random")
    assert code == 2
    assert "The target's labels hold no pixel of roof, so it cannot be learnt." in err
    assert run_verb("train", "--bench", bench, "--setting", "da", "--dry-run", "--weights", "random")[0] == 0


def test_a_missing_label_of_a_training_image_is_named(run_verb: Verb, bench: Path, tmp_path: Path) -> None:
    (tmp_path / "tgt_lab" / "a.png").unlink()
    code, _, err = run_verb("train", "--bench", bench, "--setting", "ss", "--dry-run", "--weights", "random")
    assert code == 2
    assert f"There is no label {tmp_path / 'tgt_lab' / 'a.png'}" in err
    assert run_verb("train", "--bench", bench, "--setting", "da", "--dry-run", "--weights", "random")[0] == 0


def test_a_target_without_labels_is_refused_in_words(run_verb: Verb, bench: Path) -> None:
    bench.write_text(bench.read_text().replace(TARGET, 'images = "tgt"\n'))
    code, _, err = run_verb("train", "--bench", bench, "--setting", "ss", "--dry-run", "--weights", "random")
    assert code == 2
    assert "The target of bench mine has no labels, but the setting ss trains on them." in err


def test_labels_that_begin_at_zero_are_not_reduced(run_verb: Verb, bench: Path) -> None:
    reduced = ("--set", "bench.reduce_zero_label=true")
    code, _, err = run_verb("train", "--bench", bench, "--setting", "da", "--dry-run", "--weights", "random", *reduced)
    assert code == 2
    assert "the tiles of your own scenes hold the classes from 0 on: 0 is field" in err


def test_lint_finds_shared_ground_and_pixels_of_another_size(run_verb: Verb, bench: Path, tmp_path: Path) -> None:
    def placed(x: float, pixel_m: float) -> dict[str, Any]:
        return {"crs": "EPSG:32632", "transform": (pixel_m, 0.0, x, 0.0, -pixel_m, 5_000_000.0)}

    for folder in ("img", "tgt"):
        for path in (tmp_path / folder).iterdir():
            path.unlink()
    for number, name in enumerate("abc"):
        write_scene(tmp_path / "img" / f"{name}.tif", None, draw(64, 64, number), **placed(500_000 + 64 * number, 2))
        write_scene(
            tmp_path / "tgt" / f"{name}.tif", None, draw(64, 64, 9 + number), **placed(600_000 + 64 * number, 9)
        )
    assert run_verb("train", "--bench", bench, "--setting", "da", "--dry-run", "--weights", "random")[0] == 0
    _, out, _ = run_verb("lint", "--bench", bench, "--setting", "da", "--json")
    findings = [one for one in json.loads(out)["findings"] if one["rule"] in ("same-ground", "pixel-size")]
    assert [(one["level"], one["rule"], one["key"]) for one in findings] == [
        ("warning", "same-ground", "bench.source.val.img_dir"),
        ("warning", "same-ground", "bench.target.val.img_dir"),
        ("warning", "pixel-size", "bench.prepare.target.images"),
    ]
    assert "a pixel of the target is 4.5 times larger than one of the source (9 m and 2 m)" in findings[2]["found"]


def test_verify_reports_labels_that_changed_after_cutting(run_verb: Verb, bench: Path, tmp_path: Path) -> None:
    assert run_verb("data", "prepare", bench)[0] == 0
    code, out, err = run_verb("data", "verify", bench)
    assert (code, "No faults." in out) == (0, True), err
    Image.fromarray(1 - draw(64, 64, 0)).save(tmp_path / "lab" / "a.png")
    code, out, err = run_verb("data", "verify", bench)
    assert code == 1, err
    assert "wrong: The scenes or labels have changed since these tiles were cut: rs-adapt data prepare cuts" in out
