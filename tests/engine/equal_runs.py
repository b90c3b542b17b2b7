"""Two runs that have the same numbers in all digits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from rs_adapt.runs.metrics import read_metrics


def check_equal_runs(found: Path, expected: Path, *, lines: int) -> None:
    """Compare metrics, packs and scores of two finished runs.

    Args:
        found: Folder of a run.
        expected: Folder of the other one.
        lines: Number of lines of metrics that it has.
    """
    assert len(_lines(expected)) == lines
    assert _lines(found) == _lines(expected)
    tensors, others = (load_file(run / "adapter.safetensors") for run in (found, expected))
    assert tensors.keys() == others.keys()
    assert all(torch.equal(tensors[name], others[name]) for name in others)
    results = [json.loads((run / "result.json").read_text()) for run in (found, expected)]
    assert results[0]["selections"] == results[1]["selections"]


def _lines(run: Path) -> list[Any]:
    lines = [line.content() for line in read_metrics(run)]
    return [{key: value for key, value in line.items() if key not in ("iter_s", "memory_mib")} for line in lines]
