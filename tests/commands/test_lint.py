"""`rs-adapt lint` on the command line: what is printed, and the exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rs_adapt.audit.lint.check import RULES
from rs_adapt.audit.lint.foreign_check import FOREIGN_RULES
from rs_adapt.commands import main


@pytest.fixture
def run_lint(capsys: pytest.CaptureFixture[str]) -> Any:
    """Return a function that lints, and gives the exit code, stdout and stderr."""

    def run(*arguments: str) -> tuple[Any, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(["lint", *arguments])
        shown = capsys.readouterr()
        return stop.value.code or 0, shown.out, shown.err

    return run


def test_a_clean_cell_gives_0(run_lint: Any) -> None:
    code, out, err = run_lint("--bench", "loveda-da", "--no-data")
    assert (code, err) == (0, "")
    assert out.startswith("loveda-r2u-da / earth-adapter")
    assert out.endswith("clean, 3 notes\n")


def test_errors_give_1_and_name_file_key_and_consequence(run_lint: Any) -> None:
    code, out, _ = run_lint("--bench", "loveda-da", "--protocol", "paper", "--no-data")
    assert code == 1
    assert "error: target-labels-in-training\n  configs/protocol/paper.py: protocol.target_crops\n" in out
    assert out.endswith("3 errors, 2 notes\n")
    assert max(len(line) for line in out.splitlines()[1:]) <= 80


def test_warnings_give_0(run_lint: Any) -> None:
    code, out, _ = run_lint("--bench", "loveda-da", "--no-data", "--iters", "10", "--set", "optim.lr=1e-3")
    assert code == 0
    assert out.endswith("2 warnings, 3 notes\n")
    assert "  --set bench.schedule.iters=10: bench.schedule.iters\n" in out


def test_json_has_every_finding(run_lint: Any) -> None:
    code, out, _ = run_lint("--bench", "isprs-dg", "--direction", "v2p", "--protocol", "paper", "--no-data", "--json")
    content = json.loads(out)
    assert (code, content["clean"], content["error"]) == (1, False, 2)
    assert set(content["findings"][0]) == {
        *("level", "rule", "file", "line", "key", "found", "consequence", "remedy"),
    }


def test_tiles_are_read(run_lint: Any, loveda_root: Path) -> None:
    code, out, err = run_lint("--bench", "loveda-dg", "--data-root", str(loveda_root))
    assert code == 0
    assert err == "verifying tiles: 8\n"
    assert "data-not-checked" not in out


def test_rules_are_listed(run_lint: Any) -> None:
    code, out, _ = run_lint("--rules")
    assert code == 0
    for rule in (*RULES, *FOREIGN_RULES):
        assert f"{rule.id}\n" in out
        assert rule.text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "neither is given"),
        (("x", "--bench", "loveda-da"), "both are given"),
        (("x", "--protocol", "paper"), "--protocol describes a cell"),
        (("nowhere",), "does not exist"),
        (("--bench", "loveda-da", "--set", "optim.rl=1"), "optim.lr"),
        (("--bench", "loveda-da", "--protocol", "stric"), "strict"),
    ],
)
def test_wrong_input_gives_2(run_lint: Any, arguments: tuple[str, ...], said: str) -> None:
    code, out, err = run_lint(*arguments)
    assert (code, out) == (2, "")
    assert said in err


@pytest.mark.slow
def test_a_trained_run_belongs_together(train: Any, run_lint: Any, tmp_path: Path, loveda_root: Path) -> None:
    assert train("--weights", "random")[0] == 0
    code, out, _ = run_lint(str(tmp_path / "run"), "--no-data")
    assert code == 0
    assert "config-was-edited" not in out
    assert "result-differs" not in out


FOREIGN = """\
load = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
train_dataloader = dict(dataset=dict(type='Pairs', source=dict(type='S', data_root='data/a/train', pipeline=load),
                                     target=dict(type='S', data_root='data/b/train', pipeline=load[:1])))
val_dataloader = dict(dataset=dict(type='S', data_root='data/b/val', pipeline=load))
test_dataloader = dict(dataset=dict(type='S', data_root='data/b/test', pipeline=load))
"""


def test_a_configuration_of_another_program_is_read(run_lint: Any, tmp_path: Path) -> None:
    path = tmp_path / "theirs.py"
    path.write_text(FOREIGN)
    code, out, err = run_lint(str(path))
    assert (code, err) == (0, "")
    assert "taken for adaptation" in out
    assert out.endswith("clean, 1 note\n")
    path.write_text(FOREIGN.replace("load[:1]", "load + [dict(type='RandomCrop', cat_max_ratio=0.75)]"))
    code, out, _ = run_lint(str(path))
    assert code == 1
    assert f"error: target-labels-in-training\n  {path}:3: train_dataloader.dataset.target.pipeline.2.cat_max" in out
    (content,) = [one for one in json.loads(run_lint(str(path), "--json")[1])["findings"] if one["level"] == "error"]
    assert (content["file"], content["line"]) == (str(path), 3)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"import os\nx = os.system('touch hacked')\n", "line 2: `x = os.system"),
        (b"_base_ = 'theirs.py'\n", "is a base of itself"),
        (b"_base_ = ['gone.py']\n", "the base gone.py is not here"),
        (b"x = (\n", "is cut off or not Python"),
        (b"x = '\xff'\n", "is not text in UTF-8"),
        (b"", "states no data set"),
    ],
)
def test_a_configuration_that_is_not_read_is_one_sentence(
    run_lint: Any, tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "theirs.py"
    path.write_bytes(content)
    code, out, err = run_lint(str(path))
    assert (code, out) == (2, "")
    assert said in err.replace("\n", " ")
    assert "Traceback" not in err
    assert [one.name for one in tmp_path.iterdir()] == ["theirs.py"]
