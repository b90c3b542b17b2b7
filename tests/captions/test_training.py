"""Captions of your own through the command line: a run, its scores, its resumption, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rs_adapt.commands import main
from rs_adapt.config.cell import resolve
from rs_adapt.config.compose import compose
from rs_adapt.errors import ConfigError, DataNotFound, IncompatibleCell

BENCH = """
task = "captions"
name = "mine"
crop_px = 32

[train]
captions = "train.csv"
batch_size = 2
iters = 2
eval_every = 2
negatives = 2
backbone = "nano_clip"
lr = 1e-4

[[test]]
benchmark = "items"
source = "items.json"
kinds = ["swap", "replace"]

[[test]]
benchmark = "folders"
source = "classes"
kind = "zero-shot"
beside = true
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("captions")
    rng = np.random.default_rng(0)
    for name in ("a", "b", "c", "classes/water/a", "classes/forest/b"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (36, 40, 3), np.uint8)).save(folder / f"{name}.png")
    captions = ["a red car left of a house", "a white boat above a pond", "two houses"]
    lines = [f"{name}.png,{caption}" for name, caption in zip("abc", captions, strict=True)]
    (folder / "train.csv").write_text("\n".join(["image,caption", *lines]) + "\n")
    items = [("a", "swap", ["a car left of a house", "a house left of a car"]), ("b", "replace", ["a boat", "a car"])]
    entries = [{"image": f"{image}.png", "kind": kind, "texts": texts} for image, kind, texts in items * 2]
    (folder / "items.json").write_text(json.dumps(entries))
    (folder / "captions.toml").write_text(BENCH)
    return folder


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([*map(str, arguments)])
    return int(stop.value.code or 0)


@pytest.fixture(scope="module")
def trained(folder: Path) -> Path:
    out = folder / "run"
    small = ("--method", "lora", "--device", "cpu", "--set", "runtime.num_workers=0")
    # Where there is no folder of data sets: the bench names its own.
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert run("train", "--bench", folder / "captions.toml", *small, "--work-dir", out) == 0
    return out


def test_a_run_has_losses_and_accuracies_of_kinds(trained: Path) -> None:
    lines = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    first = next(line for line in lines if "loss" in line)
    parts = ("loss_contrast", "loss_igc", "loss_tgc", "loss_distill")
    assert first["loss"] == pytest.approx(sum(first[part] for part in parts), rel=1e-4)
    # Student and teacher are equal before the first step.
    assert first["loss_distill"] == 0
    result = json.loads((trained / "result.json").read_text())
    assert result["classes_in_mean"] == ["swap", "replace"]
    assert result["accuracy_pct"] == pytest.approx((result["acc_pct"]["swap"] + result["acc_pct"]["replace"]) / 2)
    assert result["acc_pct"]["zero-shot"] in (0.0, 50.0, 100.0)
    # The items of an image are one unit: two images in the mean, two of the classes beside it.
    assert result["interval"]["unit"] == "scene"


