"""How `judge` reads scenes: the options of `predict`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rs_adapt.scenes import write_geotiff

RUN = Path(__file__).parents[1] / "runs" / "stored_0_1_0" / "finished"
PLACE = (0.5, 0.0, 400000.0, 0.0, -0.5, 5500000.0)
Verb = Callable[..., tuple[Any, str, str]]


def test_options_of_scenes_without_scenes_are_refused(run_verb: Verb, tmp_path: Path) -> None:
    code, out, error = run_verb("judge", RUN, "--against", RUN, "--bands", "4,3,2", "-o", tmp_path / "judge")
    assert (code, out) == (2, "")
    assert "say how scenes are read: name scenes" in error
    code, _, error = run_verb("judge", RUN, "x.tif", "--against", RUN, "--bands", "red", "-o", tmp_path / "judge")
    assert code == 2
    assert "'red' is not a list of whole numbers" in error
    assert not (tmp_path / "judge").exists()


@pytest.mark.slow
def test_bands_are_those_of_the_option(run_verb: Verb, tmp_path: Path, shared_home: Path) -> None:
    pixels = np.random.default_rng(0).integers(1, 256, (4, 4, 5)).repeat(32, 0).repeat(32, 1).astype(np.uint8)
    write_geotiff(tmp_path / "five.tif", pixels, crs="EPSG:32632", transform=PLACE)
    write_geotiff(tmp_path / "three.tif", pixels[..., [3, 2, 1]], crs="EPSG:32632", transform=PLACE)
    numbers = []
    for name, options in (("five", ("--bands", "4,3,2")), ("three", ())):
        out = tmp_path / name
        code, _, error = run_verb(
            "judge", RUN, tmp_path / f"{name}.tif", "--against", RUN, "-o", out, "--device", "cpu", *options
        )
        assert code == 0, error
        numbers.append(json.loads((out / "judge.json").read_text()))
    assert numbers[0]["indicators"] == numbers[1]["indicators"]
    assert numbers[0]["class_shares"] == numbers[1]["class_shares"]
    code, _, error = run_verb("judge", RUN, tmp_path / "five.tif", "--against", RUN, "-o", tmp_path / "no")
    assert code == 2
    assert "--bands" in error
