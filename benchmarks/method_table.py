"""What every method reaches under one recipe: a row a method, a column a setting, all seeds.

    make table-methods

Runs what is missing through the command line, one thread a run and as many side by side as there are cores, and writes
`docs/tables/<bench>_methods.json` and `.md`. mIoU is that of the last checkpoint on the target's test tiles; for the
settings that the sweep names, also on the source's validation tiles, which tells a method that cannot fit from one that
fits what only the source has.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean
from typing import Any

from strategy_table import ROOT, command, machine, ranged, recorded, run, run_folder


def main() -> None:
    """Run what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweep", type=Path, help="a file of configs/sweep/ with methods")
    parser.add_argument("--data-root", type=Path, default=None)
    parser.add_argument("--work-dir", type=Path, default=Path("work_dirs/tables"))
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "tables")
    parser.add_argument("--methods", nargs="+", default=None, help="names to measure (default: all)")
    parser.add_argument("--settings", nargs="+", default=None, help="settings to measure (default: all)")
    parser.add_argument("--seeds", nargs="+", type=int, default=None, help="seeds to measure (default: all)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", action="store_true", help="take over runs that the table's file holds already")
    args = parser.parse_args()
    sweep = tomllib.loads(args.sweep.read_text(encoding="utf-8"))
    seeds = args.seeds or sweep["seeds"]
    rows = [
        row(sweep, method, setting)
        for setting in args.settings or sweep["settings"]
        for method in args.methods or sweep["methods"]
    ]
    plan = [(one, seed) for seed in seeds for one in rows]
    kept = recorded(args.out / f"{sweep['bench']}_methods.json") if args.keep else {}
    with ThreadPoolExecutor(max_workers=args.jobs) as pool:
        results = list(
            pool.map(
                lambda cell: (
                    kept.get((command(sweep["bench"], cell[0], "N"), cell[1]))
                    or measured(sweep, *cell, args.work_dir, args.data_root)
                ),
                plan,
            )
        )
    told = [
        {
            **{key: one[key] for key in ("method", "setting")},
            "command": command(sweep["bench"], one, "N"),
            "runs": [result for (other, _), result in zip(plan, results, strict=True) if other is one],
        }
        for one in rows
    ]
    facts = {"bench": sweep["bench"], "seeds": seeds, "machine": machine(results), "rows": told}
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / f"{sweep['bench']}_methods.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    text = table(facts)
    (args.out / f"{sweep['bench']}_methods.md").write_text(text, encoding="utf-8")
    print(text)


def measured(
    sweep: dict[str, Any], one: dict[str, Any], seed: int, work_dir: Path, data_root: Path | None
) -> dict[str, Any]:
    """Train a cell unless that is done, and score it on the source too where the sweep asks for it."""
    result = run(sweep["bench"], one, seed, work_dir, data_root)
    if one["setting"] not in sweep["source_val"]:
        return result
    checkpoint = run_folder(sweep["bench"], one, seed, work_dir)
    out = checkpoint / "eval" / "source-val"
    if not (out / "result.json").is_file():
        call = [sys.executable, "-m", "rs_adapt", "eval", "--checkpoint", str(checkpoint), "--out", str(out)]
        call += ["--split", "source-val", *(["--data-root", str(data_root)] if data_root else [])]
        subprocess.run(call, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, check=True)
    source = json.loads((out / "result.json").read_text(encoding="utf-8"))
    return result | {"source_val_pct": source["miou_pct"]}


def row(sweep: dict[str, Any], method: str, setting: str) -> dict[str, Any]:
    """Return one cell of the table as `strategy_table` runs it."""
    return {
        "name": f"{method} {setting}",
        "method": method,
        "setting": setting,
        "strategy": sweep["settings"][setting],
        "untuned": True,
        "set": sweep.get("set", {}).get(method, []),
    }


def table(facts: dict[str, Any]) -> str:
    """A Markdown table: parameters of the adapter, and for every setting mIoU, its gain on `frozen`, and minutes."""
    settings = list(dict.fromkeys(one["setting"] for one in facts["rows"]))
    on_source = {one["setting"] for one in facts["rows"] if "source_val_pct" in one["runs"][0]}
    columns = "".join(
        f" {setting}: mIoU, last | over frozen, by seed |{' on the source |' if setting in on_source else ''} minutes |"
        for setting in settings
    )
    lines = [f"| method | adapter parameters |{columns}", "|---" * (2 + 3 * len(settings) + len(on_source)) + "|"]
    by_method: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for one in facts["rows"]:
        by_method.setdefault(one["method"], {})[one["setting"]] = one["runs"]
    floor = by_method.get("frozen", {})
    for method, cells in by_method.items():
        count = f"{next(iter(cells.values()))[0]['adapter_parameters']:,}".replace(",", " ")
        parts = [f"| `{method}` | {count} |"]
        for setting in settings:
            runs = cells[setting]
            scores = [result["miou_pct"] for result in runs]
            base = [result["miou_pct"] for result in floor.get(setting, [])]
            gains = ", ".join(f"{score - low:+.1f}" for score, low in zip(scores, base, strict=False)) or "-"
            minutes = mean(result["minutes"] for result in runs)
            source = f" {mean(result['source_val_pct'] for result in runs):.1f} |" if setting in on_source else ""
            parts.append(f" {ranged(scores)} | {'-' if method == 'frozen' else gains} |{source} {minutes:.1f} |")
        lines.append("".join(parts))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
