"""`rs-adapt predict --jobs`: the maps of one process, made by two."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rs_adapt.prediction import many

RUN = Path(__file__).parents[1] / "runs" / "stored_0_1_0" / "finished"
Verb = Callable[..., tuple[Any, str, str]]


@pytest.mark.slow
def test_processes_make_the_maps_that_one_process_makes(
    tmp_path: Path, run_verb: Verb, shared_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(many, "may_start_processes", lambda: True)
    (tmp_path / "scenes").mkdir()
    for number, name in enumerate(("a", "b", "c")):
        pixels = np.random.default_rng(number).integers(1, 256, (96, 128 + 32 * number, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "scenes" / f"{name}.png")
    options = ("predict", tmp_path / "scenes", "--checkpoint", RUN, "--device", "cpu", "--json", "-o")
    code, printed, _ = run_verb(*options, tmp_path / "two", "--jobs", 2)
    assert code == 0
    assert [Path(record["scene"]).name for record in json.loads(printed)] == ["a.png", "b.png", "c.png"]
    assert run_verb(*options, tmp_path / "one")[0] == 0
    contents = [{path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("two", "one")]
    assert contents[0] == contents[1]
