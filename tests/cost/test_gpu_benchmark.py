"""`benchmarks/gpu.py`: its self-test at toy sizes in a process without rasterio, and its counts on known answers."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
FORMS = [
    ("dinov2_nano/earth_adapter/dg/bf16/ours+plain", "ours"),
    ("dinov2_nano/earth_adapter/dg/bf16/ours+plain", "plain"),
    ("dinov2_nano/earth_adapter/da/fp32/ours+plain", "ours"),
    ("dinov2_nano/earth_adapter/da/fp32/ours+plain", "plain"),
    ("dinov2_nano/frozen/dg/tf32/ours+compiled", "ours"),
    ("dinov2_nano/frozen/dg/tf32/ours+compiled", "compiled"),
    ("dinov2_nano/earth_adapter/dg/fp32/ours+blocks", "ours"),
    ("dinov2_nano/earth_adapter/dg/fp32/ours+blocks", "blocks"),
    ("dinov2_nano/earth_adapter/dg/fp32/ours+graphs", "ours"),
    ("dinov2_nano/earth_adapter/dg/fp32/ours+graphs", "graphs"),
]
WITHOUT_RASTERS = """
import runpy, sys
sys.modules.update(rasterio=None, fiona=None)
sys.path.insert(0, sys.argv[1])
sys.argv = ["gpu.py", *sys.argv[2:]]
runpy.run_path(sys.path[0] + "/gpu.py", run_name="__main__")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of one self-test with a stated peak."""
    folder = tmp_path_factory.mktemp("gpu")
    options = ["--device", "cpu", "--tiny", "--peak-tflops", "0.5", "--out", str(folder)]
    subprocess.run([sys.executable, "-c", WITHOUT_RASTERS, str(BENCHMARKS), *options], check=True, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def lines(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the lines of the forms, by work and form."""
    found = [json.loads(line) for line in (folder / "lines.jsonl").read_text().splitlines()]
    assert found[0]["summary"].startswith("Self-test at toy sizes, no result")
    assert found[-1] == {"not_reached": []}
    return {(line["work"], line["form"]): line for line in found[1:-1]}


