"""The Markdown tables of docs/tables/*.json: runs that were recorded when `make table-...` was measured.

What a sweep measures today is shown by `rs-adapt report`; these functions only hold the printed tables to the recorded
numbers.
"""

from __future__ import annotations

from statistics import mean
from typing import Any


def strategy_tables(facts: dict[str, Any]) -> str:
    """Two Markdown tables: mIoU with the share of the gap that is closed, and IoU by class."""
    floor = next(row for row in facts["rows"] if row["role"] == "floor")
    bound = next(row for row in facts["rows"] if row["role"] == "bound")
    low, high = scores(floor), scores(bound)
    # Durations are recorded only where the machine did nothing else.
    timed = all("minutes" in result for row in facts["rows"] for result in row["runs"])
    lines = [
        f"| training | mIoU, last | against source only, by seed | gap closed |{' minutes a run |' * timed}",
        f"|---|---|---|---|{'---|' * timed}",
    ]
    base_of = {result["seed"]: result["miou_pct"] for result in floor["runs"]}
    for row in facts["rows"]:
        own = scores(row)
        gains = [result["miou_pct"] - base_of[result["seed"]] for result in row["runs"]]
        share = 100 * mean(gains) / (mean(high) - mean(low))
        shares = ["-", "-"] if row is floor else [", ".join(f"{gain:+.1f}" for gain in gains), f"{round(share)} %"]
        minutes = [result["minutes"] for result in row["runs"]] if timed else [0.0]
        span = f" {min(minutes):.1f} to {max(minutes):.1f} |" * timed
        lines.append(f"| {row['name']} | {ranged(own)} | {' | '.join(shares)} |{span}")
    classes = list(floor["runs"][0]["iou_pct"])
    lines += ["", f"| IoU, mean of seeds | {' | '.join(classes)} |", "|---" * (len(classes) + 1) + "|"]
    for row in facts["rows"]:
        by_class = [mean(result["iou_pct"][name] or 0.0 for result in row["runs"]) for name in classes]
        lines.append(f"| {row['name']} | {' | '.join(f'{value:.1f}' for value in by_class)} |")
    return "\n".join(lines) + "\n"


def method_table(facts: dict[str, Any]) -> str:
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


def scores(row: dict[str, Any]) -> list[float]:
    """MIoU of the last checkpoints in percent, in the order of the seeds."""
    return [result["miou_pct"] for result in row["runs"]]


def ranged(values: list[float]) -> str:
    """Mean with the smallest and the largest value."""
    return f"{mean(values):.1f} [{min(values):.1f}, {max(values):.1f}]"
