"""`rs-adapt adapt`: a model of the source, an adapted one, and the mean of both."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import rs_adapt as rsa
from rs_adapt.api.averaged_adaptation import configurations
from rs_adapt.errors import IncompatibleCell

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


def test_both_are_trained_and_their_mean_is_scored(made: Path, tmp_path: Path, again: Verb) -> None:
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
    # Options that change the result are refused, and so is a second start.
    code, _, errors = again(made, "--resume", "--set", "optim.lr=0.5")
    assert code == 2
    assert "the configuration has changed. First difference: `optim.lr=" in errors
    code, _, errors = again(made)
    assert code == 2
    assert "holds a run" in errors
    # What is finished is kept, and the rest is made.
    folder = tmp_path / "region"
    shutil.copytree(made / "source_only", folder / "source_only")
    code, _, errors = again(folder)
    assert code == 2
    assert "source_only holds a run. Choose a different folder with --work-dir" in errors
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


@pytest.mark.parametrize(
    ("bench", "arguments", "message"),
    [
        ("loveda-dg", (), "works in da only, but the setting is dg"),
        ("loveda-dg", ("--strategy", "source-only"), "the setting is dg. Use the setting da"),
        ("loveda-ss", ("--strategy", "source-only"), "the setting is ss. Use the setting da"),
        ("loveda-da", ("--strategy", "source-free"), "needs a trained run (--from)"),
        ("loveda-da", ("--strategy", "distill"), "needs a trained run (--teacher)"),
        ("loveda-da", ("--strategy", "average"), "trains nothing"),
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
