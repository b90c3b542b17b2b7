"""Two processes with half of the batch each train as one with all of it: losses, draws, scores, stops, resumption."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file

from rs_adapt.config import compose, resolve_cell
from rs_adapt.engine.build import build_loader, build_model
from rs_adapt.engine.evaluate import evaluate
from rs_adapt.engine.state import load_trained_tensors
from rs_adapt.engine.train import train
from rs_adapt.runs.locking import is_run_locked
from rs_adapt.runs.metrics import read_metrics
from rs_adapt.runs.records import Result
from rs_adapt.scores.per_image import PerImage

WORKER = Path(__file__).with_name("one_of_two.py")
BATCH, ITERS = 4, 3
# Names of cells, their axes, and what else is set.
CELLS: dict[str, tuple[dict[str, str], list[str]]] = {
    "dg": ({"bench": "loveda-dg"}, []),
    "mask2former": ({"bench": "loveda-da", "head": "mask2former_small"}, ["strategy.warmup_iters=1"]),
    # All that is counted or drawn: rare classes, alignment, shares of sure pixels, feature distance, masks, jitter,
    # colours of classes.
    "mic": (
        {"bench": "loveda-da", "strategy": "mic", "method": "dcpl"},
        [
            *("strategy.align=0.5", "strategy.class_sampling.temperature=0.05", "strategy.confidence=0.2"),
            *("strategy.feature_weight=0.1", "strategy.feature_min_share=0.3", "strategy.jitter_prob=0.8"),
            "strategy.class_match=0.5",
        ],
    ),
    # Both processes must choose the same modules, and go on without gradients of the others.
    "gate": (
        {"bench": "loveda-da", "method": "crossearth_gate"},
        [
            *("strategy.warmup_iters=1", "model.backbone.adapter.k=9"),
            *("model.backbone.adapter.every=2", "model.backbone.adapter.measure=1"),
            # Drop-out is drawn by each process for its images.
            "model.backbone.adapter.host.adapters.adaptformer.dropout=0.0",
        ],
    ),
}
# Heads with statistics of the batch, with drop-out, and with masks that fade; a method that starts from images.
PARTS: dict[str, tuple[dict[str, str], list[str]]] = {
    "linear_bn": ({"bench": "loveda-da", "head": "linear_bn"}, ["strategy.warmup_iters=1"]),
    "upernet": ({"bench": "loveda-dg", "head": "upernet_small"}, ["model.decode_head.channels=16"]),
    "pmt": ({"bench": "loveda-dg", "head": "pmt_small"}, ["model.decode_head.num_blocks=1"]),
    "eva": ({"bench": "loveda-da", "method": "peft:eva"}, ["strategy.warmup_iters=1"]),
}


def job(name: str, run: str, root: Path, folder: Path) -> dict[str, Any]:
    """Arguments of a cell's run in `folder / run`."""
    axes, more = (CELLS | PARTS)[name]
    setting = axes["bench"].rpartition("-")[2]
    cell = {"backbone": "dinov2-nano", "head": "linear", **axes}
    texts = [
        *(
            "bench.partial=true",
            "bench.tile_px=64",
            "bench.crop_px=64",
            "bench.inference.mode='whole'",
            "runtime.num_workers=0",
        ),
        *(f"bench.schedule.iters={ITERS}", "bench.schedule.eval_every=3", "protocol.label_free_tiles=3"),
        f"bench.schedule.batch_size.{setting}={BATCH}",
        *more,
    ]
    made = {"overrides": texts, "data_root": str(root), "work_dir": str(folder / run)}
    return {"cell": cell, "compose": made}


