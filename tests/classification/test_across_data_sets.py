"""Settings xd and dg through the command line, on small folders as PatternNet and RSICD are given out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rs_adapt.commands import main
from rs_adapt.config.axes import bench_facts
from rs_adapt.scores.per_image import PerImage
from tests.scene_folders import TINY

# 2 for training, of which one is drawn, 1 for validation and 1 for the test.
IMAGES = 4
SETS = [word for text in (*TINY, "bench.shots=1") for word in ("--set", text)]
XD, DG = "patternnet-rsicd-xd", "shared-scenes-dg"


def write_image(path: Path, rng: np.random.Generator, colour: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noisy = np.clip(colour + rng.normal(0, 20, (12, 12, 3)), 0, 255).astype(np.uint8)
    Image.fromarray(noisy).save(path)


@pytest.fixture(scope="module")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for name in bench_facts("patternnet")["classes"]:
        colour = rng.uniform(0, 255, 3)
        for number in range(IMAGES):
            write_image(root / "patternnet" / name.replace(" ", "_") / f"{number:03d}.png", rng, colour)
    (root / "rsicd" / "txtclasses_rsicd").mkdir(parents=True)
    for index, name in enumerate(bench_facts("rsicd")["classes"]):
        files = [f"{index * IMAGES + number:05d}.png" for number in range(IMAGES)]
        colour = rng.uniform(0, 255, 3)
        for file in files:
            write_image(root / "rsicd" / "RSICD_images" / file, rng, colour)
        (root / "rsicd" / "txtclasses_rsicd" / f"{name.replace(' ', '')}.txt").write_text("\n".join(files))
    return root


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([*map(str, words)])
    return int(stop.value.code or 0)


def train(bench: str, method: str, data_root: Path, folder: Path) -> Path:
    options = ("--weights", "random", "--iters", 2, "--num-workers", 0, "--device", "cpu", "--logger", "none")
    words = ("--bench", bench, "--method", method, "--data-root", data_root, "--work-dir", folder)
    assert run("train", *words, *options, *SETS) == 0
    return folder


@pytest.fixture(scope="module")
def runs(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    for name in ("patternnet", "rsicd"):
        assert run("data", "prepare", name, "--data-root", data_root) == 0
    cells = {"xd": (XD, "coop"), "xd zero-shot": (XD, "zero-shot"), "dg": (DG, "coop")}
    return {key: train(*cell, data_root, folder / key.replace(" ", "_")) for key, cell in cells.items()}


@pytest.mark.parametrize(("name", "trained", "scored"), [("xd", 38, 31), ("dg", 11, 11)])
def test_result_counts_images_of_the_target(runs: dict[str, Path], name: str, trained: int, scored: int) -> None:
    folder = runs[name]
    result = json.loads((folder / "result.json").read_text())
    assert {"harmonic_mean_pct", "base_pct", "novel_pct"}.isdisjoint(result)
    assert len(result["acc_pct"]) == scored
    stored = PerImage.load(folder / result["selections"]["last"]["confusions"])
    # A test image a class, each decided among all classes of the target.
    assert stored.counts_NKK.sum(axis=(1, 2)).tolist() == [1] * scored
    hits = stored.total_KK().trace()
    assert result["accuracy_pct"] == pytest.approx(100 * hits / scored, abs=0.01)
    assert result["protocol"]["report_split"] == "rsicd test"
    data = json.loads((folder / "data.json").read_text())["roles"]
    assert (len(data["labelled"]), len(data["test"])) == (trained, scored)


def test_class_has_its_name_in_either_data_set(runs: dict[str, Path]) -> None:
    roles = json.loads((runs["dg"] / "data.json").read_text())["roles"]
    number = bench_facts("rsicd")["classes"].index("port") * IMAGES
    (harbour,) = [tile for tile in roles["test"] if tile.startswith("harbor:")]
    assert number <= int(Path(harbour).stem) < number + IMAGES
    assert next(tile for tile in roles["labelled"] if tile.startswith("harbor:")).startswith("harbor: harbor/")


@pytest.mark.parametrize("name", ["xd", "dg"])
def test_run_is_scored_again_and_agrees_with_itself(
    runs: dict[str, Path], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("eval", "--checkpoint", runs[name], "--device", "cpu") == 0
    assert "and the same counts in every tile" in " ".join(capsys.readouterr().out.split())
    code = run("verify", runs[name], "--json")
    verified = json.loads(capsys.readouterr().out)
    assert (code, verified["consistent"]) == (0, True), verified
    code = run("lint", runs[name], "--json")
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert code == 0
    assert {finding["rule"] for finding in findings} <= {"deviates-from-bench", "other-code"}


def test_runs_are_compared_and_reported(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("compare", runs["xd zero-shot"], runs["xd"]) == 0
    assert "accuracy" in capsys.readouterr().out
    assert run("compare", runs["xd"], runs["dg"]) == 2
    capsys.readouterr()
    # Other methods: the configurations differ, and the scores are accuracies.
    assert run("verify", runs["xd"], "--against", runs["xd zero-shot"]) == 1
    assert "accuracy, last: " in capsys.readouterr().out
    assert run("verify", runs["xd"], "--against", runs["xd"]) == 0
    assert run("report", *runs.values(), "--out", tmp_path / "page") == 0
    rows = (tmp_path / "page" / "results.csv").read_text().splitlines()
    assert "accuracy_pct" in rows[0]
    assert len(rows) == 4
    page = (tmp_path / "page" / "index.html").read_text()
    assert "Across data sets" in page
    assert "accuracy" in page
