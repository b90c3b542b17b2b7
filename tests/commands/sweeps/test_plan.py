from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rs_adapt.sweeps.probe import Measured

if TYPE_CHECKING:
    from collections.abc import Callable

FOUND = Measured(
    iter_s=0.5,
    tile_s=0.1,
    start_s=20.0,
    memory_mib=3000,
    memory_of="process",
    pack_bytes=10_000_000,
    state_bytes=50_000_000,
    tiles={"val": 100, "test": 100, "source_val": 50, "label_free": 10},
)


@pytest.fixture
def probed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Let probes answer at once, except of full fine-tuning; gives what they were asked."""
    asked: list[Any] = []

    def probe(cell: Any, **options: Any) -> Measured | str:
        asked.append((cell, options))
        return "there are no weights" if cell.method == "full" else FOUND

    monkeypatch.setattr("rs_adapt.sweeps.probe.probe", probe)
    return asked


@pytest.mark.slow
def test_a_sweep_is_measured_by_kinds_and_added_up(run_verb: Callable[..., Any], probed: list[Any]) -> None:
    code, out, err = run_verb("plan", "paper_da", "--only", "loveda-r2u-da / [lf]*", "--gpus", "", "--jobs", "2")
    assert code == 0
    assert [cell.method for cell, _ in probed] == ["frozen", "full", "lora"]
    assert "measuring 3/3: loveda-r2u-da / lora" in err
    line = (
        "not measured: loveda-r2u-da / full / dinov2-l / mask2former / dacs / seed 0 and 5 more: there are no weights"
    )
    assert line in out
    assert "18 cells; 12 measured; 2 at once on the CPU" in out
    assert "Memory: up to 3000 MiB a cell, 6000 MiB at once." in out
    assert "Extrapolated: all hours and bytes" in out


def test_one_cell_by_its_names(run_verb: Callable[..., Any], probed: list[Any], tmp_path: Path) -> None:
    options = (
        "--method",
        "rein",
        "--precision",
        "bf16",
        "--iters",
        "1000",
        "--data-root",
        tmp_path,
        "--set",
        "optim.lr=1",
    )
    code, out, _ = run_verb("plan", "--bench", "loveda-da", "--direction", "u2r", *options, "--gpus", "", "--json")
    assert code == 0
    ((cell, given),) = probed
    assert (cell.bench, cell.method, given["data_root"]) == ("loveda_u2r", "rein", str(tmp_path))
    told = json.loads(out)
    assert told["cells"][0]["iters"] == 1000
    assert told["probes"][0]["memory_mib"] == 3000
    assert told["totals"]["cell_hours"] > 1000 * 0.5 / 3600


@pytest.mark.parametrize("options", [[], ["paper_da", "--bench", "loveda-da"]], ids=["neither", "both"])
def test_either_a_file_or_a_cell_is_named(run_verb: Callable[..., Any], options: list[str]) -> None:
    code, _, err = run_verb("plan", *options)
    assert code == 2
    assert "Name either a sweep's file or a cell" in err


def test_memory_is_predicted_without_data_or_a_probe(run_verb: Callable[..., Any], probed: list[Any]) -> None:
    small = ("--head", "linear", "--set", "bench.crop_px=64", "--set", "bench.schedule.batch_size.dg=1")
    code, out, err = run_verb("plan", "--bench", "synthetic-dg", "--method", "frozen", *small, "--memory", "--json")
    assert code == 0
    (kind,) = json.loads(out)["memory"]
    assert kind["cells"] == 1
    assert kind["batch_size"] == 1
    # The 2.8 million weights of nano, in fp32, are most of it.
    assert 10e6 < kind["weights_bytes"] < kind["peak_bytes"] < 30e6
    assert kind["fits_on_gib"] == [8, 12, 16, 24, 48, 80]
    assert "predicting: synthetic" in err
    assert probed == []


def test_each_shape_of_a_sweep_is_predicted_once(
    run_verb: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, probed: list[Any]
) -> None:
    from rs_adapt.cost.predict import PredictedMemory
    from rs_adapt.errors import ConfigError

    asked: list[tuple[str, str]] = []

    def predict(cfg: Any) -> PredictedMemory:
        asked.append((cfg.cell.method, cfg.cell.backbone))
        if cfg.cell.method == "full":
            raise ConfigError("a part of it computes with values")
        return PredictedMemory(batch_size=2, weights_bytes=2**30, optimizer_bytes=2**29, peak_bytes=9 * 2**30)

    monkeypatch.setattr("rs_adapt.cost.predict.predict_memory", predict)
    code, out, _ = run_verb("plan", "paper_da", "--only", "loveda-r2u-da / [lf]*", "--memory")
    assert code == 0
    assert asked == [("frozen", "dinov2_l"), ("full", "dinov2_l"), ("lora", "dinov2_l")]
    lines = out.splitlines()
    assert lines[0].endswith(
        "seed 0 and 5 more: about 9.0 GiB on a GPU at batch 2 (weights 1.0 GiB, optimizer 512 MiB); "
        "fits on cards of 12, 16, 24, 48, 80 GB"
    )
    assert lines[1].endswith("seed 0 and 5 more: not predicted: a part of it computes with values")
    assert lines[3].startswith("Predicted from shapes, without a GPU.")
    assert probed == []
