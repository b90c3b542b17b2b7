"""Trained on one data set and scored on another by the class list of that one: from originals to a report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rs_adapt.commands import main
from rs_adapt.scores.per_image import PerImage

SETTINGS = {
    "bench.tile_px": 32,
    "bench.crop_px": 32,
    "bench.inference.crop_px": 32,
    "bench.inference.stride_px": 32,
    "bench.inference.resize_px": 32,
    "bench.source.resize_px": 32,
    "bench.schedule.batch_size.ov": 2,
}


def run(*arguments: str) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*arguments])
    assert (stop.value.code or 0) == 0, arguments


def save(path: Path, pixels: np.ndarray, palette: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture: Any = Image.fromarray(pixels, "P" if palette else None)
    if palette:
        picture.putpalette([value for index in range(256) for value in (index, index, index)])
    picture.save(path)


def write_originals(folder: Path) -> None:
    """Write DLRSD as its authors give it out (labels with a palette), and UDD5."""
    rng = np.random.default_rng(0)
    for number in (1, 2, 4, 9):
        image = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        label = np.kron(rng.permutation(np.arange(16)).reshape(4, 4) + 1, np.ones((8, 8))).astype(np.uint8)
        label[:2, :2] = 17
        save(folder / "UCMerced_LandUse" / "Images" / "harbor" / f"harbor{number:02d}.tif", image)
        save(folder / "DLRSD" / "Images" / "harbor" / f"harbor{number:02d}.png", label, palette=True)
    for split in ("train", "val"):
        for number in range(2):
            save(folder / "UDD5" / split / "src" / f"{number}.JPG", rng.integers(0, 256, (24, 32, 3), dtype=np.uint8))
            label = np.kron(rng.integers(0, 5, (3, 4)), np.ones((8, 8))).astype(np.uint8)
            save(folder / "UDD5" / split / "gt" / f"{number}.png", label)


@pytest.mark.slow
def test_from_originals_to_a_score_by_the_names_of_the_target(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_originals(tmp_path / "s")
    root, cell = ("--data-root", str(tmp_path / "data")), str(tmp_path / "cell")
    run("data", "prepare", "dlrsd", "--source", str(tmp_path / "s"), *root, "--partial", "--jobs", "1")
    run("data", "prepare", "udd5", "--source", str(tmp_path / "s" / "UDD5"), *root, "--partial", "--jobs", "1")
    names = ("--bench", "ovrsis-ov", "--direction", "udd5", "--backbone", "nano-clip", "--head", "cost-small")
    changes = [text for key, value in SETTINGS.items() for text in ("--set", f"{key}={value}")]
    run("train", *names, "--method", "frozen", "--iters", "2", "--partial", *changes, *root, "--work-dir", cell)
    result = json.loads((Path(cell) / "result.json").read_text())
    assert result["open_vocabulary"]["seen"]["classes"] == ["buildings"]
    assert result["protocol"]["classes"] == "buildings | vegetation,road,vehicle,other"
    assert any("scored on 2 of 40 tiles of ovrsis/udd5/val" in note for note in result["notes"])
    # Of 21 classes, neither labels nor predictions are those of DLRSD alone.
    total_KK = PerImage.load(Path(cell) / "confusions" / "iter2.npz").total_KK()
    assert total_KK.shape == (21, 21)
    named = [2, 17, 18, 19, 20]
    assert total_KK[np.ix_(named, named)].sum() == total_KK.sum() == 2 * 24 * 32
    capsys.readouterr()
    run("eval", cell, *root)
    run("score", cell, "--classes", "all")
    assert "mean over 5 of 21 classes" in capsys.readouterr().out.replace("\n", " ")
    run("lint", cell, *root)
    run("report", cell, "--out", str(tmp_path / "page"), "--against", "paper")
    page = (tmp_path / "page" / "report.md").read_text()
    assert "| ovrsis-udd5-ov | rskt-seg, clip-l-14-336 | published | 45.7 |" in page
    assert "Of the setting ov, our score is hIoU" in page
    with pytest.raises(SystemExit) as stop:
        main(["data", "verify", "ovrsis-ov", *root])
    assert stop.value.code == 2
    assert "class lists of their own. Name one of its data sets instead: dlrsd, " in capsys.readouterr().err
