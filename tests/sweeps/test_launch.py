"""Whole sweeps of fake cells, as processes that are killed, stopped and run side by side."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rs_adapt.errors import ConfigError
from rs_adapt.launchers.stop import Stop
from rs_adapt.sweeps.folder import is_cell_locked
from rs_adapt.sweeps.launch import (
    Progress,
    RerunPolicy,
    build_order,
    choose_launcher,
    read_states,
    run_cells,
    train_command,
)
from rs_adapt.sweeps.local import Local, find_visible_gpus
from rs_adapt.sweeps.spec import LauncherSpec, read_spec
from tests.sweeps.conftest import RESULT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sweeps.conftest import Fake


def scores(told: dict[str, Any]) -> dict[str, Any]:
    return {cell["cell"]: (cell["state"], cell["miou_pct"], cell["interval"]) for cell in told["cells"]}


def ended(process_id: int) -> bool:
    """Whether a process is gone; one that nobody has waited for is, too."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def in_this_process(fake: Fake, spec: LauncherSpec, run: Callable[[list[str]], None], **policy: bool) -> dict[str, str]:
    """Run the sweep with a launcher in the process of the test; gives the states."""
    cells, stop = fake.expanded().cells, Stop()
    launcher = choose_launcher(spec, log_dir=str(fake.root / "jobs"), stop=stop, run_inline=run)
    progress = Progress(states=read_states(cells))
    run_cells(cells, launcher, spec=spec, retries=0, policy=RerunPolicy(**policy), progress=progress, stop=stop)
    return {cell.cell.method + str(cell.cell.seed): progress.states[cell.name].status for cell in cells}


@pytest.mark.slow
def test_a_sweep_that_is_killed_and_run_again_ends_as_one_that_was_not(fake: Fake) -> None:
    fake.how(steps=8, step_s=0.05)
    undisturbed = replace(fake, work_dir=fake.root / "undisturbed")
    undisturbed.expanded()
    code, wanted, _ = undisturbed.run("--jobs", "3")
    assert code == 0
    first = len(fake.starts())
    fake.expanded()
    # Long enough that both cells of a pair are under way at once, however much later the second one starts.
    fake.how(steps=8, step_s=0.6)
    process = fake.start("--jobs", "2")
    # In the middle of the second pair of cells.
    fake.wait_for(lambda: len(list(fake.work_dir.rglob("result.json"))) >= 2 and len(fake.starts()) - first >= 4)
    fake.wait_for(lambda: len(list(fake.work_dir.rglob("state.pth"))) == 2)
    process.kill()
    process.communicate()
    # The cells hear of it, save and end by themselves.
    started = [start for start in fake.starts()[first:] if not (Path(start["folder"]) / "result.json").is_file()]
    fake.wait_for(lambda: all(ended(start["pid"]) for start in started), seconds=20)
    done_before = {str(path.parent) for path in fake.work_dir.rglob("result.json")}
    code, told, _ = fake.run("--jobs", "2")
    assert code == 0
    assert scores(told) == scores(wanted)
    times = Counter(start["folder"] for start in fake.starts()[first:])
    assert len(times) == 6
    assert all(times[folder] == 1 for folder in done_before)
    resumed = [start["folder"] for start in fake.starts()[first:] if start["resume"]]
    assert sorted(resumed) == sorted({start["folder"] for start in started})
    # A third time there is nothing to do.
    count = len(fake.starts())
    assert fake.run()[0] == 0
    assert len(fake.starts()) == count


@pytest.mark.slow
def test_sigterm_lets_cells_save_and_prints_how_to_continue(fake: Fake) -> None:
    fake.how(steps=400, step_s=0.05)
    process = fake.start("--jobs", "2")
    fake.wait_for(lambda: len(list(fake.work_dir.rglob("state.pth"))) == 2)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert f"Continue with\n  rs-adapt sweep {fake.file} --work-dir {fake.work_dir} --jobs 2" in err
    assert "2 interrupted, 4 missing" in out
    assert all(ended(start["pid"]) for start in fake.starts())
    fake.how(steps=1)
    code, told, _ = fake.run("--jobs", "2")
    assert code == 0
    assert {cell["state"] for cell in told["cells"]} == {"done"}
    assert sum(start["resume"] for start in fake.starts()) == 2


@pytest.mark.slow
def test_two_sweeps_at_once_run_each_cell_once(fake: Fake) -> None:
    fake.how(steps=5, step_s=0.1)
    processes = [fake.start("--jobs", "2", "--json") for _ in range(2)]
    for process in processes:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    assert sorted(Counter(start["folder"] for start in fake.starts()).values()) == [1] * 6
    # The tests set one thread, which the cells see.
    assert {start["threads"] for start in fake.starts()} == {os.environ["OMP_NUM_THREADS"]}


