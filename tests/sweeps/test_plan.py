from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rs_adapt.errors import ConfigError
from rs_adapt.sweeps.cells import SweepCell, expand
from rs_adapt.sweeps.plan import build_plan, extrapolate_cost, probe_key
from rs_adapt.sweeps.probe import Measured, probe
from rs_adapt.sweeps.spec import read_spec

if TYPE_CHECKING:
    from pathlib import Path

# 16^3 points.
_FLOW = ("num_points=16", "spin_up=0.2", "refine=0.1", "snapshots.train=2", "snapshots.val=1", "snapshots.test=14")
_FILES = ('files.train=["train.npy"]', 'files.test=["test.npy"]')
_NETWORK = ("model.backbone.embed_dim=12", "model.backbone.depths=[1]", "model.backbone.num_heads=2")
_PAIRS = ("pairs=40", "items.val=8", "items.test=120", "num_scenes=4")
OTHER_TASKS = {
    "trained": ("flow-sr", "fisr", (*(f"bench.prepare.{text}" for text in _FLOW), *_NETWORK)),
    "no validation": ("flow-files-sr", "swin", (*(f"bench.prepare.{text}" for text in _FILES), *_NETWORK)),
    "not trained": ("flow-sr", "bicubic", tuple(f"bench.prepare.{text}" for text in _FLOW)),
    "captions": ("synthetic-compose-dg", "lora", tuple(f"bench.prepare.{text}" for text in _PAIRS)),
}

FOUND = Measured(
    iter_s=0.5,
    tile_s=0.1,
    start_s=20.0,
    memory_mib=3000,
    memory_of="GPU",
    pack_bytes=10_000_000,
    state_bytes=50_000_000,
    tiles={"val": 100, "test": 200, "source_val": 50, "label_free": 10},
)


def cells(tmp_path: Path, *lines: str) -> tuple[SweepCell, ...]:
    file = tmp_path / "mine.toml"
    file.write_text("\n".join(['name = "mine"', *lines]))
    return expand(read_spec(file), folder=tmp_path / "runs").cells


def test_cells_that_differ_in_seed_protocol_or_length_share_a_probe(tmp_path: Path) -> None:
    found = cells(
        tmp_path,
        'bench = "loveda-da"',
        'method = ["lora", "full"]',
        "seed = [0, 1, 2]",
        'protocol = ["strict", "paper"]',
        '[[include]]\nname = "short"\niters = 50\nmethod = "lora"',
    )
    assert len(found) == 18
    assert len({probe_key(cell) for cell in found}) == 2
    for change in ('set = ["bench.crop_px=256"]', 'set = ["bench.schedule.batch_size.da=1"]', 'precision = "bf16"'):
        (other,) = cells(tmp_path, 'bench = "loveda-da"', 'method = "lora"', change)
        assert probe_key(other) not in {probe_key(cell) for cell in found}, change


def test_a_cell_that_ends_before_its_warm_up_is_refused_with_its_sweep(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"mine.toml: .*strategy.warmup_iters is 9 .* has 4 iterations"):
        cells(tmp_path, 'bench = "synthetic-da"', "iters = 4", 'set = ["strategy.warmup_iters=9"]')


def test_hours_and_bytes_follow_from_the_schedule(tmp_path: Path) -> None:
    (strict,) = cells(tmp_path, 'bench = "loveda-da"', "iters = 1000", 'set = ["bench.schedule.eval_every=300"]')
    cost = extrapolate_cost(strict, FOUND)
    # Evaluations at 300, 600, 900 and 1000 of 160 tiles each; four checkpoints on the 200 test tiles.
    tiles = 4 * 160 + (4 * 200 if strict.identity["protocol.report_split"] == "test" else 0)
    assert cost.hours == pytest.approx((20 + 1000 * 0.5 + tiles * 0.1) / 3600)
    assert cost.train_hours == pytest.approx(500 / 3600)
    assert cost.disk_bytes == 4 * (10_000_000 + 200 * 49 * 8) + 2**20
    (paper,) = cells(
        tmp_path, 'bench = "loveda-da"', 'protocol = "paper"', "iters = 1000", 'set = ["bench.schedule.eval_every=300"]'
    )
    assert extrapolate_cost(paper, FOUND).hours == pytest.approx((20 + 500 + 640 * 0.1) / 3600)


