"""`rs-adapt train` with the strategies of source training that is to generalize."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Train = Callable[..., tuple[Any, str, str]]


@pytest.mark.parametrize("strategy", ["source-randconv", "source-mixstyle"])
def test_a_run_trains_without_the_target(train: Train, tmp_path: Path, strategy: str) -> None:
    code, out, errors = train("--strategy", strategy, bench="loveda-dg")
    assert code == 0, errors
    assert f"loveda-r2u-dg / earth-adapter / dinov2-nano / linear / {strategy} / seed 0" in out.splitlines()
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["cell"]["strategy"] == strategy.replace("-", "_")
    assert result["protocol"]["unlabelled_split"] is None
    assert result["miou_pct"] > 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--batch-size", "1"), "the batch has one. Use --batch-size 2 or more"),
        (("--set", "strategy.mixstyle_layers=last 9"), "strategy.mixstyle_layers is 'last 9'"),
        (("--set", "strategy.mixstyle_prob=2"), "strategy.mixstyle_prob is 2"),
        (("--set", "strategy.mixstyle_beta=0"), "strategy.mixstyle_beta is 0"),
    ],
)
def test_what_mixstyle_cannot_do_is_refused_before_the_run(
    train: Train, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    code, _, errors = train("--strategy", "source-mixstyle", *arguments, bench="loveda-dg")
    assert code == 2
    assert words in errors
    assert not (tmp_path / "run").exists()
