"""`metrics.jsonl` of a run: its lines, and what an evaluation writes into one. Loads no torch."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rs_adapt.runs.files import METRICS_FILE
from rs_adapt.runs.selection import is_evaluation

# What an evaluation looks at besides the target's labelled tiles.
_PANELS = ("source_val", "label_free")


def read_metrics(run_dir: Path) -> list[dict[str, Any]]:
    """All lines of a run's `metrics.jsonl`, oldest first; empty if there is none."""
    path = run_dir / METRICS_FILE
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def evaluated_iterations(run_dir: Path) -> set[int]:
    """Iterations at which a run has been evaluated."""
    return {line["iter"] for line in read_metrics(run_dir) if is_evaluation(line)}


def evaluation_line(iteration: int, metrics: Mapping[str, float]) -> dict[str, Any]:
    """The line of an evaluation: scores of the target at the top, what else was looked at in tables of its name."""
    line: dict[str, Any] = {"iter": iteration}
    for name, value in metrics.items():
        panel, _, rest = name.partition("/")
        table, name = (line.setdefault(panel, {}), rest) if panel in _PANELS else (line, name)
        # A class may have any name, a slash in it too.
        key, _, inner = name.partition("/")
        if inner:
            table.setdefault(key, {})[inner] = value
        else:
            table[key] = value
    return dict(finite(line))


def finite(value: Any) -> Any:
    """Replace what JSON has no number for, such as the IoU of an absent class, by None, at any depth."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