@pytest.fixture
def part(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that imports a module of the benchmark by its name."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))

    def load(name: str) -> ModuleType:
        return import_module(name)

    return load


def test_every_kind_of_work_is_measured(lines: dict[tuple[str, str], dict[str, Any]]) -> None:
    assert list(lines) == FORMS
    assert not [line for line in lines.values() if "failed" in line]
    for line in lines.values():
        assert 0 < line["ms"]["min"] <= line["ms"]["median"] <= line["ms"]["max"]
        assert line["images_per_s"] == pytest.approx(4 * line["iterations_per_s"])
        assert line["images_per_s"] == pytest.approx(4e3 / line["ms"]["median"])
        if "fp32" not in line["work"]:
            peak = 0.5 if "bf16" in line["work"] else 0.25
            assert line["mfu_pct"] == pytest.approx(100 * line["tflop"] / peak / line["ms"]["median"] * 1e3)
        else:
            assert line["mfu_pct"] is None


def test_forms_start_at_the_same_loss(lines: dict[tuple[str, str], dict[str, Any]]) -> None:
    """The plain formulation and the compiled backbone are the same functions of the same weights and draws."""
    for (work, form), line in lines.items():
        if form != "ours":
            ours = lines[work, "ours"]
            tolerance = {"fp32": 1e-5, "tf32": 1e-5, "bf16": 2e-3}[work.split("/")[3]]
            assert line["first_loss"] == pytest.approx(ours["first_loss"], rel=tolerance)
            assert line["loss_agrees"]
            assert line["num_trained"] == ours["num_trained"]
            assert line["times_ours"] == pytest.approx(line["ms"]["median"] / ours["ms"]["median"])


def test_parts_are_parts_of_the_step(lines: dict[tuple[str, str], dict[str, Any]]) -> None:
    for (work, _), line in lines.items():
        parts = dict(line["parts_ms"])
        whole = parts.pop("step")
        adapts = "/da/" in work
        working = {name for name, ms in parts.items() if ms > 0}
        assert set(parts) == {"input", "backbone", "head", "loss", "teacher", "backward", "optimizer", "other"}
        assert working >= set(parts) - ({"other"} if adapts else {"other", "teacher"})
        assert adapts or "teacher" not in working
        assert sum(parts.values()) <= whole * (1 + 1e-6)


def test_the_table_has_a_row_for_each_form(folder: Path, lines: dict[tuple[str, str], dict[str, Any]]) -> None:
    speed, parts = (folder / "table.md").read_text().split("Milliseconds by part")
    rows = [row.split(" | ") for row in speed.splitlines() if row.startswith("| dinov2")]
    assert [("/".join(row[:4]).removeprefix("| "), row[4]) for row in rows] == [
        (work.rpartition("/")[0], form) for work, form in FORMS
    ]
    assert parts.count("\n| dinov2") == len(FORMS)
    assert "yes (" in speed
    assert "NO (" not in speed


@pytest.mark.slow
def test_operators_of_a_profiled_step(part: Any, tmp_path: Path) -> None:
    import torch

    matrix, trace = torch.ones(300, 300), tmp_path / "trace.json.gz"
    table = part("gpu_speed.profiling").operator_table(lambda: matrix @ matrix, trace, on_gpu=False, rows=2)
    assert trace.stat().st_size > 0
    assert len(table) == 2
    assert ("aten::mm", 1) in [(row["operator"], row["calls"]) for row in table]
    assert table[0]["ms"] >= table[1]["ms"]
    assert 0 < table[1]["share_pct"] <= table[0]["share_pct"] <= 100 - table[1]["share_pct"] + 1e-6


def test_all_work_is_ordered_by_importance(part: Any) -> None:
    works = part("gpu_speed.works").works_in_order()
    names = [work.name for work in works]
    assert names[0] == "dinov2_l/earth_adapter/dg/bf16/ours+plain"
    # Three backbones, five methods, two settings, two precisions, two pairs of forms; fp32 without TF32 once, and three
    # further forms.
    assert len(names) == len(set(names)) == 3 * 5 * 2 * 2 * 2 + 4


def run_main(gpu: ModuleType, monkeypatch: pytest.MonkeyPatch, *options: str) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--device", "cpu", *options])
    gpu.main()


@pytest.mark.slow
def test_work_beyond_the_minutes_is_listed(part: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = part("gpu")
    profiled = []

    def measure(work: Any, settings: Any, peak: float | None) -> list[dict[str, str]]:
        profiled.append(settings.profile_dir)
        return [{"work": work.name, "form": "ours", "failed": "Error: first"}]

    monkeypatch.setattr(gpu, "measure", measure)
    run_main(gpu, monkeypatch, "--minutes", "0", "--profile", "--out", str(tmp_path), "--only", "dinov2_g/rein/dg")
    assert profiled == [tmp_path]
    table = (tmp_path / "table.md").read_text()
    assert "- dinov2_g/rein/dg/bf16/ours+plain, ours: Error: first\n" in table
    assert table.endswith(
        "Not reached: dinov2_g/rein/dg/tf32/ours+plain, dinov2_g/rein/dg/bf16/ours+compiled, "
        "dinov2_g/rein/dg/tf32/ours+compiled.\n"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--only", "dinov5"], "--only dinov5 is part of no name"),
        (["--repeats", "3"], "a median needs at least 5 windows"),
        (["--device", "gpu"], "gpu"),
    ],
)
def test_wrong_options_exit_with_two(
    part: Any,
    options: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as stop:
        run_main(part("gpu"), monkeypatch, "--out", str(tmp_path / "out"), *options)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_form_that_fails_stops_no_other(part: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    measuring, works = part("gpu_speed.measuring"), part("gpu_speed.works")

    def fail(*args: object) -> None:
        raise MemoryError("CUDA out of memory.\nThe GPU has 1 GiB.")

    def time(trainers: Any, lines: Any, settings: Any) -> None:
        lines["ours"] |= {"ms": {"median": 2.0}, "tflop": 0.001}

    monkeypatch.setattr(measuring, "build_ours", lambda work, **options: (object(), None))
    monkeypatch.setattr(measuring, "build_form", fail)
    monkeypatch.setattr(measuring, "_warm_up", lambda *args: None)
    monkeypatch.setattr(measuring, "_time", time)
    monkeypatch.setattr(measuring, "_take_apart", lambda *args: None)
    settings = measuring.Settings(device="cpu", toy=True, warmup=1, repeats=1, steps=1)
    ours, plain = measuring.measure(works.toy_works()[0], settings, 1.0)
    # 1 GFLOP in 2 ms are half of 1 TFLOP/s.
    assert ours["mfu_pct"] == pytest.approx(50)
    assert plain["failed"] == "MemoryError: CUDA out of memory."
    monkeypatch.setattr(measuring, "build_ours", lambda work, **options: fail())
    lines = measuring.measure(works.toy_works()[0], settings, 1.0)
    assert [line["failed"] for line in lines] == ["MemoryError: CUDA out of memory."] * 2


def test_peaks_of_known_gpus(part: Any) -> None:
    peak = part("gpu_speed.peaks").peak_tflops
    assert peak("NVIDIA H200", "bf16", None) == 989
    assert peak("NVIDIA H100 PCIe", "bf16", None) == 756
    assert peak("NVIDIA A100-SXM4-80GB", "tf32", None) == 156
    assert peak("NVIDIA A100-SXM4-80GB", "fp32", None) is None
    assert peak("NVIDIA B300", "bf16", None) is None
    assert peak("NVIDIA B300", "tf32", 2000.0) == 1000


def test_time_of_kernels_counts_overlaps_once(part: Any) -> None:
    union = part("gpu_speed.profiling").union_us
    assert union([]) == 0
    assert union([(10, 12), (0, 4), (3, 5), (1, 2)]) == 7


def test_waits_are_counted_by_place(part: Any) -> None:
    modes: list[str] = []

    def step() -> None:
        for _ in range(3):
            warnings.warn("called a synchronizing CUDA operation (Triggered internally)", stacklevel=1)
        warnings.warn("something else", stacklevel=1)

    places = part("gpu_speed.syncs").host_syncs(step, modes.append)
    assert modes == ["warn", "default"]
    (place,) = places
    assert place.startswith("tests/cost/test_gpu_benchmark.py:")
    assert places[place] == 3


def test_waits_in_files_without_a_stated_one_are_named(part: Any) -> None:
    syncs = part("gpu_speed.syncs")
    known = {"rs_adapt/engine/optim.py:98": 1, "scipy/optimize/x.py:3 (from rs_adapt/strategies/class_mix.py:55)": 2}
    assert syncs.unstated({**known, "rs_adapt/strategies/health.py:120": 3}) == {"rs_adapt/strategies/health.py:120": 3}
