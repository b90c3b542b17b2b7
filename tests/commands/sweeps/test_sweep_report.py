"""A sweep of all settings and its report, through the command line: the way the tables of results are made."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

SWEEP = """
name = "small"
bench = "loveda-da"
backbone = "dinov2-nano"
head = "linear"
method = "lora"
strategy = "dacs-balanced"
iters = 1
set = [
    "bench.partial=true",
    "bench.tile_px=64", "bench.crop_px=64", "bench.inference.mode='whole'", "bench.schedule.eval_every=1",
    "runtime.num_workers=0",
]

[[include]]
bench = "loveda-dg"
method = ["lora", "frozen"]
strategy = "source-only"

[[include]]
bench = "loveda-ss"
strategy = "source-only"
"""


# Four trainings in one process: seconds each, a minute on a machine with much else to do.
@pytest.mark.timeout(600)
@pytest.mark.slow
def test_a_sweep_and_its_report_have_the_gap_and_the_gain_over_frozen(
    loveda_root: Path, run_verb: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "small.toml").write_text(SWEEP)
    folder = tmp_path / "runs"
    arguments = ("--work-dir", folder, "--data-root", loveda_root, "--launcher", "inline")
    code, out, err = run_verb("sweep", tmp_path / "small.toml", *arguments)
    assert (code, "small: 4 done" in out) == (0, True), err
    code, out, err = run_verb("report", folder, "--json")
    assert code == 0, err
    groups = {(one["setting"], one["method"], one["strategy"]): one for one in json.loads(out)["groups"]}
    assert len(groups) == 4
    bound = groups["ss", "lora", "source_only"]
    lora, frozen = (groups["dg", method, "source_only"] for method in ("lora", "frozen"))
    assert lora["over_frozen"]["seeds"] == [0]
    assert lora["over_frozen"]["value"] == pytest.approx(
        lora["miou_pct"]["mean"] - frozen["miou_pct"]["mean"], abs=2e-3
    )
    assert lora["gap_closed_pct"] is frozen["over_frozen"] is None
    low, high = lora["miou_pct"]["mean"], bound["miou_pct"]["mean"]
    own = groups["da", "lora", "dacs_balanced"]
    gain = own["miou_pct"]["mean"] - low
    assert own["over_source_only"]["value"] == pytest.approx(gain, abs=2e-3)
    # One iteration may leave the bound below the floor: then there is no gap.
    if high > low:
        share, rounding = own["gap_closed_pct"]["value"], 0.5 / (high - low)
        assert share == pytest.approx(100 * gain / (high - low), rel=0.01, abs=rounding)
    else:
        assert own["gap_closed_pct"] is None
    page = (folder / "report" / "index.html").read_text(encoding="utf-8")
    assert '<section id="gains">' in page
    assert "lora · dacs-balanced" in page
    with (folder / "report" / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert sum(row["over_source_only"] != "" for row in rows) == 2
    assert sum(row["over_frozen"] != "" for row in rows) == 1
