"""Every head on the command line: planned, priced, trained, scored, mapped, judged and exported."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import rasterio
from safetensors.torch import load_file

from rs_adapt.scenes import write_geotiff

if TYPE_CHECKING:
    from collections.abc import Callable

    Verb = Callable[..., tuple[Any, str, str]]

# Small where the size is no part of the test.
HEADS: dict[str, tuple[str, ...]] = {
    "linear-bn": (),
    "upernet-small": ("--set", "model.decode_head.channels=32"),
    "dpt-small": ("--set", "model.decode_head.level_channels=[8, 8, 8, 8]"),
    "segmenter": ("--set", "model.decode_head.num_layers=1"),
    "text": ("--set", "model.decode_head.text_weights=random", "--set", "model.decode_head.text_dim=16"),
    "pmt-small": ("--set", "model.decode_head.num_blocks=1", "--set", "model.decode_head.num_points=32"),
    "eomt-small": ("--method", "full", "--set", "model.decode_head.num_points=32"),
}
TINY = ("--set", "bench.crop_px=32", "--set", "bench.tile_px=32", "--weights", "random", "--device", "cpu")


# One that reads maps, and one whose queries join the tokens.
_QUICK = ("linear-bn", "eomt-small")


@pytest.fixture(params=[pytest.param(name, marks=[] if name in _QUICK else [pytest.mark.slow]) for name in HEADS])
def head(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return ("--head", request.param, *HEADS[request.param])


def write_scene(file: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (70, 100, 3), dtype=np.uint8)
    write_geotiff(file, pixels, crs="EPSG:32632", transform=(0.3, 0.0, 400000.0, 0.0, -0.3, 5500000.0))
    return file


def test_it_is_trained_scored_mapped_judged_and_exported(
    head: tuple[str, ...], train: Verb, run_verb: Verb, loveda_root: Path, tmp_path: Path
) -> None:
    code, _, err = train(*head, bench="loveda-dg")
    assert code == 0, err
    run, scene = tmp_path / "run", write_scene(tmp_path / "scene.tif")
    tensors = load_file(run / "adapter.safetensors")
    assert any(name.startswith("decode_head.") for name in tensors)
    # Where masks of attention fade, the pack says that they are gone.
    for name in ("steps_done", "steps_in_all"):
        assert int(tensors.get(f"decode_head.annealing.{name}", 2)) == 2
    code, out, err = run_verb("eval", run, "--data-root", loveda_root, "--device", "cpu")
    assert code == 0, err
    assert "mIoU" in out
    given = ("--checkpoint", run, "-o", tmp_path / "map.tif", "--device", "cpu")
    code, _, err = run_verb("predict", scene, *given)
    assert code == 0, err
    with rasterio.open(tmp_path / "map.tif") as made:
        assert (made.height, made.width) == (70, 100)
    shutil.copytree(run, tmp_path / "other")
    given = ("--against", tmp_path / "other", "-o", tmp_path / "judged", "--device", "cpu")
    code, _, err = run_verb("judge", run, scene, *given)
    assert code == 0, err
    code, _, err = run_verb("export", run, "--format", "safetensors", "--out", tmp_path / "out")
    assert code == 0, err


@pytest.mark.slow
def test_onnxruntime_gives_its_probabilities(
    head: tuple[str, ...], train: Verb, run_verb: Verb, tmp_path: Path
) -> None:
    assert train(*head, bench="loveda-dg")[0] == 0
    code, out, err = run_verb("export", tmp_path / "run", "--format", "onnx", "--out", tmp_path / "out")
    assert code == 0, err
    assert "onnxruntime and torch differ by at most" in out


def test_its_cost_is_measured(
    head: tuple[str, ...], run_verb: Verb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    head = tuple(text for text in head if text not in ("--method", "full"))
    code, out, err = run_verb(
        *("cost", "--bench", "synthetic-dg", *head, "--methods", "lora", *TINY, "--rounds", "1", "--warmup", "1")
    )
    assert code == 0, err
    assert "lora" in out


@pytest.mark.slow
def test_its_time_and_memory_are_planned(head: tuple[str, ...], run_verb: Verb) -> None:
    axes = tuple(text for text in head if text.startswith("--") or "=" not in text)
    axes = tuple(text for text in axes if text != "--set")
    code, out, err = run_verb("plan", "--bench", "synthetic-dg", *axes, "--gpus", "", "--json")
    assert code == 0, err
    assert json.loads(out)


def test_eomt_is_refused_where_windows_have_no_place_for_queries(run_verb: Verb) -> None:
    code, _, err = run_verb("show", "--bench", "loveda-dg", "--backbone", "sam-b", "--head", "eomt", "--method", "full")
    assert code == 2
    assert "its queries join the tokens, and the backbone has windowed attention" in err


@pytest.mark.parametrize("count", ["0", "6", "2.5"])
def test_eomt_needs_blocks_before_its_own(run_verb: Verb, count: str) -> None:
    given = ("--head", "eomt-small", "--set", f"model.decode_head.joint_blocks={count}")
    code, _, err = run_verb("show", "--bench", "synthetic-dg", *given)
    assert code == 2
    assert "it must be a whole number from 1 to 5" in err or "joint_blocks" in err
