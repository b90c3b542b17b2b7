"""Two processes that hold half of the base each train as two that hold all of it, bit for bit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from rs_adapt.config import compose, resolve_cell
from rs_adapt.engine.parameters import build_on_meta
from rs_adapt.engine.parts import segmentor_of
from rs_adapt.runs.identity import identify
from rs_adapt.runs.run import Run
from tests.engine.equal_runs import check_equal_runs
from tests.engine.test_several_processes import by_two

SHARDED = "runtime.sharding=fsdp"
CELLS: dict[str, tuple[dict[str, str], list[str]]] = {
    # Layers changed in place; predictions in windows.
    "lora": ({"bench": "loveda-dg", "method": "lora"}, ["bench.inference.mode='slide'"]),
    # A head that runs the last block itself.
    "text": ({"bench": "loveda-dg", "method": "lora", "backbone": "nano-clip", "head": "text"}, []),
    # The base's own tokens beside the adapted ones; a distance to the base's features.
    "dcpl": (
        {"bench": "loveda-da", "method": "dcpl", "strategy": "mic"},
        ["strategy.warmup_iters=1", "strategy.feature_weight=0.1", "strategy.feature_min_share=0.3"],
    ),
    # Layers with other weights; recomputed blocks, bfloat16, and a teacher that is evaluated.
    "norm": (
        {"bench": "loveda-da", "method": "norm"},
        ["strategy.warmup_iters=1", "runtime.memory=low", "runtime.precision=bf16", "protocol.weights=teacher"],
    ),
    # A start from images, before the first iteration.
    "eva": ({"bench": "loveda-da", "method": "peft:eva"}, ["strategy.warmup_iters=1"]),
}


def _job(name: str, run: str, root: Path, folder: Path, *more: str) -> dict[str, Any]:
    axes, own = CELLS[name]
    setting = axes["bench"].rpartition("-")[2]
    texts = [
        *("bench.partial=true", "bench.tile_px=64", "bench.crop_px=64", "bench.inference.mode='whole'"),
        *("runtime.num_workers=0", "bench.schedule.iters=3", "bench.schedule.eval_every=3"),
        *("protocol.label_free_tiles=3", f"bench.schedule.batch_size.{setting}=4"),
    ]
    cell = {"backbone": "dinov2-nano", "head": "linear", **axes}
    made = {"overrides": [*texts, *own, *more], "data_root": str(root), "work_dir": str(folder / run)}
    return {"cell": cell, "compose": made, "measures": True}


def _check_equal(found: Path, expected: Path) -> None:
    """Compare metrics, packs, scores and names of two runs in all digits."""
    check_equal_runs(found, expected, lines=4)
    assert json.loads((found / "result.json").read_text())["selections"]["last"]["miou_pct"] is not None
    assert identify(Run.read(found)) == identify(Run.read(expected)) != {}
    assert len({json.loads((run / "manifest.json").read_text())["base"]["sha256"] for run in (found, expected)}) == 1


def _train_both(names: Sequence[str], root: Path, folder: Path, *more: dict[str, Any]) -> None:
    """Train cells with a whole base and with a sharded one, and compare their files and the memory of the base."""
    jobs = [
        _job(name, f"{name}_{kind}", root, folder, *keys)
        for name in names
        for kind, keys in (("whole", ()), ("sharded", (SHARDED,)))
    ]
    first, second = by_two([*jobs, *more], folder)
    for number, name in enumerate(names):
        for told, finished in ((first, True), (second, False)):
            whole, sharded = told[2 * number : 2 * number + 2]
            assert (whole["finished"], sharded["finished"]) == (finished, finished)
            size = 4 * sum(value.numel() for value in _base(name).values())
            # What is no part of the backbone, such as a text tower, is in both.
            assert whole["held_bytes"] - sharded["held_bytes"] == pytest.approx(size / 2, rel=0.03)
        _check_equal(folder / f"{name}_sharded", folder / f"{name}_whole")


def _base(name: str) -> dict[str, torch.nn.Parameter]:
    model: Any = build_on_meta(compose(resolve_cell(**_job(name, "", Path(), Path())["cell"])))
    parameters: dict[str, torch.nn.Parameter] = segmentor_of(model).backbone.base_parameters()
    return parameters


@pytest.mark.slow
def test_sharded_runs_are_those_of_a_whole_base(loveda_root: Path, tmp_path: Path) -> None:
    stopped = _job("lora", "lora_stopped", loveda_root, tmp_path, SHARDED) | {"signal": (1, 2)}
    resumed = stopped | {"signal": None, "resume": True}
    _train_both(("lora", "text"), loveda_root, tmp_path, stopped, resumed)
    _check_equal(tmp_path / "lora_stopped", tmp_path / "lora_sharded")


@pytest.mark.slow
def test_sharded_runs_with_a_teacher_are_those_of_a_whole_base(loveda_root: Path, tmp_path: Path) -> None:
    _train_both(("dcpl", "norm", "eva"), loveda_root, tmp_path)
