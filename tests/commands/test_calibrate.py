"""`rs-adapt calibrate`: the temperature goes into the pack, into probabilities of maps, and into the report."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch

import rs_adapt as rsa
from rs_adapt.inference.predictor import rescale
from rs_adapt.scenes import write_geotiff

RUN = Path(__file__).parents[1] / "runs" / "stored_0_1_0" / "finished"
Verb = Callable[..., tuple[Any, str, str]]


@pytest.mark.slow
def test_probabilities_of_a_calibrated_pack(tmp_path: Path, run_verb: Verb, shared_home: Path) -> None:
    run, scene = tmp_path / "run", tmp_path / "scene.tif"
    shutil.copytree(RUN, run)
    code, printed, errors = run_verb("calibrate", run, "--device", "cpu", "--json")
    assert code == 0, errors
    fitted = json.loads(printed)
    assert fitted["after"]["nll"] < fitted["before"]["nll"]
    assert "val" in fitted["split"]
    assert json.loads((run / "manifest.json").read_text())["calibration"] == fitted
    image = np.random.default_rng(0).integers(1, 256, (4, 4, 3)).repeat(32, 0).repeat(32, 1).astype(np.uint8)
    write_geotiff(scene, image, crs="EPSG:32632", transform=(0.5, 0.0, 4e5, 0.0, -0.5, 5.5e6))
    options = ("--probabilities", "--overlap-px", 0, "--device", "cpu")
    code, printed, errors = run_verb("predict", scene, "--checkpoint", run, "-o", tmp_path / "map.tif", *options)
    assert code == 0, errors
    assert f"are calibrated on {fitted['split']} (temperature {fitted['temperature']:g})" in printed
    alone_KHW = torch.from_numpy(rsa.load(RUN, device="cpu").predict(image).probabilities_KHW)
    expected_KHW = rescale(alone_KHW[None], fitted["temperature"])[0].numpy()
    with rasterio.open(tmp_path / "map_probabilities.tif") as dataset:
        assert np.abs(dataset.read() / 200 - expected_KHW).max() < 0.5 / 200 + 1e-4
    report = rsa.report(run, out=tmp_path / "report", progress=False)
    assert report.files
    page = (tmp_path / "report" / "report.md").read_text()
    assert "Calibration" in page
    assert f"{fitted['before']['ece_pct']:.2f}" in page