def test_totals_leave_out_finished_and_unmeasured_cells(tmp_path: Path) -> None:
    found = cells(tmp_path, 'bench = "loveda-da"', 'method = ["lora", "full", "rein"]', "seed = [0, 1]")
    asked: list[str] = []

    def measure(cell: SweepCell) -> Measured | str:
        asked.append(cell.cell.method)
        if cell.cell.method == "full":
            return "no weights"
        return FOUND if cell.cell.method == "lora" else replace(FOUND, memory_mib=5000)

    told = build_plan(found, done=frozenset({found[0].name}), measure=measure, slots=2)
    assert sorted(asked) == ["full", "lora", "rein"]
    rows = {row.cell: row for row in told.cells}
    assert str(found[0]) not in rows
    assert [row.cost for name, row in rows.items() if " / full / " in name] == ["no weights"] * 2
    totals = told.totals
    assert (totals.cells, totals.measured_cells, totals.done_cells) == (5, 3, 1)
    each = extrapolate_cost(found[0], FOUND)
    assert totals.cell_hours == pytest.approx(3 * each.hours)
    assert totals.wall_hours == pytest.approx(1.5 * each.hours)
    assert (totals.memory_mib_of_a_cell, totals.memory_mib_at_once) == (5000, 10_000)
    assert totals.disk_bytes == 3 * each.disk_bytes + 2 * FOUND.state_bytes
    assert any("are not in the totals" in note for note in told.notes)
    content: dict[str, Any] = told.content()
    (unmeasured,) = (kind for kind in content["probes"] if "not_measured" in kind)
    assert (unmeasured["cells"], unmeasured["not_measured"]) == (2, "no weights")
    assert {row["not_measured"] for row in content["cells"] if "iters" not in row} == {"no weights"}
    assert content["totals"]["cells"] == 5


def test_the_longest_cell_bounds_the_clock(tmp_path: Path) -> None:
    found = cells(tmp_path, 'bench = "loveda-da"', '[[include]]\nname = "short"\niters = 50')
    totals = build_plan(found, done=frozenset(), measure=lambda cell: FOUND, slots=8).totals
    assert totals.wall_hours == pytest.approx(extrapolate_cost(found[0], FOUND).hours)


@pytest.mark.slow
def test_a_probe_is_a_real_run_of_few_iterations(loveda_root: Path, tmp_path: Path) -> None:
    (cell,) = cells(
        tmp_path,
        'bench = "loveda-da"',
        'backbone = "dinov2-nano"',
        'head = "linear"',
        'set = ["bench.tile_px=64", "bench.crop_px=64", "bench.inference.mode=\'whole\'",',
        '"runtime.num_workers=0", "bench.partial=true"]',
    )
    arguments: dict[str, Any] = {"overrides": cell.overrides, "weights": None, "env": os.environ}
    found = probe(cell.cell, data_root=str(loveda_root), **arguments)
    assert isinstance(found, Measured), found
    assert found.tiles == {"val": 2, "test": 2, "source_val": 2, "label_free": 4}
    assert found.iter_s > 0
    assert found.tile_s > 0
    assert found.state_bytes > found.pack_bytes > 0
    missing = probe(cell.cell, data_root=str(tmp_path / "none"), **arguments)
    assert isinstance(missing, str)
    assert "does not exist" in missing
    assert not list((tmp_path / "runs").glob("*"))


def test_super_resolution_scores_its_last_weights_alone(tmp_path: Path) -> None:
    fisr, bicubic = cells(tmp_path, 'bench = "flow-sr"', 'method = ["fisr", "bicubic"]', "iters = 1000")
    found = replace(FOUND, tiles={"val": 32, "test": 128})
    cost = extrapolate_cost(fisr, found)
    assert cost.hours == pytest.approx((20 + 1000 * 0.5 + (10 * 32 + 128) * 0.1) / 3600)
    assert cost.disk_bytes == 10_000_000 + 2**20
    untrained = extrapolate_cost(bicubic, replace(found, iter_s=0.0, state_bytes=0))
    assert untrained.hours == pytest.approx((20 + 128 * 0.1) / 3600)


@pytest.mark.slow
@pytest.mark.parametrize("case", OTHER_TASKS)
def test_cells_of_other_tasks_are_measured(case: str, tmp_path: Path) -> None:
    bench, method, texts = OTHER_TASKS[case]
    (cell,) = cells(tmp_path, f'bench = "{bench}"', f'method = "{method}"', "set = [", *(f"'{t}'," for t in texts), "]")
    overrides = (*cell.overrides, f"bench.schedule.batch_size.{cell.cell.setting}=2", "runtime.num_workers=0")
    env = os.environ | {"RS_ADAPT_HOME": str(tmp_path / "home")}
    for split, slices in (("train", 4), ("test", 56)):
        velocities = np.random.default_rng(slices).standard_normal((3, slices, 16, 16)).astype(np.float32)
        np.save(tmp_path / f"{split}.npy", velocities)
    found = probe(cell.cell, overrides=overrides, data_root=str(tmp_path), weights=None, env=env)
    assert isinstance(found, Measured), found
    assert found.tile_s > 0
    assert found.start_s > 0
    assert (found.iter_s > 0) is (found.state_bytes > 0) is (method != "bicubic")
    # Of the whole sets, of which a few batches are scored.
    assert found.tiles["test"] > 3 * 16
    assert ("val" in found.tiles) is (case != "no validation")
