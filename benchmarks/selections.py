"""How well each way of choosing a checkpoint does: runs of the synthetic bench, evaluated often.

    python benchmarks/selections.py --work-dir work_dirs/selections

Trains the cells below with sixteen evaluations each (finished runs are kept), and compares, on the target's validation
tiles, the mIoU of the checkpoint that each way would have chosen with the best one of the run (the oracle).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from rs_adapt.runs.metrics import read_metrics
from rs_adapt.runs.records import EvaluationLine
from rs_adapt.runs.selection import LARGER_IS_BETTER

CELLS = {
    "source only (dg)": ["--bench", "synthetic-dg"],
    "dacs": ["--bench", "synthetic-da"],
    "dacs_balanced": ["--bench", "synthetic-da", "--strategy", "dacs-balanced"],
    "mic": ["--bench", "synthetic-da", "--strategy", "mic"],
    # A rate at which training is unsteady, so that there is something to choose.
    "dacs, 5 x the rate": ["--bench", "synthetic-da", "--set", "optim.lr=1e-2"],
}
SEEDS = (0, 1, 2)
EVERY = 25


def main() -> None:
    """Train what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work-dir", type=Path, default=Path("work_dirs/selections"))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=CELLS, default=list(CELLS), help="some of the cells")
    args = parser.parse_args()
    plan = [(name, seed) for name in args.only for seed in SEEDS]
    with ThreadPoolExecutor(args.jobs) as pool:
        list(pool.map(lambda one: train(args.work_dir, *one), plan))
    print(table({name: [evaluations(args.work_dir, name, seed) for seed in SEEDS] for name in args.only}))


def folder(work_dir: Path, name: str, seed: int) -> Path:
    """Where a run lies."""
    return work_dir / "".join(letter if letter.isalnum() else "-" for letter in name) / f"seed{seed}"


def train(work_dir: Path, name: str, seed: int) -> None:
    """Train one run, unless its result is there."""
    out = folder(work_dir, name, seed)
    if (out / "result.json").is_file():
        return
    call = [sys.executable, "-m", "rs_adapt", "train", *CELLS[name], "--seed", str(seed), "--work-dir", str(out)]
    call += ["--overwrite", "--set", f"bench.schedule.eval_every={EVERY}"]
    done = subprocess.run(call, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(call)} failed:\n{done.stderr[-2000:]}")
    print(f"{name} seed {seed} done", file=sys.stderr, flush=True)


def evaluations(work_dir: Path, name: str, seed: int) -> list[dict[str, Any]]:
    """Return evaluation lines of a run."""
    lines = read_metrics(folder(work_dir, name, seed))
    return [line.content() for line in lines if isinstance(line, EvaluationLine) and line.miou_pct is not None]


def table(runs: dict[str, list[list[dict[str, Any]]]]) -> str:
    """Return a table: points below the oracle by way of choosing, and each number's rank correlation with mIoU."""
    names = ["last", "source_val", *LARGER_IS_BETTER]
    lines = [f"| runs (3 seeds) | oracle | {' | '.join(names)} |", "|---" * (2 + len(names)) + "|"]
    for name, seeds in runs.items():
        best = [max(line["miou_pct"] for line in lines_) for lines_ in seeds]
        cells = []
        for way in names:
            gaps = [chosen(lines_, way) for lines_ in seeds]
            known = [gap - top for gap, top in zip(gaps, best, strict=True) if gap is not None]
            ranks = [rank for lines_ in seeds if (rank := correlation(lines_, way)) is not None]
            told = f"{mean(known):+.1f} [{min(known):+.1f}, {max(known):+.1f}]" if known else "-"
            cells.append(f"{told}, r {mean(ranks):+.2f}" if ranks else told)
        lines.append(f"| {name} | {mean(best):.1f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def values(lines: list[dict[str, Any]], way: str) -> list[float] | None:
    """Return the number by which a way chooses, larger being better; None where the runs have none."""
    if way == "last":
        return None
    if way == "source_val":
        return [line["source_val"]["miou_pct"] for line in lines]
    if way not in lines[0]["label_free"]:
        return None
    sign = 1 if LARGER_IS_BETTER[way] else -1
    return [sign * line["label_free"][way] for line in lines]


def chosen(lines: list[dict[str, Any]], way: str) -> float | None:
    """Target mIoU in percent of the checkpoint that a way chooses."""
    if way == "last":
        return float(lines[-1]["miou_pct"])
    numbers = values(lines, way)
    return None if numbers is None else float(lines[int(np.argmax(numbers))]["miou_pct"])


def correlation(lines: list[dict[str, Any]], way: str) -> float | None:
    """Spearman's rank correlation of the number with the target's mIoU over a run's evaluations."""
    numbers = values(lines, way)
    if numbers is None:
        return None
    first, second = (np.argsort(np.argsort(x)) for x in (numbers, [line["miou_pct"] for line in lines]))
    return float(np.corrcoef(first, second)[0, 1])


if __name__ == "__main__":
    main()
