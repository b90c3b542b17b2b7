from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[3]
SMALL = """
name = "small"
bench = "loveda-dg"
backbone = "dinov2-nano"
head = "linear"
method = ["lora", "rein"]
seed = [0, 1]
iters = 12
set = [
    "bench.partial=true",
    "bench.tile_px=64", "bench.crop_px=64", "bench.inference.mode='whole'", "bench.schedule.eval_every=4",
    "runtime.num_workers=0",
]
[[skip]]
method = "frozen"
reason = "it is the floor"
"""


@pytest.fixture
def small_sweep(tmp_path: Path) -> tuple[str, ...]:
    """Write a sweep of two cells that can run and two that cannot; gives file and folder as arguments."""
    file = tmp_path / "small.toml"
    file.write_text(SMALL)
    return (str(file), "--work-dir", str(tmp_path / "runs"))


def test_a_dry_run_prints_cells_states_and_the_plan_and_writes_nothing(
    small_sweep: tuple[str, ...], run_verb: Callable[..., Any], tmp_path: Path
) -> None:
    code, out, err = run_verb("sweep", *small_sweep, "--dry-run")
    assert code == 0
    assert "loveda-r2u-dg / lora / dinov2-nano / linear / source-only / seed 0" in out
    assert "skipped: loveda-r2u-dg / rein / dinov2-nano / linear / source-only / seed 0 and 1 more: method rein" in out
    assert "small: 2 missing." in out
    assert "Would run 2 cells." in out
    assert "skip 1 skips nothing: it matches no cell." in err
    assert not (tmp_path / "runs").exists()


def test_a_dry_run_as_json(small_sweep: tuple[str, ...], run_verb: Callable[..., Any]) -> None:
    _, out, _ = run_verb("sweep", *small_sweep, "--dry-run", "--json", "--only", "*seed 1")
    told = json.loads(out)
    (cell,) = told["cells"]
    assert (cell["state"], cell["would_run"], cell["miou_pct"], cell["log"]) == ("missing", True, None, None)
    assert len(told["skipped"]) == 2


def test_shipped_sweeps_are_found_by_name(run_verb: Callable[..., Any], monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("synthetic_all", "configs/sweep/synthetic_all.toml"):
        code, out, _ = run_verb("sweep", name, "--dry-run")
        assert (code, "synthetic_all: 24 missing" in out) == (0, True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["none.toml"], "The sweep's file none.toml cannot be read"),
        (["lora_form"], "Did you mean lora_forms?"),
        (["synthetic_all", "--only", "nothing"], "--only 'nothing' matches none of the 24 cells"),
        (["synthetic_all", "--gpus", "a"], "--gpus 'a' is not a list of numbers"),
        (["synthetic_all", "--tune", "miou"], "--tune 'miou' is no statistic. Allowed: label-free, info-max"),
        (["synthetic_all", "--launcher", "pbs"], "--launcher pbs is unknown. Allowed: local, inline, slurm."),
    ],
)
def test_wrong_files_and_options_end_with_code_2(
    run_verb: Callable[..., Any], capsys: Any, options: list[str], message: str
) -> None:
    code, _, err = run_verb("sweep", *options)
    assert code == 2
    assert message in err


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (('method = "lora"', 'set = ["method.rank=0"]'), "Lora: rank is 0; it must be 1 or larger"),
        (('method = "gate:lora"', 'set = ["method.every=0"]'), "Gate: every is 0; it must be 2 or larger"),
        (('method = "soma"', 'set = ["method.rank=1000"]'), "Soma: rank is 1000; a weight has 192 singular values"),
        (('method = "gate:soma+bridge"',), "gate:soma+bridge"),
    ],
)
def test_cells_that_cannot_be_built_are_refused_before_any_is_trained(
    run_verb: Callable[..., Any], tmp_path: Path, lines: tuple[str, ...], said: str
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("\n".join(('name = "mine"', 'bench = "synthetic-dg"', *lines)))
    code, _, err = run_verb("sweep", file, "--work-dir", tmp_path / "runs", "--dry-run")
    assert code == 2
    assert str(file) in err
    assert said in err
    assert not (tmp_path / "runs").exists()


def test_the_folder_of_a_different_sweep_is_refused(
    small_sweep: tuple[str, ...], run_verb: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "sweep.json").write_text('{"name": "other"}')
    code, _, err = run_verb("sweep", *small_sweep)
    assert code == 2
    assert "belongs to the sweep 'other'" in err


@pytest.mark.slow
def test_real_cells_survive_a_kill_of_the_sweep(
    small_sweep: tuple[str, ...], run_verb: Callable[..., Any], loveda_root: Path, tmp_path: Path
) -> None:
    options = (*small_sweep, "--data-root", str(loveda_root), "--gpus", "", "--jobs", "2")
    runs = tmp_path / "runs"
    process = subprocess.Popen([sys.executable, "-m", "rs_adapt", "sweep", *options], cwd=ROOT)
    until_s = time.monotonic() + 240
    while not list(runs.rglob("state.pth")):
        assert time.monotonic() < until_s
        time.sleep(0.05)
    process.kill()
    process.wait()
    code, out, err = run_verb("sweep", *options)
    assert (code, "small: 2 done." in out) == (0, True), err
    records = [json.loads(path.read_text()) for path in sorted(runs.rglob("sweep_cell.json"))]
    assert [record["status"] for record in records] == ["done", "done"]
    # At least the one whose state was seen; the other one may have had none yet, and has begun anew.
    assert any(record["attempts"] == 2 and record["command"].endswith("--resume") for record in records)
    results = [json.loads(path.read_text()) for path in sorted(runs.rglob("result.json"))]
    assert [result["cell"]["seed"] for result in results] == [0, 1]
    named = json.loads((runs / "sweep.json").read_text())["cells"]
    assert [(runs / cell["folder"] / "result.json").is_file() for cell in named] == [True, True]
    # A third time nothing is started.
    assert run_verb("sweep", *options)[0] == 0
    assert [json.loads(path.read_text()) for path in sorted(runs.rglob("sweep_cell.json"))] == records
