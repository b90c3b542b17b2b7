"""What each strategy closes of the gap between training on the source and training on the target's own labels.

    make table-synthetic
    make table-dubai DATA_ROOT=...      # the folder that holds dubai/images and dubai/labels

Runs every row of a file in `configs/sweep/` with every seed through the command line, one thread a run and as many runs
side by side as there are cores, and writes `docs/tables/<bench>.json` and `.md`. What is finished in the work folder is
skipped; so is, with `--keep`, what the table's file holds already under the same command.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Run what is missing, then write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweep", type=Path, help="a file of configs/sweep/")
    parser.add_argument("--data-root", type=Path, default=None)
    parser.add_argument("--work-dir", type=Path, default=Path("work_dirs/tables"))
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "tables")
    parser.add_argument("--rows", nargs="+", default=None, help="names of rows to measure (default: all)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", action="store_true", help="take over runs that the table's file holds already")
    args = parser.parse_args()
    sweep = tomllib.loads(args.sweep.read_text(encoding="utf-8"))
    if args.rows is not None:
        sweep["row"] = [row for row in sweep["row"] if row["name"] in args.rows or row.get("role")]
    # Seed by seed, so that a sweep which is cut off has whole tables of fewer seeds.
    plan = [(row, seed) for seed in sweep["seeds"] for row in sweep["row"]]
    kept = recorded(args.out / f"{sweep['bench']}.json") if args.keep else {}
    with ThreadPoolExecutor(max_workers=args.jobs) as pool:
        results = list(
            pool.map(
                lambda cell: (
                    kept.get((command(sweep["bench"], cell[0], "N"), cell[1]))
                    or run(sweep["bench"], *cell, args.work_dir, args.data_root)
                ),
                plan,
            )
        )
    rows = [
        {
            "name": row["name"],
            "command": command(sweep["bench"], row, "N"),
            "role": row.get("role"),
            "runs": [result for (other, _), result in zip(plan, results, strict=True) if other is row],
        }
        for row in sweep["row"]
    ]
    args.out.mkdir(parents=True, exist_ok=True)
    facts = {"bench": sweep["bench"], "seeds": sweep["seeds"], "machine": machine(results), "rows": rows}
    (args.out / f"{sweep['bench']}.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    text = tables(facts)
    (args.out / f"{sweep['bench']}.md").write_text(text, encoding="utf-8")
    print(text)


def recorded(file: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """The runs that a table's file holds, by command and seed; none if there is no file."""
    if not file.is_file():
        return {}
    rows = json.loads(file.read_text(encoding="utf-8"))["rows"]
    return {(row["command"], result["seed"]): result for row in rows for result in row["runs"]}


def command(bench: str, row: dict[str, Any], seed: object) -> str:
    """The command of a row as a person would type it."""
    words = ["rs-adapt", "train", "--bench", f"{bench}-{row['setting']}"]
    if "method" in row:
        words += ["--method", row["method"].replace("_", "-")]
    if row.get("untuned"):
        words += ["--untuned"]
    if "strategy" in row:
        words += ["--strategy", row["strategy"].replace("_", "-")]
    for override in row.get("set", []):
        words += ["--set", override]
    return " ".join([*words, "--seed", str(seed)])


def run(bench: str, row: dict[str, Any], seed: int, work_dir: Path, data_root: Path | None) -> dict[str, Any]:
    """Train one cell unless its result is there, and return what the tables need of it."""
    folder = run_folder(bench, row, seed, work_dir)
    words = command(bench, row, seed).split()[1:]
    result_file = folder / "result.json"
    if not result_file.is_file():
        place = ["--data-root", str(data_root)] if data_root else []
        call = [sys.executable, "-m", "rs_adapt", *words, *place, "--work-dir", str(folder), "--overwrite"]
        log = subprocess.run(
            call, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False
        )
        if log.returncode:
            raise SystemExit(f"{' '.join(words)} failed:\n{log.stderr[-2000:]}")
    result = json.loads(result_file.read_text(encoding="utf-8"))
    print(f"{bench} {row['name']} seed {seed}: {result['miou_pct']:.1f}", file=sys.stderr, flush=True)
    return {
        "seed": seed,
        "miou_pct": result["miou_pct"],
        # Of the validation tiles that it was chosen on.
        "oracle_pct": result["selections"]["oracle"]["value"],
        "protocol": f"{result['protocol']['name']}-{result['protocol']['version']}",
        "iou_pct": result["iou_pct"],
        "minutes": round(result["train_s"] / 60, 2),
        "adapter_parameters": result["parameters"].get("adapter"),
        "commit": (result["environment"]["git"] or {}).get("commit"),
        "torch": result["environment"]["packages"]["torch"],
    }


def run_folder(bench: str, row: dict[str, Any], seed: int, work_dir: Path) -> Path:
    """Where a row's run with a seed lies."""
    name = row["name"].replace(" ", "-").replace(",", "").replace(":", "-")
    return work_dir / bench / name / f"seed{seed}"


def machine(results: list[dict[str, Any]]) -> dict[str, Any]:
    """What the runs ran on, and the commits they ran from."""
    told = {key: sorted({str(result[key]) for result in results}) for key in ("commit", "torch")}
    return {"cores": os.cpu_count(), "processor": platform.machine(), **told}


def tables(facts: dict[str, Any]) -> str:
    """Two Markdown tables: mIoU with the share of the gap that is closed, and IoU by class."""
    floor = next(row for row in facts["rows"] if row["role"] == "floor")
    bound = next(row for row in facts["rows"] if row["role"] == "bound")
    low, high = scores(floor), scores(bound)
    lines = [
        "| training | mIoU, last | against source only, by seed | gap closed | oracle | minutes a run |",
        "|---|---|---|---|---|---|",
    ]
    for row in facts["rows"]:
        own = scores(row)
        gains = [score - base for score, base in zip(own, low, strict=True)]
        share = 100 * mean(gains) / (mean(high) - mean(low))
        told = ["-", "-"] if row is floor else [", ".join(f"{gain:+.1f}" for gain in gains), f"{share:.0f} %"]
        oracle = [result["oracle_pct"] for result in row["runs"]]
        minutes = [result["minutes"] for result in row["runs"]]
        span = f"{min(minutes):.1f} to {max(minutes):.1f}"
        lines.append(f"| {row['name']} | {ranged(own)} | {' | '.join(told)} | {ranged(oracle)} | {span} |")
    classes = list(floor["runs"][0]["iou_pct"])
    lines += ["", f"| IoU, mean of seeds | {' | '.join(classes)} |", "|---" * (len(classes) + 1) + "|"]
    for row in facts["rows"]:
        by_class = [mean(result["iou_pct"][name] or 0.0 for result in row["runs"]) for name in classes]
        lines.append(f"| {row['name']} | {' | '.join(f'{value:.1f}' for value in by_class)} |")
    return "\n".join(lines) + "\n"


def scores(row: dict[str, Any]) -> list[float]:
    """MIoU of the last checkpoints in percent, in the order of the seeds."""
    return [result["miou_pct"] for result in row["runs"]]


def ranged(values: list[float]) -> str:
    """Mean with the smallest and the largest value."""
    return f"{mean(values):.1f} [{min(values):.1f}, {max(values):.1f}]"


if __name__ == "__main__":
    main()
