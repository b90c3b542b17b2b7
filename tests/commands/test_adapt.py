"""`rs-adapt adapt`: a model of the source, an adapted one, and the mean of both."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import rs_adapt as rsa
from rs_adapt.api.averaged_adaptation import configurations
from rs_adapt.errors import ConfigError, IncompatibleCell

Verb = Callable[..., tuple[Any, str, str]]
TENSORS = "adapter.safetensors"


@pytest.fixture
def made(tmp_path: Path, again: Verb) -> Path:
    """Return a folder in which the command has been run."""
    code, _, errors = again(tmp_path / "made")
    assert code == 0, errors
    return tmp_path / "made"


@pytest.fixture
def again(loveda_root: Path, small: tuple[str, ...], run_verb: Verb) -> Verb:
    """Return a function that runs the command in a folder."""

    def run(folder: Path, *arguments: str, bench: str = "loveda-da") -> tuple[Any, str, str]:
        return run_verb(
            *("adapt", "--bench", bench, *small, "--data-root", loveda_root, "--work-dir", folder, *arguments)
        )

    return run


def test_both_are_trained_and_their_mean_is_scored(made: Path, tmp_path: Path, again: Verb, run_verb: Verb) -> None:
    source_only, adapted = rsa.collect(made / "source_only").runs[0], rsa.collect(made / "adapted").runs[0]
    assert (source_only.result.cell.setting, source_only.result.cell.strategy) == ("dg", "source_only")
    assert (adapted.result.cell.setting, adapted.result.cell.strategy) == ("da", "dacs_matched")
    one, other, mean = (load_file(made / name / TENSORS) for name in ("source_only", "adapted", "mean"))
    for name, value in mean.items():
        torch.testing.assert_close(value, (one[name] + other[name]) / 2, rtol=1e-6, atol=1e-8)
    # All is done: it is printed, and nothing is trained or written again.
    before = {file: file.stat().st_mtime_ns for file in made.glob(f"*/{TENSORS}")}
    code, out, errors = again(made, "--resume", "--json")
    assert code == 0, errors
    printed = json.loads(out)
    assert printed["adapted"] == {"folder": str(made / "adapted"), "miou_pct": adapted.miou_pct}
    stored = json.loads(next((made / "mean" / "eval").glob("*/result.json")).read_text())
    assert printed["mean"]["miou_pct"] == stored["miou_pct"] > 0
    assert {file: file.stat().st_mtime_ns for file in made.glob(f"*/{TENSORS}")} == before
    # A report has a row of the mean, with its interval and its gain over the source-only run.
    code, out, errors = run_verb("report", made, "--out", tmp_path / "report", "--json")
    assert code == 0, errors
    rows = {row["strategy"]: row for row in json.loads(out)["runs"]}
    assert {name: (row["folder"], row["status"]) for name, row in rows.items()} == {
        "source_only": ("source_only", "finished"),
        "dacs_matched": ("adapted", "finished"),
        "average": ("mean", "averaged"),
    }
    mean_row = rows["average"]
    assert mean_row["miou_pct"] == pytest.approx(stored["miou_pct"], abs=1e-3)
    assert mean_row["miou_pct.low"] == pytest.approx(stored["interval"]["low"], abs=1e-3)
    gain = stored["miou_pct"] - source_only.miou_pct
    assert mean_row["over_source_only"] == pytest.approx(gain, abs=2e-3)
    assert all(mean_row[key] == rows["dacs_matched"][key] for key in ("protocol", "split", "seen", "selection"))
    page = (tmp_path / "report" / "report.md").read_text()
    assert re.search(rf"average.*\| {gain:+.1f} \\?\[", page)
    # So do score and compare.
    code, out, errors = run_verb("score", made / "mean", "--json")
    assert code == 0, errors
    assert json.loads(out)["miou_pct"] == pytest.approx(stored["miou_pct"], abs=1e-3)
    code, out, errors = run_verb("compare", made / "source_only", made / "mean", "--json")
    assert code == 0, errors
    # Options that change the result are refused, and so is a second start.
    code, _, errors = again(made, "--resume", "--set", "optim.lr=0.5")
    assert code == 2
    assert "the configuration has changed. First difference: `optim.lr=" in errors
    code, _, errors = again(made)
    assert code == 2
    assert "holds a run" in errors
    code, _, errors = again(made / "mean")
    assert code == 2
    assert "mean holds a model. Choose a folder outside of it" in errors
    # So is a mean whose members are not there.
    (made / "adapted").rename(tmp_path / "elsewhere")
    code, _, errors = again(made, "--resume")
    assert code == 2
    assert "mean holds a model, but" in errors
    (tmp_path / "elsewhere").rename(made / "adapted")
    # What is finished is kept, and the rest is made.
    folder = tmp_path / "region"
    shutil.copytree(made / "source_only", folder / "source_only")
    code, _, errors = again(folder)
    assert code == 2
    assert "source_only holds a run. --resume keeps what is finished" in errors
    assert "--overwrite" not in errors
    assert not (folder / "adapted").exists()
    code, out, errors = again(folder, "--resume")
    assert code == 0, errors
    for name in ("source_only", "adapted", "mean"):
        assert (folder / name / TENSORS).read_bytes() == (made / name / TENSORS).read_bytes()
    assert [line.split("  ")[0] for line in out.splitlines()[:3]] == ["source only", "adapted", "their mean"]
    assert f"rs-adapt judge {folder / 'mean'} --against {folder / 'source_only'}" in out


def test_a_dry_run_checks_both_and_makes_nothing(tmp_path: Path, again: Verb) -> None:
    code, out, errors = again(tmp_path / "region", "--dry-run")
    assert code == 0, errors
    assert "loveda-r2u-dg" in out
    assert "loveda-r2u-da" in out
    assert not (tmp_path / "region").exists()
    code, out, errors = again(tmp_path / "region", "--dry-run", "--json")
    assert code == 0, errors
    plans = json.loads(out)
    assert [(name, Path(plan["folder"]).name) for name, plan in plans.items()] == [
        ("source_only", "source_only"),
        ("adapted", "adapted"),
    ]


@pytest.mark.slow
def test_a_dry_run_of_a_begun_folder_needs_resume(made: Path, again: Verb) -> None:
    shutil.rmtree(made / "adapted")
    shutil.rmtree(made / "mean")
    code, _, errors = again(made, "--dry-run")
    assert code == 2
    assert "source_only holds a run. --resume keeps" in errors
    code, out, errors = again(made, "--dry-run", "--resume")
    assert code == 0, errors
    assert "source_only is finished." in out
    assert "loveda-r2u-da" in out
    code, out, _ = again(made, "--dry-run", "--resume", "--json")
    assert code == 0
    assert json.loads(out)["source_only"] is None


def test_nothing_is_trained_where_the_mean_has_no_place_or_the_target_is_damaged(
    tmp_path: Path, loveda_root: Path, again: Verb
) -> None:
    (tmp_path / "region" / "mean").mkdir(parents=True)
    (tmp_path / "region" / "mean" / "notes.txt").write_text("mine")
    code, _, errors = again(tmp_path / "region")
    assert code == 2
    assert "mean is taken by something that is no model" in errors
    assert not (tmp_path / "region" / "source_only").exists()
    (loveda_root / "loveda" / "urban" / "train" / "img_dir" / "1.png").write_bytes(b"no image")
    code, _, errors = again(tmp_path / "other")
    assert code == 2
    assert "1.png" in errors
    assert not (tmp_path / "other").exists()


def test_a_mean_of_other_runs_is_refused(made: Path, again: Verb) -> None:
    manifest = json.loads((made / "mean" / "manifest.json").read_text())
    manifest["averaged"][1]["sha256"] = "0" * 64
    (made / "mean" / "manifest.json").write_text(json.dumps(manifest))
    code, _, errors = again(made, "--resume")
    assert code == 2
    assert "mean holds a model, but not the mean of the runs beside it" in errors


def test_a_stop_beside_the_trainings_prints_how_to_continue(
    made: Path, again: Verb, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(made / "mean")

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("rs_adapt.api.averaged_adaptation.average", stop)
    monkeypatch.setattr("sys.argv", ["rs-adapt", "adapt", "--work-dir", "my region"])
    code, _, errors = again(made, "--resume")
    assert code == 130
    assert "Stopped; what is finished stays. Continue with\n  rs-adapt adapt --work-dir 'my region' --resume" in errors


@pytest.mark.parametrize(
    ("bench", "arguments", "message"),
    [
        ("loveda-dg", (), "works in da only, but the setting is dg"),
        ("loveda-dg", ("--strategy", "source-only"), "the setting is dg. Use the setting da"),
        ("loveda-ss", ("--strategy", "source-only"), "the setting is ss. Use the setting da"),
        ("loveda-da", ("--strategy", "source-free"), "needs a trained run (--from)"),
        ("loveda-da", ("--strategy", "distill"), "needs a trained run (--teacher)"),
        ("loveda-da", ("--strategy", "average"), "trains nothing"),
        ("loveda-da", ("--strategy", "source-only"), "the strategy source_only reads none"),
        ("loveda-da", ("--strategy", "source-styled"), "the strategy source_styled reads none"),
        ("loveda-da", ("--method", "crossearth-gate"), "has a gate that chooses different modules"),
        ("loveda-da", ("--method", "peft:eva"), "starts from the images of its run"),
        ("loveda-da", ("--set", "bench.pipeline.histogram_match=0.5"), "to a source-only model of the setting dg, too"),
        ("loveda-da", ("--set", "protocol.weights=teacher"), "but strategy source_only has no teacher"),
        ("loveda-da", ("--strategy", "dacs-matchd"), "Did you mean dacs-matched"),
    ],
)
def test_what_cannot_be_averaged_is_refused(
    bench: str, arguments: tuple[str, ...], message: str, tmp_path: Path, again: Verb
) -> None:
    code, _, errors = again(tmp_path / "region", *arguments, bench=bench)
    assert code == 2
    assert message in errors
    assert not (tmp_path / "region").exists()


def test_keys_of_the_strategy_go_to_the_adapted_model_and_pixel_sizes_to_both() -> None:
    given = {"strategy.mix_weight": 0.25, "optim.lr": 0.01}
    cfg = rsa.compose("shifts-da", strategy="dacs_matched", overrides=given, work_dir="region")
    source_only, adapted = configurations(cfg)
    assert "mix_weight" not in source_only.strategy
    assert adapted.strategy.mix_weight == 0.25
    assert source_only.optim.lr == adapted.optim.lr == 0.01
    assert source_only.strategy.match_gsd is adapted.strategy.match_gsd is True
    assert (source_only.cell.seed, Path(source_only.work_dir).name) == (0, "source_only")
    plain = configurations(rsa.compose("shifts-da", overrides={"strategy.match_gsd": False}))
    assert [one.strategy.match_gsd for one in plain] == [False, False]
    with pytest.raises(IncompatibleCell, match="the setting is ss"):
        configurations(rsa.compose("shifts-ss"))
    with pytest.raises(IncompatibleCell, match=r"a mean does not take along the model .*bench.resolve.*match_gsd=True"):
        configurations(rsa.compose("synthetic-half-da", overrides={"bench.resolve": "model"}))


def test_both_see_as_many_images_an_iteration() -> None:
    # The recipe of the paper has 2 in adaptation and 4 in generalization.
    both = configurations(rsa.compose("loveda-da", strategy="dacs_matched"))
    assert [one.train_dataloader.batch_size for one in both] == [2, 2]
    both = configurations(rsa.compose("synthetic-da", strategy="dacs_matched", batch_size=3))
    assert [one.train_dataloader.batch_size for one in both] == [3, 3]
    given = {"bench.schedule.batch_size.dg": 8}
    both = configurations(rsa.compose("synthetic-da", strategy="dacs_matched", overrides=given))
    assert [one.train_dataloader.batch_size for one in both] == [8, 2]


def test_what_uses_target_images_and_gates_of_all_modules_are_accepted() -> None:
    given = {"strategy.style.band_match": 0.5}
    configurations(rsa.compose("synthetic-da", strategy="source_styled", overrides=given))
    configurations(rsa.compose("synthetic-da", strategy="dacs_matched", method="crossearth_gate_off"))


def test_a_changed_configuration_and_a_launcher_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    cfg = rsa.compose("synthetic-da", strategy="dacs_matched")
    cfg.optim.lr = 0.5
    with pytest.raises(ConfigError, match="changed after it was composed"):
        rsa.adapt(cfg, device="cpu")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="adapt trains in one process, but a launcher has started 2"):
        configurations(rsa.compose("synthetic-da", strategy="dacs_matched"))