def test_a_broken_cell_stops_no_other_and_shows_error_and_log(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    fake.write(inline=True)
    fake.how(fail={"lora/source_only/seed1": 99})
    assert fake.run_here() == 1
    out, err = capsys.readouterr()
    assert "5 done, 1 failed" in out
    line = (
        "failed after 2 attempts: synthetic-dg / lora / dinov2-nano / linear / source-only / seed 1: no luck this time"
    )
    assert line in out
    (log,) = [part.strip() for part in out.splitlines() if part.startswith("  log: ")]
    assert "error: no luck this time" in Path(log.removeprefix("log: ")).read_text()
    assert "no luck this time" in err
    # It is left alone, until it is asked for.
    fake.how()
    assert fake.run_here() == 1
    assert fake.run_here("--retry-failed") == 0


def test_stale_cells_are_named_and_rerun_only_on_request(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    fake.write(inline=True)
    assert fake.run_here() == 0
    fake.write('set = ["optim.lr=1e-4"]', "seed = 0", inline=True)
    capsys.readouterr()
    assert fake.run_here("--json") == 1
    assert {(cell["state"], cell["note"]) for cell in json.loads(capsys.readouterr().out)["cells"]} == {
        ("stale", "was run with optim.lr: 0.002 -> 0.0001, optim_wrapper.optimizer.lr: 0.002 -> 0.0001")
    }
    count = len(fake.starts())
    assert fake.run_here("--json", "--rerun-stale", "--only", "lora") == 0
    out = capsys.readouterr().out
    assert [cell["state"] for cell in json.loads(out[out.index("{\n") :])["cells"]] == ["done"]
    assert len(fake.starts()) == count + 1


def test_slots_share_gpus_and_cores() -> None:
    one_each = Local(jobs=None, gpus=("0", "3"), processes_per_cell=1, cores=16)
    assert one_each.slots == 2
    assert [one_each.environment(slot) for slot in (0, 1)] == [
        {"OMP_NUM_THREADS": "8", "CUDA_VISIBLE_DEVICES": "0"},
        {"OMP_NUM_THREADS": "8", "CUDA_VISIBLE_DEVICES": "3"},
    ]
    pairs = Local(jobs=None, gpus=("0", "1", "2", "3"), processes_per_cell=2, cores=16)
    assert (pairs.slots, pairs.threads) == (2, 4)
    assert pairs.environment(1)["CUDA_VISIBLE_DEVICES"] == "2,3"
    assert Local(jobs=4, gpus=("0", "1"), processes_per_cell=1, cores=4).environment(3)["CUDA_VISIBLE_DEVICES"] == "1"
    assert Local(jobs=None, gpus=(), processes_per_cell=1, cores=4).environment(0) == {"OMP_NUM_THREADS": "4"}
    small, large = ({"model.segmentor.backbone.embed_dim": width} for width in (192, 384))
    on_cpu = Local(jobs=None, gpus=(), processes_per_cell=1, cores=4)
    assert "4 threads a process, 1 for a small backbone" in on_cpu.description
    assert [on_cpu.environment(0, cell)["OMP_NUM_THREADS"] for cell in (small, large)] == ["1", "4"]
    assert one_each.environment(0, small)["OMP_NUM_THREADS"] == "8"
    # What the user sets holds for all.
    as_set = Local(jobs=None, gpus=(), processes_per_cell=1, cores=4, threads="3")
    assert "OMP_NUM_THREADS=3" in as_set.description
    assert [as_set.environment(0, cell)["OMP_NUM_THREADS"] for cell in (small, large)] == ["3", "3"]
    with pytest.raises(ConfigError, match="is 3, one GPU each, but there are 2 GPUs"):
        Local(jobs=None, gpus=("0", "1"), processes_per_cell=3, cores=4)


def test_gpus_are_those_that_the_environment_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, 5")
    assert find_visible_gpus() == ("2", "5")
    for none in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", none)
        assert find_visible_gpus() == ()


def test_commands_of_a_cell() -> None:
    own = (sys.executable, "-P", "-m")
    assert train_command(LauncherSpec(), ["--seed", "1"]) == (*own, "rs_adapt", "train", "--seed", "1")
    assert train_command(LauncherSpec(processes_per_cell=4), ["--seed", "1"]) == (
        *own,
        *("rs_adapt", "train", "--seed", "1", "--processes", "4"),
    )
    assert train_command(LauncherSpec(command=("nice", "rs-adapt")), ["-x"]) == ("nice", "rs-adapt", "train", "-x")


def test_inline_runs_cells_in_this_process(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    seen = []

    def run(arguments: list[str]) -> None:
        folder = Path(arguments[arguments.index("--work-dir") + 1])
        seen.append((arguments[0], is_cell_locked(folder)))
        if "bitfit" in arguments:
            raise ValueError("broken")
        if "lora" in arguments:
            print("error: not this one", file=sys.stderr)
            raise SystemExit(2)
        (folder / "result.json").write_text(RESULT)
        raise SystemExit(0)

    states = in_this_process(fake, LauncherSpec(kind="inline"), run)
    assert states == {
        **{f"{name}{seed}": "failed" for name in ("lora", "bitfit") for seed in (0, 1)},
        **{"frozen0": "done", "frozen1": "done"},
    }
    assert seen == [("train", True)] * 6
    notes = {cell.cell.method: read_states([cell])[cell.name].note for cell in fake.expanded().cells}
    assert (notes["lora"], notes["bitfit"]) == ("not this one", "ValueError: broken")
    assert "error: not this one" in capsys.readouterr().err


def test_a_record_is_completed_where_the_process_was_killed_before_its_last_file(fake: Fake) -> None:
    spec = LauncherSpec(kind="inline")

    def train(command: list[str]) -> None:
        (Path(command[command.index("--work-dir") + 1]) / "result.json").write_text(RESULT)

    in_this_process(fake, spec, train)
    cells = fake.expanded().cells
    file = cells[0].folder / "sweep_cell.json"
    complete = json.loads(file.read_text())
    file.write_text(json.dumps(complete | {"status": "running", "ended": None, "ran_config_sha256": None}))
    leftover = file.with_name(f".{file.name}.new-{socket.gethostname()}-4194304999-1")
    leftover.write_text("half")
    assert read_states(cells)[cells[0].name].status == "done"
    states = in_this_process(fake, spec, lambda command: pytest.fail("nothing is trained again"))
    assert set(states.values()) == {"done"}
    again = json.loads(file.read_text())
    assert again["status"] == "done"
    assert {key for key in complete if complete[key] != again[key]} <= {"ended"}
    assert not leftover.exists()


def test_inline_knows_no_other_program_and_no_torchrun() -> None:
    for spec in (LauncherSpec(kind="inline", processes_per_cell=2), LauncherSpec(kind="inline", command=("x",))):
        with pytest.raises(ConfigError, match="inline runs cells in this process"):
            choose_launcher(spec, log_dir="", stop=Stop(), run_inline=lambda arguments: None)


def test_error_of_a_missing_slurm_package_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(ConfigError, match=r"pip install 'rs-adapt\[slurm\]'"):
        choose_launcher(LauncherSpec(kind="slurm"), log_dir="", stop=Stop(), run_inline=lambda arguments: None)


def test_missing_slurm_and_wrong_parameters_are_reported(tmp_path: Path) -> None:
    pytest.importorskip("submitit")
    for spec in (LauncherSpec(kind="slurm"), LauncherSpec(kind="slurm", cluster="local", slurm={"memory": 1})):
        with pytest.raises(ConfigError, match="submitit rejects the options of the launcher slurm: "):
            choose_launcher(spec, log_dir=str(tmp_path), stop=Stop(), run_inline=lambda arguments: None)


@pytest.mark.slow
def test_jobs_of_submitit_run_cells(fake: Fake) -> None:
    pytest.importorskip("submitit")
    fake.how(fail={"lora/source_only/seed0": 1})
    fake.write(launcher='cluster = "local"\njobs = 3\nslurm.timeout_min = 5')
    spec = read_spec(fake.file).launcher.model_copy(update={"kind": "slurm"})
    states = in_this_process(fake, spec, lambda arguments: None)
    assert states == {
        **{f"{name}{seed}": "done" for name in ("frozen", "lora", "bitfit") for seed in (0, 1)},
        "lora0": "failed",
    }
    assert in_this_process(fake, spec, lambda arguments: None, retry_failed=True)["lora0"] == "done"
    assert len(fake.starts()) == 7


@pytest.mark.slow
def test_a_job_at_its_time_limit_saves_and_is_queued_again(fake: Fake) -> None:
    pytest.importorskip("submitit")
    fake.how(steps=400, step_s=0.05)
    fake.write("seed = 0", launcher='cluster = "local"\nslurm.timeout_min = 5')
    spec = read_spec(fake.file).launcher.model_copy(update={"kind": "slurm"})
    cell = fake.expanded().cells[0]
    launcher = choose_launcher(spec, log_dir=str(fake.root / "jobs"), stop=Stop(), run_inline=lambda arguments: None)
    job = launcher.start(build_order(cell, spec, retries=0, rerun=False), 0)
    fake.wait_for(lambda: (cell.folder / "state.pth").is_file())
    fake.how(steps=1)
    # What Slurm sends some time before the limit, as submitit asks it to.
    os.kill(json.loads((cell.folder / "sweep_cell.json").read_text())["pid"], signal.SIGUSR2)
    fake.wait_for(lambda: read_states([cell])[cell.name].status == "done")
    fake.wait_for(lambda: job.poll() is not None)
    assert [start["resume"] for start in fake.starts()] == [False, True]
