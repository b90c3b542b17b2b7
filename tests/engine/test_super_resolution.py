"""Super-resolution through the engine and the command line, on 16^3 points."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from own_benches import draw, write_bench, write_scene
from safetensors.torch import load_file
from typer.testing import CliRunner

import rs_adapt
from rs_adapt.api.presence import require_checkpoint
from rs_adapt.commands import app
from rs_adapt.engine import super_resolution
from rs_adapt.engine.recorder import Interrupted, Recorder
from rs_adapt.errors import CheckpointMismatch, ConfigError
from rs_adapt.runs.run import Run

TINY = [
    "bench.prepare.num_points=16",
    "bench.prepare.spin_up=0.2",
    "bench.prepare.refine=0.1",
    "bench.prepare.snapshots.train=2",
    "bench.prepare.snapshots.val=1",
    "bench.prepare.snapshots.test=2",
    "bench.schedule.eval_every=2",
    "model.backbone.embed_dim=12",
    "model.backbone.depths=[1]",
    "model.backbone.num_heads=2",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("flow")


@pytest.fixture(autouse=True)
def _home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # All tests share the simulated flows.
    monkeypatch.setenv("RS_ADAPT_HOME", str(folder / "home"))


def train(work_dir: Path, *, method: str = "fisr", resume: bool = False, **options: Any) -> Any:
    cfg = rs_adapt.compose(
        "flow-sr", method=method, iters=4, batch_size=2, num_workers=0, work_dir=work_dir, overrides=TINY
    )
    return rs_adapt.train(cfg, device="cpu", resume=resume, loggers=["none"], progress=False, **options)


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    patch = pytest.MonkeyPatch()
    patch.setenv("RS_ADAPT_HOME", str(folder / "home"))
    train(folder / "run")
    patch.undo()
    return folder / "run"


def test_a_run_has_measures_with_intervals_and_scores_of_single_images(run: Path) -> None:
    result = Run.read(run).result
    assert result is not None
    assert result.psnr_db == result.score_pct == result.measures["psnr_db"]["mean"]
    assert result.measures["ssim"]["snapshots"] == 2
    assert result.measures["psnr_db"]["low"] < result.psnr_db < result.measures["psnr_db"]["high"]
    assert result.parameters["trainable"] > 1000
    images = json.loads((run / "images.json").read_text())["images"]
    assert [image["name"] for image in images] == [f"0000{s}/0{z}" for s in range(2) for z in range(4)]
    evaluated = [line.psnr_db for line in Run.read(run).evaluations]
    assert len(evaluated) == 2
    assert not (run / "state.pth").exists()


def test_a_resumed_run_ends_with_the_same_weights(run: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stopping(Recorder):
        def after_train_iter(self, runner: Any, *args: Any, **kwargs: Any) -> None:
            self.stop_requested = runner.iter == 2
            super().after_train_iter(runner, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(super_resolution, "Recorder", Stopping)
        with pytest.raises(Interrupted):
            train(folder / "stopped")
    assert (folder / "stopped" / "state.pth").is_file()
    train(folder / "stopped", resume=True)
    whole, resumed = (load_file(place / "adapter.safetensors") for place in (run, folder / "stopped"))
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
    assert json.loads((run / "images.json").read_text()) == json.loads((folder / "stopped/images.json").read_text())


def test_runs_are_scored_again_and_compared_on_the_command_line(run: Path, folder: Path) -> None:
    runner = CliRunner()
    bicubic = folder / "bicubic"
    words = ["--bench", "flow-sr", "--method", "bicubic", "--work-dir", str(bicubic), "--device", "cpu"]
    words += ["--num-workers", "0", "--logger", "none", *(word for text in TINY[:7] for word in ("--set", text))]
    trained = runner.invoke(app, ["train", *words])
    assert trained.exit_code == 0, trained.output
    assert "PSNR, dB" in trained.output
    assert "means over 2 snapshots" in trained.output

    scored = runner.invoke(app, ["eval", str(run), "--device", "cpu", "--json"])
    assert scored.exit_code == 0, scored.output
    of_run = Run.read(run).result
    assert of_run is not None
    assert json.loads(scored.stdout)["psnr_db"] == pytest.approx(of_run.psnr_db, abs=1e-4)

    compared = runner.invoke(app, ["compare", str(bicubic), str(run), "--json"])
    assert compared.exit_code == 0, compared.output
    of_bicubic = Run.read(bicubic).result
    assert of_bicubic is not None
    difference = json.loads(compared.stdout)["psnr_db"]
    assert difference["mean"] == pytest.approx(of_run.psnr_db - of_bicubic.psnr_db, abs=1e-4)
    # Interpolation has no weights, and no iteration changes it.
    assert of_bicubic.parameters["trainable"] == 0
    assert load_file(bicubic / "adapter.safetensors") == {}


def test_what_does_not_fit_is_refused(run: Path, folder: Path) -> None:
    with pytest.raises(ConfigError, match="start from random weights. Leave --from and --teacher out"):
        train(folder / "other", start_from=run)
    with pytest.raises(ConfigError, match="--split is source-val; super-resolution is scored on test or val"):
        rs_adapt.evaluate(run, split="source-val", device="cpu", progress=False)
    message = "is a run of super-resolution, which this command does not take"
    for words in (["score", str(run)], ["verify", str(run), "--against", str(run)]):
        refused = CliRunner().invoke(app, words)
        assert isinstance(refused.exception, ConfigError), words
        assert message in str(refused.exception)
    # What maps, exports, inspections and packs on the Hub ask first.
    with pytest.raises(ConfigError, match=message):
        require_checkpoint(run)
    damaged = folder / "damaged"
    damaged.mkdir()
    for name in ("cell.json", "manifest.json", "result.json"):
        (damaged / name).write_bytes((run / name).read_bytes())
    (damaged / "adapter.safetensors").write_bytes(b"nothing")
    with pytest.raises(CheckpointMismatch, match=r"adapter.safetensors"):
        rs_adapt.evaluate(damaged, device="cpu", progress=False)


def test_test_snapshots_that_training_reads_are_noted() -> None:
    digests = {"train": {"00000": ("aa",), "00001": ("bb",)}, "val": {}, "test": {"00000": ("cc",), "00001": ("bb",)}}
    (note,) = super_resolution._describe_shared(digests)
    assert note == "1 of 2 test snapshots are in training too, first 00001: the scores are too high."
    assert super_resolution._describe_shared(digests | {"test": {"00000": ("cc",)}}) == ()


def copy_run(run: Path, place: Path) -> Path:
    shutil.copytree(run, place, ignore=shutil.ignore_patterns("eval"))
    return place


def change_record(path: Path, change: Callable[[Any], None]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def contradictions(run: Path) -> dict[str, str]:
    return {check.name: check.detail for check in rs_adapt.verify(run, progress=False).contradictions}


def test_verify_and_lint_find_nothing_in_runs_as_they_are(run: Path, folder: Path) -> None:
    untrained = folder / "untrained"
    train(untrained, method="bicubic")
    for one in (run, untrained):
        assert contradictions(one) == {}
        check = {check.name: check for check in rs_adapt.verify(one, progress=False).checks}
        assert check["scores"].outcome == check["images"].outcome == "checked"
        assert rs_adapt.lint(one, progress=False).errors == ()
    rs_adapt.evaluate(run, device="cpu", progress=False)
    assert rs_adapt.lint(run, progress=False).errors == ()


def test_scores_that_the_images_do_not_give_are_found(run: Path, tmp_path: Path) -> None:
    copied = copy_run(run, tmp_path / "copied")

    def better(result: Any) -> None:
        result["psnr_db"] += 1
        result["measures"]["psnr_db"]["mean"] += 1
        result["measures"]["ssim"]["high"] = 1.0

    change_record(copied / "result.json", better)
    found = contradictions(copied)
    assert set(found) == {"hashes", "scores"}
    rules = {finding.rule: finding.found for finding in rs_adapt.lint(copied, progress=False).errors}
    assert set(rules) == {"result-contradicts-matrices"}
    assert "but the images of images.json give" in rules["result-contradicts-matrices"]


def test_another_checkpoint_and_other_weights_are_found(run: Path, tmp_path: Path) -> None:
    copied = copy_run(run, tmp_path / "copied")

    def best(result: Any) -> None:
        result["selections"]["last"]["iter"] = result["iter"] = 2

    change_record(copied / "result.json", best)
    (copied / "adapter.safetensors").write_bytes((run / "adapter.safetensors").read_bytes()[:-4] + b"abcd")
    assert {"hashes", "selections", "scores", "pack"} == set(contradictions(copied))
    rules = {finding.rule for finding in rs_adapt.lint(copied, progress=False).errors}
    assert rules == {"result-contradicts-matrices", "weights-of-another-run"}


def test_test_flows_in_training_and_statistics_of_others_are_found(
    run: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(folder / "home", tmp_path / "home")
    monkeypatch.setenv("RS_ADAPT_HOME", str(tmp_path / "home"))
    (images,) = (tmp_path / "home" / "prepared").glob("flow-*")
    copied = copy_run(run, tmp_path / "copied")
    config = copied / "config.py"
    config.write_text(config.read_text().replace(str(folder / "home"), str(tmp_path / "home")))
    learnt, scored = np.load(images / "train" / "00001.npy"), np.load(images / "test" / "00000.npy")
    # One slice of a flow is enough.
    scored[:, 2] = learnt[:, 1]
    np.save(images / "test" / "00000.npy", scored)
    change_record(images / "flow.json", lambda facts: facts.update(value_range=2 * facts["value_range"]))
    rules = {finding.rule: finding.found for finding in rs_adapt.lint(copied, progress=False).errors}
    assert set(rules) == {"image-in-train-and-test", "statistics-of-training"}
    assert "00000/02 (there 00001/01)" in rules["image-in-train-and-test"]
    assert "images" in contradictions(copied)


def test_images_of_a_bench_of_your_own_are_scored_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RS_ADAPT_HOME", str(tmp_path / "home"))
    for number in range(2):
        write_scene(tmp_path / f"src/{number}.png", tmp_path / f"lab/{number}.png", draw(96, 96, seed=number))
    file = write_bench(tmp_path, 'images = "src"', 'path = "lab"')
    small = ["bench.crop_px=16", *TINY[-3:], f"bench.prepare.bench={file}"]
    cfg = rs_adapt.compose(
        "images-sr", iters=2, batch_size=2, num_workers=0, work_dir=tmp_path / "run", overrides=small
    )
    trained = rs_adapt.train(cfg, device="cpu", loggers=["none"], progress=False)
    # A pack names no folder of this machine.
    assert str(tmp_path) not in (trained.folder / "manifest.json").read_text()
    scored = rs_adapt.evaluate(trained, device="cpu", progress=False)
    assert trained.result is not None
    assert scored.result.psnr_db == pytest.approx(trained.result.psnr_db, abs=1e-4)
    assert contradictions(trained.folder) == {}
    assert rs_adapt.lint(trained, progress=False).errors == ()
    file.rename(tmp_path / "other.toml")
    with pytest.raises(CheckpointMismatch, match=r"images of the bench bench\.toml, which was .* not on this machine"):
        rs_adapt.evaluate(trained, device="cpu", progress=False)


def test_a_run_is_shared_and_checked_as_a_bundle(run: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "run.zip"
    shared = CliRunner().invoke(app, ["share", str(run), "--out", str(bundle)])
    assert shared.exit_code == 0, shared.output
    assert contradictions(bundle) == {}
    # One run alone has scores of images.
    other = tmp_path / "other"
    other.mkdir()
    refused = CliRunner().invoke(app, ["compare", str(run), str(other)])
    assert "is a run of super-resolution, which this command does not take" in str(refused.exception)
