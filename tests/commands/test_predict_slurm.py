"""`rs-adapt predict --launcher slurm`: each scene a job."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.launchers.fake_slurm import install_slurm

RUN = Path(__file__).parents[1] / "runs" / "stored_0_1_0" / "finished"
Verb = Callable[..., tuple[Any, str, str]]


@pytest.fixture(name="scenes")
def scenes_fixture(tmp_path: Path) -> Path:
    (tmp_path / "scenes").mkdir()
    for number, name in enumerate("ab"):
        pixels = np.random.default_rng(number).integers(1, 256, (96, 128, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "scenes" / f"{name}.png")
    return tmp_path / "scenes"


@pytest.mark.slow
def test_jobs_make_the_maps_that_one_process_makes(
    scenes: Path, tmp_path: Path, run_verb: Verb, shared_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("submitit")
    install_slurm(tmp_path / "slurm", monkeypatch)
    options = ("predict", scenes, "--checkpoint", RUN, "--device", "cpu", "--json", "-o")
    parameters = ("--slurm", "timeout_min=5", "--slurm", "slurm_partition=short")
    code, printed, errors = run_verb(*options, tmp_path / "queued", "--launcher", "slurm", *parameters)
    assert code == 0, errors
    assert [Path(record["scene"]).name for record in json.loads(printed)] == ["a.png", "b.png"]
    assert "partition=short" in (tmp_path / "slurm" / "101.sh").read_text()
    assert run_verb(*options, tmp_path / "here", "--launcher", "inline")[0] == 0
    for name in ("a.tif", "b.tif"):
        assert (tmp_path / "queued" / name).read_bytes() == (tmp_path / "here" / name).read_bytes()
    assert sorted(path.name for path in (tmp_path / "queued").iterdir()) == ["a.tif", "b.tif", "slurm"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--launcher", "pbs"), "--launcher pbs is unknown. Allowed: local, inline, slurm."),
        (("--launcher", "inline", "--jobs", "2"), "--jobs is 2, but the launcher inline predicts in this process"),
        (("--slurm", "mem_gb=4"), "--slurm is for --launcher slurm, and the launcher is local."),
        (("--launcher", "slurm", "--slurm", "mem_gb"), "'mem_gb' is no parameter. Allowed: NAME=VALUE"),
        (("--launcher", "slurm", "--slurm", "a=1", "--slurm", "a=2"), "a is given twice."),
        (("--launcher", "slurm", "--slurm", "cluster=pbs"), "--slurm cluster is pbs. Allowed: slurm, or local"),
        (("--launcher", "slurm", "--slurm", "cluster=local", "--slurm", "memory=4"), "--slurm takes its parameters"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    arguments: tuple[str, ...],
    sentence: str,
    scenes: Path,
    tmp_path: Path,
    run_verb: Verb,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("submitit")
    monkeypatch.setenv("COLUMNS", "300")
    code, _, errors = run_verb("predict", scenes, "--checkpoint", RUN, "-o", tmp_path / "maps", *arguments)
    assert code == 2
    assert sentence in " ".join(errors.replace("│", " ").split())
    assert not (tmp_path / "maps").exists()