def alone(task: dict[str, Any], *, resume: bool = False) -> Result | None:
    """Run a job in this process."""
    cfg = compose(resolve_cell(**task["cell"]), **task["compose"])
    return train(cfg, device="cpu", resume=resume)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def by_two(jobs: list[dict[str, Any]], folder: Path) -> list[list[dict[str, Any]]]:
    """Run jobs in two processes; what each of them says about each job."""
    file = folder / "jobs.json"
    file.write_text(json.dumps([task | {"port": free_port()} for task in jobs]))
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    shared |= {"TORCH_CPP_LOG_LEVEL": "ERROR", "MASTER_PORT": "0"}
    processes = [
        subprocess.Popen(
            [sys.executable, str(WORKER), str(file)],
            env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    outputs = [process.communicate(timeout=240) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(text[-3000:] for _, text in outputs)
    return [[json.loads(line) for line in text.splitlines()] for text, _ in outputs]


# Shares of the pixels of three tiles: rounding takes single pixels over a threshold, or to a different class.
SHARES_OF_PIXELS = ("agreement", "predicted_accuracy", "prior_agreement", "discriminant_agreement")
FEW_PIXELS = 8 / (3 * 64**2)
# Losses after the first step: sums over processes are rounded in a different order, on some processors from run to run,
# and each step carries it on. A batch that is weighed or drawn differently moves them by percents.
LATER = 1e-4


def close(found: Any, expected: Any, tolerance: float = 2e-6, *, relative: float = 2e-6) -> None:
    """Compare two lines of metrics.jsonl but for rounding and time."""
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for name in expected.keys() - {"iter_s", "memory_mib"}:
            few = FEW_PIXELS if name in SHARES_OF_PIXELS else max(2e-6, relative)
            close(found[name], expected[name], few, relative=relative)
    elif isinstance(expected, float) and math.isfinite(expected):
        assert found == pytest.approx(expected, rel=relative, abs=tolerance)
    else:
        assert found == expected


@pytest.fixture
def uneven_root(loveda_root: Path) -> Path:
    """Three validation tiles a region: two processes cannot share them evenly."""
    for folder in loveda_root.glob("loveda/*/val/*"):
        shutil.copy(folder / "0.png", folder / "2.png")
    return loveda_root


@pytest.mark.slow
def test_two_processes_are_one_with_the_same_batch(uneven_root: Path, tmp_path: Path) -> None:
    jobs = {name: job(name, f"{name}_two", uneven_root, tmp_path) for name in CELLS}
    # The second process alone is told to stop.
    jobs["mic"]["signal"] = (1, 2)
    impossible = job("dg", "impossible", uneven_root, tmp_path)
    impossible["compose"]["overrides"] = [*impossible["compose"]["overrides"], "bench.schedule.batch_size.dg=3"]
    first, second = by_two([*jobs.values(), impossible], tmp_path)
    for told, finished in ((first, True), (second, False)):
        stopped = {"mic": {"interrupted": 2}}
        assert told[:-1] == [stopped.get(name, {"finished": finished}) for name in CELLS]
    assert (first[-1]["error"], second[-1]["error"]) == ("ConfigError", "StoppedElsewhere")
    assert "--batch-size 2 or 4, or 1 or 3 processes" in first[-1]["text"]
    assert not (tmp_path / "impossible").exists()

    # What two have begun one goes on with, as if it had been one all along.
    alone(jobs["mic"], resume=True)
    for name in CELLS:
        alone(job(name, f"{name}_one", uneven_root, tmp_path))
        runs = [tmp_path / f"{name}_{count}" for count in ("two", "one")]
        two, one = (read_metrics(run) for run in runs)
        assert len(two) == len(one) == ITERS + 1
        for number, (found, expected) in enumerate(zip(two, one, strict=True)):
            close(found.content(), expected.content(), relative=2e-6 if number == 0 else LATER)
        assert json.loads((runs[0] / "cell.json").read_text())["processes"] == 2

    # Scores: each tile once and in order, with the counts that one process has for these weights.
    counts = PerImage.load(tmp_path / "dg_two" / "confusions" / f"iter{ITERS}.npz")
    cfg = compose(resolve_cell(**jobs["dg"]["cell"]), **jobs["dg"]["compose"])
    model = build_model(cfg)
    load_trained_tensors(model, load_file(tmp_path / "dg_two" / "adapter.safetensors"), "the pack")
    expected = evaluate(model, build_loader(cfg, "val"), num_classes=len(cfg.bench.classes))
    assert counts.tiles == tuple(Path(path).stem for path, _ in expected)
    assert np.array_equal(counts.counts_NKK, [counts_KK for _, counts_KK in expected])


@pytest.mark.slow
def test_parts_that_look_at_the_whole_batch_or_draw_for_it_learn_the_same(uneven_root: Path, tmp_path: Path) -> None:
    first, second = by_two([job(name, f"{name}_two", uneven_root, tmp_path) for name in PARTS], tmp_path)
    assert first == [{"finished": True}] * len(PARTS)
    assert second == [{"finished": False}] * len(PARTS)
    for name in PARTS:
        alone(job(name, f"{name}_one", uneven_root, tmp_path))
        runs = [tmp_path / f"{name}_{count}" for count in ("two", "one")]
        for number, (found, expected) in enumerate(zip(*(read_metrics(run) for run in runs), strict=True)):
            close(found.content(), expected.content(), relative=2e-6 if number == 0 else LATER)
        two, one = (load_file(run / "adapter.safetensors") for run in runs)
        assert two.keys() == one.keys()
        for tensor in two:
            np.testing.assert_allclose(two[tensor], one[tensor], rtol=1e-3, atol=1e-5, err_msg=tensor)


def restored(number: int) -> Callable[[], object] | None:
    """Return what gives a signal its usual meaning in a new process: below nohup a hangup is ignored."""
    return None if number == signal.SIGKILL else lambda: signal.signal(number, signal.SIG_DFL)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_stop_of_the_command_reaches_all_of_its_processes(loveda_root: Path, tmp_path: Path, number: int) -> None:
    texts = job("dg", "run", loveda_root, tmp_path)["compose"]["overrides"]
    sets = [word for text in texts for word in ("--set", text)]
    command = [
        *(sys.executable, "-m", "rs_adapt", "train", "--bench", "loveda-dg", "--backbone", "dinov2-nano"),
        *("--head", "linear", "--data-root", str(loveda_root), "--work-dir", str(tmp_path / "run"), *sets),
        *("--set", "bench.schedule.iters=2000", "--set", "bench.schedule.eval_every=2000"),
        *("--set", "runtime.num_workers=1", "--device", "cpu"),
    ]
    run = subprocess.Popen(
        [*command, "--processes", "2"], stderr=subprocess.PIPE, text=True, preexec_fn=restored(number)
    )
    try:
        deadline_s = time.monotonic() + 120
        while not read_metrics(tmp_path / "run") and run.poll() is None and time.monotonic() < deadline_s:
            time.sleep(0.2)
        run.send_signal(number)
        # The processes write to the same pipe: this waits for all of them.
        errors = run.communicate(timeout=60)[1]
    finally:
        if run.poll() is None:
            run.kill()
    assert run.returncode == (-number if number == signal.SIGKILL else 130), errors[-3000:]
    assert not is_run_locked(tmp_path / "run")
    assert errors.count("Stopped after") == 1
    assert "Traceback" not in errors
    assert (tmp_path / "run" / "state.pth").is_file()
    assert json.loads((tmp_path / "run" / "cell.json").read_text())["processes"] == 2

    refused = subprocess.run([*command, "--processes", "3", "--resume"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert refused.stderr.startswith(
        "error: A batch of 4 images per domain cannot be divided evenly among 3 processes."
    )


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_whole_group_stops_a_run_with_loaders_after_it_has_saved(
    loveda_root: Path, tmp_path: Path, number: int
) -> None:
    task = job("dg", "run", loveda_root, tmp_path)
    task["compose"]["overrides"] += ["bench.schedule.iters=2000", "runtime.num_workers=1"]
    code = (
        "import json, sys; sys.path.insert(0, sys.argv[1]); import one_of_two as w\n"
        "cfg = w.compose(w.resolve_cell(**(t := json.loads(sys.argv[2]))['cell']), **t['compose'])\n"
        "try: w.train(cfg, device='cpu')\n"
        "except w.Interrupted: print('interrupted')"
    )
    command = [sys.executable, "-c", code, str(WORKER.parent), json.dumps(task)]
    run = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=restored(number),
    )
    try:
        deadline_s = time.monotonic() + 120
        while not read_metrics(tmp_path / "run") and run.poll() is None and time.monotonic() < deadline_s:
            time.sleep(0.2)
        os.killpg(run.pid, number)
        out, errors = run.communicate(timeout=60)
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
            run.communicate()
    assert (run.returncode, out) == (0, "interrupted\n"), errors[-3000:]
    assert (tmp_path / "run" / "state.pth").is_file()
