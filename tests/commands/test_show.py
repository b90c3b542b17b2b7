from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from rs_adapt.commands import app, main
from rs_adapt.config import compose, resolve_cell

if TYPE_CHECKING:
    from pathlib import Path


def test_show_prints_the_config_that_runs(tmp_path: Path) -> None:
    from mmengine.config import Config

    shown = CliRunner().invoke(app, ["show", "--bench", "loveda-da", "--direction", "u2r", "--seed", "2"])
    assert shown.exit_code == 0
    (tmp_path / "config.py").write_text(shown.stdout)
    read = Config.fromfile(str(tmp_path / "config.py"), import_custom_modules=False)
    assert read.to_dict() == compose(resolve_cell("loveda-u2r-da", seed=2)).to_dict()


def test_show_passes_every_option_on(tmp_path: Path) -> None:
    options = {
        "--method": "rein",
        "--backbone": "dinov2-s",
        "--head": "mask2former",
        "--strategy": "source-only",
        "--iters": "40",
        "--batch-size": "3",
        "--precision": "bf16",
        "--num-workers": "0",
        "--weights": "random",
        "--data-root": str(tmp_path / "d"),
        "--work-dir": str(tmp_path / "w"),
        "--set": "optim.lr=0.5",
    }
    arguments = [part for pair in options.items() for part in pair]
    shown = CliRunner().invoke(app, ["show", "--bench", "loveda-da", "--untuned", "--json", *arguments])
    assert shown.exit_code == 0
    expected = compose(
        resolve_cell(
            "loveda-da", method="rein", backbone="dinov2_s", head="mask2former", strategy="source_only", tuned=False
        ),
        overrides=["optim.lr=0.5"],
        iters=40,
        batch_size=3,
        precision="bf16",
        num_workers=0,
        weights="random",
        data_root=tmp_path / "d",
        work_dir=tmp_path / "w",
    )
    assert json.loads(shown.stdout) == json.loads(json.dumps(expected.to_dict()))


@pytest.mark.parametrize(("bench", "adapter"), [("loveda-da", 1_023_489), ("isprs-da", 3_974_049)])
def test_show_counts_trainable_parameters(bench: str, adapter: int, capsys: pytest.CaptureFixture[str]) -> None:
    main_without_exit(["show", "--bench", bench, "--cost"])
    shown = capsys.readouterr()
    assert f"{adapter:,}".replace(",", " ") in shown.out
    assert shown.err == ""
    main_without_exit(["show", "--bench", bench, "--cost", "--json"])
    counts = json.loads(capsys.readouterr().out)
    assert counts["trainable adapter parameters"] == adapter
    assert counts["trainable parameters in all"] == adapter + counts["trainable head parameters"]


def main_without_exit(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code in (0, None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--bench", "loveda"], "names no setting"),
        (["--bench", "lovda-da"], "Did you mean loveda-da"),
        (["--bench", "loveda-da", "--set", "optim.lrr=1"], "Nearest: optim.lr"),
        (["--bench", "loveda-dg", "--strategy", "dacs"], "works in da only"),
    ],
)
def test_errors_are_one_line_on_stderr(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["show", *arguments])
    assert stop.value.code == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert message in shown.err
    assert shown.err.count("\n") == 1


def test_no_arguments_print_the_help() -> None:
    shown = CliRunner().invoke(app, [])
    assert "list" in shown.output
    assert "show" in shown.output


def test_the_setting_may_be_an_option_for_every_bench(capsys: pytest.CaptureFixture[str]) -> None:
    shown = []
    for arguments in (["--bench", "synthetic", "--setting", "dg"], ["--bench", "synthetic-dg"]):
        with pytest.raises(SystemExit):
            main(["show", *arguments])
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]
    assert "setting='dg'" in shown[0]
    with pytest.raises(SystemExit) as stop:
        main(["show", "--bench", "synthetic-dg", "--setting", "da"])
    assert stop.value.code == 2
    assert "already states the setting dg" in capsys.readouterr().err
