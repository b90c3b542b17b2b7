"""`rs-adapt train` as its users meet it: what it prints, what it refuses, and what it leaves on disk."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
import torch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Train = Callable[..., tuple[Any, str, str]] if TYPE_CHECKING else Any


@pytest.mark.usefixtures("drawn")
def test_a_run_prints_its_result_and_leaves_its_files(train: Train, tmp_path: Path) -> None:
    code, out, err = train()
    assert code == 0
    assert "loveda-r2u-da / earth-adapter / dinov2-nano / linear / dacs / seed 0" in out.splitlines()
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert f"{result['iou_pct']['forest']:.2f}" in next(line for line in out.splitlines() if "forest" in line)
    assert f"{result['miou_pct']:.2f}" in next(line for line in out.splitlines() if "mIoU / mAcc" in line)
    shown = [line for line in err.splitlines() if "/2 iterations, loss " in line]
    assert shown[-1].startswith("loveda-r2u-da: 2/2 iterations, loss ")
    assert err.splitlines()[-1].startswith("measuring calibration: ")
    assert {"config.py", "confusion.csv", "confusion.png", "curves.png", "manifest.json", "metrics.jsonl"} <= {
        path.name for path in (tmp_path / "run").iterdir()
    }
    # Whoever may read the folder may read the pack.
    modes = {(tmp_path / "run" / name).stat().st_mode for name in ("adapter.safetensors", "result.json")}
    assert len(modes) == 1


def test_an_existing_run_is_replaced_only_with_overwrite(train: Train, tmp_path: Path) -> None:
    assert train()[0] == 0
    before = (tmp_path / "run" / "result.json").read_bytes()
    for extra in ((), ("--dry-run",)):
        code, out, err = train(*extra)
        assert (code, out) == (2, "")
        assert re.fullmatch(r"error: .*/run holds a run\. Choose a different folder .*--overwrite.*\n", err)
    code, _, err = train("--resume")
    assert code == 2
    assert "the run is finished. Start again with --overwrite" in err
    assert (tmp_path / "run" / "result.json").read_bytes() == before
    assert train("--overwrite")[0] == 0
    assert (tmp_path / "run" / "result.json").read_bytes() != before


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("--method", "rien"), ("no method 'rien'", "Did you mean rein", "Known: ")),
        (("--direction", "r2v"), ("no direction of loveda 'r2v'", "Did you mean r2u", "u2r")),
        (("--backbone", "dinov2-ll"), ("no backbone 'dinov2-ll'", "Did you mean dinov2-l")),
        (("--set", "optim.lrr=1"), ("optim.lrr", "no such key", "Nearest: optim.lr")),
        (("--set", "optim.lr"), ("does not have the form key=value",)),
        (("--set", "optim.lr=fast"), ("optim.lr=fast", "expected a number")),
        (("--method", "peft:poly"), ("no method 'peft:poly'", "peft has it, but it needs the number of a task")),
        (("--set", "bench.crop_px=60"), ("crop_px is 60", "patch of 8", "Nearest valid: 56 or 64")),
        (("--precision", "fp16"), ("'fp16'", "fp32 or bf16")),
        (("--device", "gpu"), ("Unknown device 'gpu'", "auto, cpu, cuda and cuda:N")),
        (("--device", "cuda:first"), ("Unknown device 'cuda:first'",)),
        (("--weights", "no/such.pth"), ("no/such.pth does not exist", "--weights random")),
        (("--resume",), ("Cannot resume", "there is no run", "without --resume")),
    ],
)
def test_error_of_wrong_usage_names_the_allowed_values(
    train: Train, tmp_path: Path, arguments: tuple[str], parts: tuple
) -> None:
    code, out, err = train(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    for part in parts:
        assert part in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("option", "parts"),
    [
        (
            "init_lora_weights=pisa",
            ("init_lora_weights", "is 'pisa'", "Peft allows True or False or 'gaussian', 'eva', 'olora', 'pissa'"),
        ),
        ("rank=2", ("peft:lora has no option rank", "Known: alpha_pattern")),
    ],
)
def test_a_wrong_option_of_peft_is_refused_with_those_that_it_declares(
    train: Train, tmp_path: Path, option: str, parts: tuple[str, ...]
) -> None:
    code, out, err = train("--method", "peft:lora", "--set", f"method.options.{option}")
    assert (code, out) == (2, "")
    # The tiles are checked before peft is loaded.
    (line,) = (line for line in err.splitlines() if not line.startswith("checking "))
    assert line.startswith("error: ")
    assert all(part in line for part in parts)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("bench", "arguments", "message"),
    [
        ("lovda-da", (), r"no bench 'lovda-da'\. Did you mean loveda-da .*Known: .*synthetic-ss"),
        ("loveda", (), r"names no setting\. Choose one of loveda-da: .*loveda-dg: "),
        ("loveda-dg", ("--strategy", "dacs"), r"dacs works in da only.*--strategy source_only"),
    ],
)
def test_error_of_a_wrong_bench_names_the_allowed_ones(
    train: Train, tmp_path: Path, bench: str, arguments, message: str
) -> None:
    code, out, err = train(*arguments, bench=bench)
    assert (code, out) == (2, "")
    assert re.match(f"error: .*{message}", err)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("option", "value"),
    [("--iters", "0"), ("--batch-size", "-1"), ("--seed", "-1"), ("--num-workers", "-1"), ("--iters", "many")],
)
def test_numbers_out_of_range_are_refused_by_option(train: Train, tmp_path: Path, option: str, value: str) -> None:
    code, _, err = train(option, value)
    assert code == 2
    assert f"Invalid value for '{option}'" in err
    assert not (tmp_path / "run").exists()


def test_cuda_is_refused_on_a_machine_without_gpu(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    code, _, err = train("--device", "cuda")
    assert code == 2
    assert re.match(r"error: --device cuda: no such CUDA device, .*Use --device cpu", err)
    assert not (tmp_path / "run").exists()


def test_a_work_dir_that_cannot_be_made_is_named(train: Train, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    code, _, err = train("--work-dir", str(tmp_path / "notes.txt"))
    assert code == 2
    assert "notes.txt is a file. Choose a folder with --work-dir" in err
    code, _, err = train("--work-dir", str(tmp_path / "notes.txt" / "run"))
    assert code == 2
    assert re.search(r"^error: Cannot write the run folder .*notes\.txt/run: .*--work-dir", err, re.MULTILINE)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_cache_that_cannot_be_written_stops_nothing(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("RS_ADAPT_HOME", str(tmp_path / "file" / "home"))
    assert train("--dry-run")[0] == 0


def test_a_loss_that_is_not_finite_fails_the_run_and_saves_it(train: Train, tmp_path: Path) -> None:
    code, out, err = train("--set", "optim.lr=1e30", "--iters", "4")
    assert (code, out) == (1, "")
    assert re.search(
        r"^error: In iteration 2, the loss is (nan|inf)\. .*state\.pth; .*loss [\d.]+.*lower learning rate", err, re.M
    )
    assert torch.load(tmp_path / "run" / "state.pth", weights_only=True)["iteration"] == 1
    assert not (tmp_path / "run" / "result.json").exists()
    code, _, err = train()
    assert code == 2
    assert "holds an unfinished run: --resume continues it" in err


def test_a_dry_run_counts_and_writes_nothing(train: Train, tmp_path: Path) -> None:
    code, out, err = train("--dry-run")
    assert code == 0
    assert "everything needed is there" in out
    for line in ("labelled: 4 tiles", "unlabelled: 4 tiles", "test: 2 tiles", "2 iterations of batch 2"):
        assert f"  {line}" in out.splitlines()
    assert not (tmp_path / "run").exists()


def test_paths_may_contain_spaces_and_be_relative(
    train: Train, loveda_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loveda_root.rename(tmp_path / "my données")
    monkeypatch.chdir(tmp_path)
    code, out, _ = train("--data-root", "my données", "--work-dir", "runs/a run")
    assert code == 0
    assert "Files: runs/a run" in out.splitlines()
    assert json.loads((tmp_path / "runs/a run/cell.json").read_text())["options"]["data_root"] == str(
        tmp_path / "my données"
    )


@pytest.mark.slow
def test_ctrl_c_saves_and_the_printed_command_resumes(
    loveda_root: Path, tmp_path: Path, small: tuple[str, ...]
) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    places = ["--data-root", str(loveda_root), "--work-dir", "run"]
    arguments = ["--bench", "loveda-da", *small, "--iters", "25", "--num-workers", "1", *places]
    process = subprocess.Popen(
        [sys.executable, "-m", "rs_adapt", "train", *arguments],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    metrics = tmp_path / "run" / "metrics.jsonl"
    while process.poll() is None and not (metrics.is_file() and metrics.read_text()):
        time.sleep(0.02)
    # A terminal sends Ctrl-C to the loaders too.
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == ""
    stopped = re.search(
        r"^Stopped after (\d+) of 25 iterations; the state is saved\. Continue with\n  (rs-adapt train .* --resume)$",
        err,
        re.M,
    )
    assert stopped, err
    done = int(stopped[1])
    assert 1 <= done < 25
    assert torch.load(tmp_path / "run" / "state.pth", weights_only=True)["iteration"] == done

    command = [sys.executable, "-m", "rs_adapt", *shlex.split(stopped[2])[1:]]
    resumed = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert resumed.returncode == 0, resumed.stderr
    lines = [json.loads(line)["iter"] for line in metrics.read_text().splitlines() if "lr" in json.loads(line)]
    assert lines == list(range(1, 26))
    assert resumed.stdout.startswith("loveda-r2u-da / earth-adapter / ")
    for text in (err, resumed.stderr):
        assert not re.search(r"warn|Traceback|OneDL|mm(engine|cv|seg)", text, re.I)
    for text in ("OneDL", "Warning", "it/s"):
        assert text not in resumed.stdout


@pytest.mark.slow
def test_training_needs_no_rasterio(loveda_root: Path, tmp_path: Path, small: tuple[str, ...]) -> None:
    places = ["--data-root", str(loveda_root), "--work-dir", str(tmp_path / "run")]
    arguments = ["train", "--bench", "loveda-da", *small, *places]
    without = "import sys; sys.modules['rasterio'] = None; from rs_adapt.commands import main; main(sys.argv[1:])"
    done = subprocess.run([sys.executable, "-c", without, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "result.json").exists()
