"""`rs-adapt judge` on the stored run and on a variant of it, whose head is turned."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

import rs_adapt as rsa
from rs_adapt.judging.indicators import KINDS
from rs_adapt.scenes import write_geotiff

RUN = Path(__file__).parents[1] / "runs" / "stored_0_1_0" / "finished"
Verb = Callable[..., tuple[Any, str, str]]


@pytest.mark.slow
def test_two_runs_are_judged_on_the_target(variant: Path, tmp_path: Path, run_verb: Verb, shared_home: Path) -> None:
    out = tmp_path / "judge"
    options = ("--device", "cpu", "--num-tiles", 4, "--pictures", 2, "-o", out)
    code, printed, error = run_verb("judge", variant, "--against", RUN, *options)
    assert code == 0, error
    assert "Both predict 4 tiles of south " in printed
    assert "No label was read." in printed
    assert "RUN and AGAINST give the same class to " in printed
    assert printed.rstrip().endswith("index.html")
    numbers = json.loads((out / "judge.json").read_text())
    assert 0 < numbers["agreement"] < 1
    # The preferred class can only win pixels.
    assert {pair["run"] for pair in numbers["differences"]} == {"building"}
    assert numbers["class_shares"]["source"] is not None
    assert (out / "index.html").read_text().count("data:image/jpeg") == 6
    points = tmp_path / "points" / "points.csv"
    options = ("--device", "cpu", "--num-tiles", 4, "--pictures", 0, "--sample", 6, "-o", points.parent)
    code, printed, error = run_verb("judge", variant, "--against", RUN, *options)
    assert code == 0, error
    assert "Points to label: 3 where the maps differ (" in printed
    answers = ("judge", variant, "--against", RUN, "--answers", points)
    code, _, error = run_verb(*answers)
    assert code == 2
    assert "6 of 6 points have no label" in error
    points.write_text(points.read_text().replace(",\n", ",building\n"))
    code, printed, error = run_verb(*answers)
    assert code == 0, error
    # The variant says building wherever the two differ.
    assert "Of the 3 points where the maps differ, RUN is right at 3, AGAINST at 0, neither at 0." in printed
    verdict = json.loads(run_verb(*answers, "--json")[1])
    assert verdict["difference"]["value"] == pytest.approx(
        100 * (1 - json.loads((points.parent / "judge.json").read_text())["agreement"]), abs=1e-3
    )
    code, _, error = run_verb("judge", variant, "--against", RUN, *options, "--overwrite")
    assert code == 2
    assert "labels of points are never replaced" in error
    same = rsa.judge(RUN, RUN, out=None, num_tiles=2, device="cpu", progress=False)
    assert same.evidence.agreement == 1
    assert {indicator.favours for indicator in same.indicators} == {"neither"}


@pytest.mark.slow
def test_the_indicators_are_checked_against_finished_runs(
    variant: Path, tmp_path: Path, run_verb: Verb, shared_home: Path
) -> None:
    place = tmp_path / "runs"
    shutil.copytree(RUN, place / "first")
    shutil.move(variant, place / "second")
    for name, miou_pct in (("first", 60.0), ("second", 20.0)):
        file = place / name / "result.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"miou_pct": miou_pct}))
    options = ("--device", "cpu", "--num-tiles", 2, "--pictures", 0, "--reliability", place, "-o", tmp_path / "judge")
    code, printed, error = run_verb("judge", RUN, "--against", place / "second", *options)
    assert code == 0, error
    assert "On 2 finished runs with scores on their target" in printed
    numbers = json.loads((tmp_path / "judge" / "judge.json").read_text())
    found = {each["name"]: each for each in numbers["reliability"]["indicators"]}
    assert set(found) == set(numbers["indicators"])
    for name, values in numbers["indicators"].items():
        # Only one pair: right if the indicator is better for the run with the higher score.
        better = (
            values["run"] > values["against"] if KINDS[name].larger_is_better else values["run"] < values["against"]
        )
        assert (found[name]["num_pairs"], found[name]["right"]) == (1, float(better)), name
        assert found[name]["low"] is None
    assert "How often the indicators were right" in (tmp_path / "judge" / "index.html").read_text()
    code, _, error = run_verb("judge", RUN, "--against", RUN, *options[:-3], place / "first", "-o", tmp_path / "other")
    assert code == 2
    assert "no two of one bench and setting with different scores" in error


@pytest.mark.slow
def test_scenes_are_mapped_by_both_and_compared(
    variant: Path, tmp_path: Path, run_verb: Verb, shared_home: Path
) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(1, 256, (5, 10, 3)).repeat(64, axis=0).repeat(64, axis=1).astype(np.uint8)
    pixels[:64, :64] = 0
    scene, out = tmp_path / "scene.tif", tmp_path / "judge"
    place = (0.5, 0.0, 400000.0, 0.0, -0.5, 5500000.0)
    write_geotiff(scene, pixels, crs="EPSG:32632", transform=place, nodata=0)
    options = ("--against", RUN, "-o", out, "--device", "cpu", "--sample", 8, "--sample-format", "csv")
    code, printed, error = run_verb("judge", variant, scene, *options)
    assert code == 0, error
    assert "Both predict the scene scene.tif. No label was read." in printed
    assert sorted(path.name for path in out.iterdir()) == [
        *("against", "difference", "index.html", "judge.json", "points.csv", "run", "sample.json")
    ]
    assert [path.name for path in (out / "difference").iterdir()] == ["scene.tif"]
    with (
        rasterio.open(out / "difference" / "scene.tif") as difference,
        rasterio.open(out / "run" / "scene.tif") as of_run,
        rasterio.open(out / "against" / "scene.tif") as of_against,
    ):
        assert tuple(difference.transform)[:6] == place
        assert difference.crs.to_epsg() == 32632
        run_HW, against_HW, difference_HW = of_run.read(1), of_against.read(1), difference.read(1)
    assert (difference_HW[:64, :64] == 255).all()
    valid_HW = run_HW != 255
    assert np.array_equal(difference_HW[valid_HW] == 1, run_HW[valid_HW] != against_HW[valid_HW])
    numbers = json.loads((out / "judge.json").read_text())
    # Two windows of 512 px at most.
    assert numbers["num_images"] == 2
    assert numbers["num_pixels"] == valid_HW.sum()
    assert numbers["agreement"] == pytest.approx((run_HW == against_HW)[valid_HW].mean(), abs=1e-6)
    # Points lie on the map, and at their pixels the maps are as the sample states.
    points = {point["id"]: point for point in json.loads((out / "sample.json").read_text())["points"]}
    with (out / "points.csv").open(newline="") as opened:
        for row in csv.DictReader(opened):
            point = points[int(row["id"])]
            assert run_HW[point["row"], point["column"]] == point["run"]
            assert against_HW[point["row"], point["column"]] == point["against"]
            assert float(row["x"]) == 400000 + (point["column"] + 0.5) / 2
            assert row["crs"] == "EPSG:32632"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "Judging needs two runs"),
        (("--against", "nothing"), "nothing does not exist"),
        (("--against", RUN, "nothing.tif"), "There is no scene nothing.tif."),
        (("--against", RUN, "-o", "taken"), "taken is not empty and contains no judge.json"),
    ],
)
def test_what_cannot_be_judged_is_refused(
    arguments: tuple[object, ...], sentence: str, tmp_path: Path, run_verb: Verb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "notes.txt").write_text("mine")
    code, _, error = run_verb("judge", RUN, *arguments)
    assert code == 2
    assert sentence in error
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
