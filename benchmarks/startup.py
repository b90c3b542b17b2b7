"""Seconds from pressing enter to the first training iteration of `synthetic-da`, by phase.

A child process trains the cell until its first iteration is done and reports wall and CPU (user + system) seconds of
each phase. On a busy machine the CPU seconds are the ones to compare; the medians of several repeats are printed. Data
must be prepared: run `rs-adapt train --bench synthetic-da --dry-run` once.

    python benchmarks/startup.py
    python benchmarks/startup.py --repeats 5 --json
    PYTHONPATH=/path/to/another/checkout python benchmarks/startup.py
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

CHILD = r"""
import inspect, json, os, resource, sys, time

def now():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return time.perf_counter(), usage.ru_utime + usage.ru_stime

BEGAN = float(sys.argv[2])
phases = {}
last = [time.perf_counter() - (time.time() - BEGAN), 0.0]

def lap(name):
    wall, cpu = now()
    before = phases.get(name, (0.0, 0.0))
    phases[name] = (before[0] + wall - last[0], before[1] + cpu - last[1])
    last[:] = wall, cpu

lap("start Python")
from rs_adapt.config import compose, resolve_cell
lap("import configuration")
cfg = compose(resolve_cell("synthetic-da"), work_dir=sys.argv[1])
lap("compose")
import torch
lap("import torch")
import rs_adapt.engine.train as module
from mmengine.hooks import Hook
lap("import mmengine and rs_adapt.engine")

def timed(name, function):
    def wrapper(*args, **kwargs):
        lap("other")
        result = function(*args, **kwargs)
        lap(name)
        return result
    return wrapper

module.load_libraries = timed("register mmsegmentation", module.load_libraries)
module._check_weights = timed("check base weights", module._check_weights)
module.prepare_data = timed("prepare data", module.prepare_data)
module.check_data = timed("check data", module.check_data)
module.build_on_meta = timed("build on meta", module.build_on_meta)
module.CellRunner.from_cfg = timed("build runner and model", module.CellRunner.from_cfg)

class Stop(Hook):
    priority = "LOWEST"

    def before_train_iter(self, runner, *args, **kwargs):
        lap("start loaders, first batch")

    def after_train_iter(self, runner, *args, **kwargs):
        lap("first iteration")
        total = time.time() - BEGAN
        print(json.dumps({"total_s": total, "phases": phases}), flush=True)
        os._exit(0)

record = {"record": {"cell": dict(cfg.cell), "options": {}}}
old = record if "record" in inspect.signature(module.train).parameters else {}
module.train(cfg, hooks=[Stop()], **old)
"""


def measure(folder: Path) -> dict[str, tuple[float, float]]:
    """Return wall and CPU seconds by phase, with their sum under `total`."""
    code = f"import time, subprocess, sys; sys.exit(subprocess.run([{sys.executable!r}, '-c', {CHILD!r}, "
    code += f"{str(folder)!r}, str(time.time())]).returncode)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr.strip().splitlines()[-1])
    report = json.loads(done.stdout.splitlines()[-1])
    phases = {name: (float(wall), float(cpu)) for name, (wall, cpu) in report["phases"].items()}
    return phases | {"total": (float(report["total_s"]), sum(cpu for _, cpu in phases.values()))}


def main() -> None:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3, help="Number of child processes.")
    parser.add_argument("--json", action="store_true", help="Print JSON instead of a table.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runs = [measure(Path(folder) / f"run{number}") for number in range(arguments.repeats)]
    names = list(runs[0])
    medians = {name: [round(statistics.median(run[name][k] for run in runs), 2) for k in (0, 1)] for name in names}
    if arguments.json:
        print(json.dumps({name: {"wall_s": wall, "cpu_s": cpu} for name, (wall, cpu) in medians.items()}, indent=2))
        return
    print(
        "| phase | wall s | CPU s |\n|---|---|---|\n"
        + "\n".join(f"| {n} | {w} | {c} |" for n, (w, c) in medians.items())
    )


if __name__ == "__main__":
    main()
