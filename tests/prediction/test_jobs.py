"""What the strips of a map depend on: every option that changes pixels, the models, and where they run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rs_adapt.prediction import predict as predict_module
from rs_adapt.prediction.appearance import Appearance
from rs_adapt.prediction.grid import MapGrid
from rs_adapt.prediction.settings import MapSettings

SETTINGS = MapSettings(tile_px=32, overlap_px=8, batch_size=3)


@dataclass(frozen=True)
class StubPredictor:
    """The facts of a model that strips depend on."""

    numerics: tuple[str, ...] = ("fp32", "cpu")


def test_strips_depend_on_the_views_and_on_every_model(tmp_path: Path) -> None:
    scene = tmp_path / "scene.tif"
    scene.touch()
    grid = MapGrid(width_px=64, height_px=64, tile_px=32, overlap_px=8, panel_px=64)

    def job(predictor: Any, settings: MapSettings, sha256: str) -> dict[str, object]:
        return predict_module.job_of(scene, Appearance(), settings, grid, sha256, numerics=predictor.numerics)

    one, two = StubPredictor(), StubPredictor(("fp32", "cpu", "bf16", "cpu"))
    jobs = [
        *(job(one, replace(SETTINGS, tta=tta), "a") for tta in (None, "flips", "d4", "scales")),
        job(one, SETTINGS, "b"),
        job(two, SETTINGS, "a,b"),
        job(two, SETTINGS, "b,a"),
    ]
    assert all(jobs[i] != jobs[j] for i in range(len(jobs)) for j in range(i))
    assert job(StubPredictor(), replace(SETTINGS), "a") == jobs[0]