def test_eval_agrees_with_the_run(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("eval", "--checkpoint", trained, "--device", "cpu") == 0
    assert "and the same counts in every tile" in " ".join(capsys.readouterr().out.split())


def test_a_run_agrees_with_itself_and_is_clean(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = run("verify", trained, "--json")
    verified = json.loads(capsys.readouterr().out)
    assert (code, verified["consistent"]) == (0, True), verified
    outcomes = {check["name"]: check["outcome"] for check in verified["checks"]}
    assert {outcomes[name] for name in ("scores", "schedule", "classes", "data", "tiles")} == {"checked"}
    code = run("lint", trained, "--json")
    findings = json.loads(capsys.readouterr().out)["findings"]
    # The tiny set is scored on images that it trains on.
    assert code == 1
    assert [f["found"] for f in findings if f["rule"] == "image-in-train-and-test" and f["level"] == "error"] == [
        "4 of 6 images of test are in training too: swap/a.png#0 (there a.png#2), replace/b.png#1 (there b.png#3), "
        "swap/a.png#2 (there a.png#2) and 1 more"
    ]
    assert {f["rule"] for f in findings} <= {"image-in-train-and-test", "deviates-from-bench", "other-code"}


def test_two_runs_are_compared_and_reported(
    trained: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "clip"
    small = ("--method", "lora", "--device", "cpu", "--set", "runtime.num_workers=0")
    bench = folder / "captions.toml"
    assert run("train", "--bench", bench, "--strategy", "clip", *small, "--work-dir", other) == 0
    capsys.readouterr()
    assert run("compare", trained, other, "--json") == 0
    compared = json.loads(capsys.readouterr().out)
    assert "accuracy" in json.dumps(compared)
    assert run("report", trained, other, "--out", tmp_path / "page") == 0
    table = (tmp_path / "page" / "results.csv").read_text()
    assert "accuracy_pct" in table
    assert "degla" in table
    assert "accuracy" in (tmp_path / "page" / "index.html").read_text()


def test_a_resumed_run_ends_with_the_same_weights(
    trained: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.torch import load_file

    from rs_adapt.engine.recorder import Recorder

    out = tmp_path / "run"
    words = ("train", "--bench", folder / "captions.toml", "--method", "lora", "--device", "cpu")
    words = (*words, "--set", "runtime.num_workers=0", "--work-dir", out)
    after = Recorder.after_train_iter

    def stop(self: Any, runner: Any, *args: Any, **kwargs: Any) -> None:
        if runner.iter == 0:
            self.request_stop()
        after(self, runner, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "after_train_iter", stop)
        assert run(*words) != 0
    assert (out / "state.pth").is_file()
    assert run(*words, "--resume") == 0
    whole, resumed = (load_file(place / "adapter.safetensors") for place in (trained, out))
    assert whole.keys() == resumed.keys()
    assert all(np.array_equal(value, resumed[name]) for name, value in whole.items())
    results = [json.loads((place / "result.json").read_text()) for place in (trained, out)]
    assert results[0]["acc_pct"] == results[1]["acc_pct"]
    # The averaged teacher is part of the state: the loss of the second iteration needs it.
    losses = [
        [line for line in (place / "metrics.jsonl").read_text().splitlines() if "loss" in line]
        for place in (trained, out)
    ]
    timed = ("iter_s", "memory_mib")
    rows = [[{k: v for k, v in json.loads(line).items() if k not in timed} for line in of] for of in losses]
    assert rows[0] == rows[1]


def test_the_settings_of_the_file_reach_the_model(folder: Path) -> None:
    cfg: Any = compose(resolve(str(folder / "captions.toml"), strategy="clip"))
    assert cfg.protocol.classes == "no-zero-shot,no-wrong"
    assert cfg.model.type == "rs_adapt.CaptionAlignment"
    assert cfg.model.use_negatives is False
    assert cfg.train_dataloader.dataset.labelled.negatives == 2
    assert cfg.optim_wrapper.optimizer.betas == (0.9, 0.98)
    # Both towers train at one rate.
    assert cfg.optim_wrapper.paramwise_cfg.backbone_lr_mult == 1.0
    assert cfg.model.segmentor.backbone.frozen is cfg.model.segmentor.decode_head.frozen is False


def test_a_batch_larger_than_the_list_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--batch-size", "4", "--device", "cpu", "--dry-run", "--work-dir", tmp_path / "run")
    assert run("train", "--bench", folder / "captions.toml", *words) == 2
    assert "has 3 captions, and a batch 4" in " ".join(capsys.readouterr().err.split())


def test_what_does_not_fit_is_refused(folder: Path, tmp_path: Path) -> None:
    bench = str(folder / "captions.toml")
    with pytest.raises(IncompatibleCell, match="has no text tower"):
        compose(resolve(bench, backbone="dinov2-nano"))
    with pytest.raises(IncompatibleCell, match="Method coop is for classification"):
        resolve(bench, method="coop")
    with pytest.raises(IncompatibleCell, match="Strategy dacs is for segmentation"):
        resolve(bench, strategy="dacs")
    for old, new, error, message in (
        ('"train.csv"', '"none.csv"', DataNotFound, r"train\.captions names .*none\.csv, which does not exist"),
        ('"items"\n', '"winoground"\n', ConfigError, "benchmark"),
        ('kind = "zero-shot"', 'kind = "wrong"', ConfigError, "no kind may be named 'wrong'"),
        ("negatives = 2", "negatives = -1", ConfigError, "negatives"),
        ("lr = 1e-4", "rate = 1e-4", ConfigError, "rate"),
    ):
        file = tmp_path / f"{abs(hash(new))}.toml"
        file.write_text(f"root = {str(folder)!r}\n" + BENCH.replace(old, new))
        with pytest.raises(error, match=message):
            compose(resolve(str(file)))
