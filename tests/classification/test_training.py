"""Runs of scene classification: data from folders, training, exact resume, scores, comparison and commands."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import rs_adapt as rsa
from rs_adapt.commands import main
from rs_adapt.datasets.scene_classes.prepare import prepare_split
from rs_adapt.errors import DataError, DataNotFound
from tests.scene_folders import TINY, write_rsscn7

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig


@pytest.fixture(scope="module")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_rsscn7(tmp_path_factory.mktemp("data"))
    prepare_split("rsscn7", root)
    return root


def composed(data_root: Path, folder: Path, method: str, *more: str, iters: int = 4) -> ResolvedConfig:
    return rsa.compose(
        "rsscn7-b2n",
        method=method,
        overrides=[*TINY, *more],
        weights="random",
        data_root=data_root,
        iters=iters,
        num_workers=0,
        work_dir=folder,
    )


def trained(cfg: ResolvedConfig, **options: Any) -> Any:
    return rsa.train(cfg, device="cpu", loggers=["none"], progress=False, **options)


@pytest.fixture(scope="module")
def coop_run(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return trained(composed(data_root, tmp_path_factory.mktemp("runs") / "coop", "coop"))


@pytest.mark.parametrize("method", ["zero-shot", "linear-probe", "cocoop", "maple", "qnet-names", "lora"])
def test_every_method_trains(data_root: Path, tmp_path: Path, method: str) -> None:
    more = ("model.backbone.adapter.domain=dinov2_nano",) if method == "qnet-names" else ()
    run = trained(composed(data_root, tmp_path / "run", method, *more, iters=2))
    assert run.result.score_title == "harmonic mean"
    assert 0 <= run.score_pct <= 100


def test_files_name_the_score(coop_run: Any) -> None:
    stored = json.loads((coop_run.folder / "result.json").read_text())
    assert "miou_pct" not in stored
    assert "iou_pct" not in stored
    assert stored["harmonic_mean_pct"] == coop_run.score_pct
    base, novel = stored["base_pct"], stored["novel_pct"]
    expected = 2 * base * novel / (base + novel) if base + novel else 0.0
    assert stored["harmonic_mean_pct"] == pytest.approx(expected, abs=0.01)
    lines = [json.loads(line) for line in (coop_run.folder / "metrics.jsonl").read_text().splitlines()]
    assert any("harmonic_mean_pct" in line for line in lines)
    assert not any("miou_pct" in line for line in lines)
    assert stored["selections"]["last"]["harmonic_mean_pct"] == coop_run.score_pct


def test_one_count_an_image_and_no_novel_class_for_a_base_image(coop_run: Any) -> None:
    from rs_adapt.scores.per_image import PerImage

    file = coop_run.folder / coop_run.result.selections["last"].confusions
    stored = PerImage.load(file)
    assert stored.counts_NKK.sum(axis=(1, 2)).tolist() == [1] * 14
    total = stored.total_KK()
    assert not total[:4, 4:].any()
    assert not total[4:, :4].any()
    assert stored.measure.base == (0, 1, 2, 3)


def test_resumed_run_equals_an_uninterrupted_one(data_root: Path, tmp_path: Path, monkeypatch: Any) -> None:
    from rs_adapt.engine.recorder import Interrupted, Recorder

    more = ("model.backbone.adapter.domain=dinov2_nano",)
    whole = trained(composed(data_root, tmp_path / "whole", "dcpl-names", *more))
    cfg = composed(data_root, tmp_path / "parts", "dcpl-names", *more)
    after = Recorder.after_train_iter

    def stop(self: Any, runner: Any, *args: Any, **kwargs: Any) -> None:
        if runner.iter == 1:
            self.request_stop()
        after(self, runner, *args, **kwargs)

    monkeypatch.setattr(Recorder, "after_train_iter", stop)
    with pytest.raises(Interrupted):
        trained(cfg)
    monkeypatch.setattr(Recorder, "after_train_iter", after)
    parts = trained(cfg, resume=True)
    from safetensors.torch import load_file

    a, b = (load_file(run.folder / "adapter.safetensors") for run in (whole, parts))
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert parts.score_pct == whole.score_pct


def test_evaluation_agrees_and_pack_holds_no_frozen_tensor(coop_run: Any) -> None:
    from safetensors.torch import load_file

    assert list(load_file(coop_run.folder / "adapter.safetensors")) == ["backbone.adapter.context"]
    evaluated = rsa.evaluate(coop_run, progress=False)
    assert evaluated.agreement is not None
    assert evaluated.agreement.agrees


def test_seed_draws_the_shots(data_root: Path, tmp_path: Path) -> None:
    from rs_adapt.datasets.tile_files import list_tiles

    cfg = composed(data_root, tmp_path / "a", "coop")
    other = rsa.compose(
        "rsscn7-b2n", overrides=TINY, weights="random", data_root=data_root, seed=1, work_dir=tmp_path / "b"
    )
    names = [{tile.name for tile in list_tiles(c.train_dataloader.dataset.labelled)} for c in (cfg, other)]
    assert len(names[0]) == len(names[1]) == 8
    assert names[0] != names[1]


def test_frozen_images_are_seen_once(data_root: Path, tmp_path: Path, monkeypatch: Any) -> None:
    from rs_adapt.classification import classifier

    seen: list[int] = []
    original = classifier.class_tokens

    def counting(vit: Any, x_B3HW: Any, prompts: Any = ()) -> Any:
        seen.append(len(x_B3HW))
        return original(vit, x_B3HW, prompts)

    monkeypatch.setattr(classifier, "class_tokens", counting)
    trained(composed(data_root, tmp_path / "run", "coop", "bench.views=1", iters=6))
    # 8 training images, 14 of validation and 14 of the test: each of them once, alone.
    assert set(seen) == {1}
    assert len(seen) <= 8 + 14 + 14


def test_commands(coop_run: Any, data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def invoke(*words: str) -> str:
        with pytest.raises(SystemExit) as stop:
            main(list(words))
        shown = capsys.readouterr()
        assert not stop.value.code, shown.err
        return shown.out

    folder = str(coop_run.folder)
    assert "harmonic mean" in invoke("score", folder)
    scored = json.loads(invoke("score", folder, "--json"))
    assert scored["harmonic_mean_pct"] == coop_run.score_pct
    assert "harmonic mean" in invoke("compare", folder, folder)
    invoke("report", str(coop_run.folder.parent), "--out", str(tmp_path / "page"))
    assert "harmonic_mean_pct" in (tmp_path / "page" / "results.csv").read_text()
    page = (tmp_path / "page" / "index.html").read_text()
    assert "harmonic mean" in page
    assert "rsscn7" in invoke("data", "verify", "rsscn7", "--data-root", str(data_root))


def test_a_run_agrees_with_itself_and_is_clean(
    coop_run: Any, data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def checked(verb: str, folder: Path) -> tuple[int, dict[str, Any]]:
        with pytest.raises(SystemExit) as stop:
            main([verb, str(folder), "--json"])
        return int(stop.value.code or 0), json.loads(capsys.readouterr().out)

    code, verified = checked("verify", coop_run.folder)
    assert (code, verified["consistent"]) == (0, True), verified
    outcomes = {check["name"]: check["outcome"] for check in verified["checks"]}
    assert {outcomes[name] for name in ("scores", "schedule", "classes", "data", "tiles")} == {"checked"}
    code, linted = checked("lint", coop_run.folder)
    # The test's own options differ from the bench's file, and its checkout may have changes.
    assert code == 0, linted
    assert {finding["rule"] for finding in linted["findings"]} <= {"deviates-from-bench", "other-code"}
    forged = Path(shutil.copytree(coop_run.folder, tmp_path / "forged"))
    lines = [json.loads(line) for line in (forged / "metrics.jsonl").read_text().splitlines()]
    evaluation = next(line for line in lines if "base_pct" in line)
    evaluation["novel_pct"] = 50.0 + evaluation["novel_pct"] / 2
    (forged / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    code, verified = checked("verify", forged)
    assert code == 1
    assert any("the harmonic mean is" in check["detail"] for check in verified["checks"])


def test_image_in_training_and_test_is_found(
    coop_run: Any, data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "copy"
    shutil.copytree(data_root, root)
    split = json.loads((root / "rsscn7" / "split_rs_adapt.json").read_text())
    tested = next(path for path, *_ in split["test"] if path.startswith("bField"))
    # The draw of shots takes some: all images of the class become one.
    for path, *_ in split["train"]:
        if path.startswith("bField"):
            shutil.copy(root / "rsscn7" / tested, root / "rsscn7" / path)
    with pytest.raises(SystemExit) as stop:
        main(["lint", "--bench", "rsscn7-b2n", "--data-root", str(root), "--set", "bench.shots=2", "--json"])
    found = [f for f in json.loads(capsys.readouterr().out)["findings"] if f["rule"] == "image-in-train-and-test"]
    assert stop.value.code == 1
    assert [(finding["level"], finding["key"]) for finding in found] == [
        ("error", "test_dataloader.dataset.split_file")
    ]
    assert found[0]["found"].startswith("1 of 14 images of test are in training too: field: bField/")
    # Where there are no data, lint does not call them clean.
    with pytest.raises(SystemExit) as stop:
        main(["lint", "--bench", "rsscn7-b2n", "--data-root", str(tmp_path), "--json"])
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert (stop.value.code or 0, finding["level"]) == (0, "note")
    assert finding["found"] == "there are no images of rsscn7/rsscn7/train"


def test_faults_of_the_data(data_root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataNotFound, match="no folder|no list of a split|does not exist"):
        trained(composed(tmp_path, tmp_path / "run", "coop"))
    with pytest.raises(DataError, match="4 images, but 9 shots"):
        trained(composed(data_root, tmp_path / "run", "coop", "bench.shots=9"))
    root = tmp_path / "copy"
    shutil.copytree(data_root, root)
    broken = next((root / "rsscn7" / "bField").iterdir())
    broken.write_bytes(b"no image")
    with pytest.raises(DataError, match="cannot read"):
        trained(composed(root, tmp_path / "run", "coop", "bench.shots=4"))
    assert not (tmp_path / "run").exists()


def test_released_split_is_taken(data_root: Path, tmp_path: Path) -> None:
    from rs_adapt.errors import OutputExists

    root = tmp_path / "copy"
    shutil.copytree(data_root, root)
    released = json.loads((root / "rsscn7" / "split_rs_adapt.json").read_text())
    released["train"], released["test"] = released["test"], released["train"]
    (tmp_path / "split.json").write_text(json.dumps(released))
    with pytest.raises(OutputExists, match="different split"):
        prepare_split("rsscn7", root, released=tmp_path / "split.json")
    prepared = prepare_split("rsscn7", root, released=tmp_path / "split.json", overwrite=True)
    assert prepared.counts["train"] == 14
    assert np.sum([counts["test"] for counts in prepared.classes.values()]) == 28


def test_verbs_of_maps_refuse_a_classifier(coop_run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["inspect", str(coop_run.folder), "--image", "scene.png"])
    assert stop.value.code == 2
    assert "a model of classification, which predicts no maps" in capsys.readouterr().err.replace("\n", " ")


def test_domain_without_weights_is_named(data_root: Path, tmp_path: Path) -> None:
    from rs_adapt.errors import WeightsError

    cfg = rsa.compose(
        "synthetic-b2n",
        method="qnet-names",
        overrides=["model.backbone.adapter.domain=mae_b_millionaid"],
        work_dir=tmp_path / "run",
    )
    with pytest.raises(WeightsError, match="mae"):
        trained(cfg)
