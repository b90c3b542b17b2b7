"""`bench.resolve` through the command line: a model is trained on a region, and enlarges the coarser one of two."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image
from typer.testing import CliRunner

from rs_adapt.commands import app
from rs_adapt.errors import CheckpointMismatch, ConfigError
from rs_adapt.runs.run import Run
from tests.resolver_models import write_resolver

SCENES = [f"bench.prepare.scenes.{split}=1" for split in ("train", "val", "test")] + ["bench.prepare.size_px=128"]
SETTINGS = [*SCENES, "bench.schedule.eval_every=2", "protocol.label_free_tiles=1", "strategy.warmup_iters=1"]
QUIET = ["--device", "cpu", "--num-workers", "0", "--logger", "none"]


def words(*texts: str) -> list[str]:
    return [word for text in texts for word in ("--set", text)]


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("resolve")


@pytest.fixture(autouse=True)
def _home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # All tests share the drawn scenes.
    monkeypatch.setenv("RS_ADAPT_HOME", str(folder / "home"))


@pytest.fixture(scope="module")
def model(folder: Path) -> Path:
    """A model that is trained on colour images of its own for two iterations."""
    rng = np.random.default_rng(0)
    for name in ("train", "test_a", "test_b"):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8))
        coarse.resize((32, 32)).save(folder / f"{name}.png")
    files = ['bench.prepare.files.train=["train.png"]', 'bench.prepare.files.test=["test_*.png"]', "bench.crop_px=16"]
    sizes = ["model.backbone.embed_dim=8", "model.backbone.depths=[1]", "model.backbone.num_heads=2"]
    options = ["--bench", "image-files-sr", "--data-root", str(folder), "--iters", "2", "--batch-size", "2", *QUIET]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RS_ADAPT_HOME", str(folder / "home"))
        trained = invoke("train", *options, "--work-dir", folder / "model", *words(*files, *sizes))
    assert trained.exit_code == 0, trained.output
    return folder / "model"


@pytest.fixture(scope="module")
def run(folder: Path, model: Path) -> Path:
    """A run whose target images that model has enlarged, moved elsewhere."""
    settings = words(*SETTINGS, f"bench.resolve={model}")
    options = ["--bench", "synthetic-half-da", "--iters", "2", "--work-dir", str(folder / "first"), *QUIET]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RS_ADAPT_HOME", str(folder / "home"))
        trained = invoke("train", *options, *settings)
    assert trained.exit_code == 0, trained.output
    assert "Images are enlarged 2 times by a model of super-resolution" in trained.output
    return Path(shutil.move(folder / "first", folder / "moved"))


def test_a_model_of_colours_states_its_network(model: Path) -> None:
    manifest = json.loads((model / "manifest.json").read_text())
    assert (manifest["network"]["kind"], manifest["network"]["scale"]) == ("colour", 2)
    assert manifest["normalisation"]["bands"] == "RGB, 0-255"
    result = Run.read(model).result
    assert result is not None
    assert result.measures["divergence"]["mean"] is None
    assert result.measures["psnr_db"]["snapshots"] == 2
    scored = invoke("eval", model, "--device", "cpu", "--json")
    assert scored.exit_code == 0, scored.output
    assert json.loads(scored.stdout)["psnr_db"] == pytest.approx(result.psnr_db, abs=1e-4)


def test_a_moved_run_is_scored_as_before(run: Path, model: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Neither the model nor what it has computed is where it was.
    monkeypatch.setenv("RS_ADAPT_HOME", str(folder / "home2"))
    start, manifest = (json.loads((run / name).read_text()) for name in ("cell.json", "manifest.json"))
    assert start["resolver"] == manifest["resolver"]
    assert start["resolver"]["scale"] == 2
    assert str(folder) not in (run / "manifest.json").read_text()
    # Of two regions with one tile a split, those of the target.
    assert len(list((folder / "home" / "resolved").rglob("*.png"))) == 3
    model.rename(folder / "elsewhere")
    scored = invoke("eval", run, "--device", "cpu", "--json")
    (folder / "elsewhere").rename(model)
    assert scored.exit_code == 0, scored.output
    of_run = Run.read(run).result
    assert of_run is not None
    assert json.loads(scored.stdout)["miou_pct"] == of_run.miou_pct


def test_a_scene_is_mapped_in_the_pixels_of_the_model(run: Path, folder: Path) -> None:
    from rs_adapt.datasets.synthetic import region_named, write_scenes

    (files,) = write_scenes(folder / "scenes", regions=[region_named("coarse_south")], scenes={"test": 1}, size_px=96)
    mapped = invoke("predict", files.image, "--checkpoint", run, "--out", folder / "maps", "--device", "cpu")
    assert mapped.exit_code == 0, mapped.output
    assert "interpolated" not in mapped.output
    (map_file,) = (folder / "maps").glob("*.tif")
    with rasterio.open(map_file) as written:
        assert (written.width, written.res) == (192, (0.5, 0.5))


def test_a_model_that_is_missing_or_changed_is_an_error(run: Path, folder: Path) -> None:
    alone = folder / "alone"
    shutil.copytree(run, alone, ignore=shutil.ignore_patterns("resolver"))
    for verb in (["eval", alone], ["predict", folder / "train.png", "--checkpoint", alone, "--out", folder / "other"]):
        refused = invoke(*verb, "--device", "cpu")
        assert isinstance(refused.exception, CheckpointMismatch), refused.output
        assert "there is no copy of that model at" in str(refused.exception)
    write_resolver(alone / "resolver", seed=1)
    refused = invoke("eval", alone, "--device", "cpu")
    assert "holds a different one" in str(refused.exception)
    refused = invoke("export", run, "--out", folder / "exported")
    assert isinstance(refused.exception, ConfigError)
    assert "does not take along" in str(refused.exception)


def test_a_training_without_its_model_leaves_no_folder(folder: Path) -> None:
    options = ["--bench", "synthetic-half-da", "--work-dir", str(folder / "none"), *QUIET]
    refused = invoke("train", *options, *words("bench.resolve=nowhere"))
    assert isinstance(refused.exception, CheckpointMismatch)
    assert "bench.resolve: " in str(refused.exception)
    assert not (folder / "none").exists()
