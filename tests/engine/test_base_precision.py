"""`runtime.base_precision`: what it cannot be used with is refused; a run has the numbers of one in bf16, and its base.

`tests/adapters/test_stored_base.py` compares features and gradients of every method.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.hooks import Hook

import rs_adapt as rsa
from rs_adapt.api.configuration import compose
from rs_adapt.audit.lint.changes import moves_scores
from rs_adapt.commands import main
from rs_adapt.config.resolved import ResolvedConfig
from rs_adapt.config.sameness import changed_settings, result_settings
from rs_adapt.engine.parameters import build_on_meta
from rs_adapt.engine.recomputing import store_base
from rs_adapt.engine.recorder import Interrupted
from rs_adapt.engine.train import train
from rs_adapt.errors import IncompatibleCell
from tests.engine.equal_runs import check_equal_runs
from tests.engine.test_train import SignalAt

KEY = "runtime.base_precision=bf16"
BF16 = "runtime.precision=bf16"


def _compose(*overrides: str, bench: str = "synthetic-da", **options: str) -> ResolvedConfig:
    return compose(bench, overrides=overrides, work_dir="work_dirs/none", **options)


def _fail(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    assert stop.value.code == 2
    return " ".join(capsys.readouterr().err.split())


def test_other_values_and_another_precision_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    command = ("train", "--bench", "synthetic-da", "--work-dir", str(folder), "--set")
    told = _fail(capsys, *command, "runtime.base_precision=fp16", "--precision", "bf16")
    assert "runtime.base_precision is 'fp16'. Allowed: fp32 or bf16." in told
    told = _fail(capsys, *command, KEY)
    assert "the precision of the forward pass, and that is fp32. Add --precision bf16, or leave it out." in told
    assert not folder.exists()


@pytest.mark.parametrize("bench", ["synthetic-b2n", "synthetic-compose-dg", "flow-sr"])
def test_other_tasks_are_refused(bench: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = _fail(capsys, "show", "--bench", bench, "--precision", "bf16", "--set", KEY)
    assert "runtime.base_precision=bf16 is made for segmentation, and the task of this bench is" in told


@pytest.mark.parametrize(
    ("axes", "reason"),
    [
        ({"method": "full"}, "method full trains all of it, which needs fp32"),
        ({"backbone": "convnext-nano", "method": "full", "weights": "random"}, "and convnext_nano is none"),
        ({"method": "peft:eva"}, "method peft:eva starts from images"),
    ],
)
def test_bases_that_need_fp32_are_refused_before_there_is_a_folder(
    axes: dict[str, str], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cfg = _compose(KEY, BF16, **axes)
    with pytest.raises(IncompatibleCell, match=reason):
        store_base(cfg, build_on_meta(cfg))
    if "backbone" not in axes:
        folder = tmp_path / "run"
        texts = ("--bench", "synthetic-da", "--precision", "bf16", "--set", KEY, "--work-dir", str(folder))
        assert reason in _fail(capsys, "train", *texts, "--method", axes["method"])
        assert not folder.exists()


def test_an_interrupted_run_may_go_on_with_it() -> None:
    fp32, bf16 = (result_settings(_compose(BF16, *more).pretty_text, file="") for more in ((), (KEY,)))
    assert changed_settings(fp32, bf16) == []
    assert not moves_scores("runtime.base_precision")
    # The classes that a metric calls base are no precision.
    assert any(key.endswith(".base") for key in result_settings(_compose(bench="synthetic-b2n").pretty_text, file=""))


class LooksAtBase(Hook):  # type: ignore[misc]
    """Notes the types of the backbone's own tensors in training and in validation."""

    def __init__(self) -> None:
        self.kinds: dict[str, set[torch.dtype]] = {}

    def _note(self, when: str, model: Any) -> None:
        backbone = getattr(model, "segmentor", model).backbone
        matrices = (p for name, p in backbone.base_parameters().items() if ".fc" in name)
        self.kinds.setdefault(when, set()).update(p.dtype for p in matrices)

    def after_train_iter(self, runner: Any, *_: Any, **__: Any) -> None:
        self._note("train", runner.model)

    def after_val_iter(self, runner: Any, *_: Any, **__: Any) -> None:
        self._note("val", runner.model)


def _check_equal(found: Path, expected: Path) -> None:
    check_equal_runs(found, expected, lines=8)
    bases = [json.loads((run / "manifest.json").read_text())["base"] for run in (found, expected)]
    assert bases[0] == bases[1]


def _evaluate(run: Path, *, precision: str | None) -> float | None:
    scored = rsa.evaluate(run, precision=precision, device="cpu", progress=False)
    return scored.result.miou_pct


# Layers that call the frozen one, layers that read its weight, a start within the weight, differences of vectors.
@pytest.mark.parametrize(
    ("setting", "method"),
    [
        ("da", "lora"),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (("dg", "sam_parser"), ("dg", "peft:pissa"), ("da", "soma"), ("dg", "recycle_lora"))
        ),
        *(pytest.param("da", name, marks=pytest.mark.slow) for name in ("earth_adapter", "norm", "bitfit", "dcpl")),
    ],
)
def test_a_run_equals_one_with_a_base_in_fp32(
    tiny_cell: Callable[..., ResolvedConfig], tmp_path: Path, setting: str, method: str
) -> None:
    low = (BF16, KEY, "runtime.memory=low")
    more = ("protocol.weights=teacher",) if setting == "da" else ()
    train(tiny_cell(setting, run="fp32", method=method, overrides=(BF16, *more)), device="cpu")
    looks = LooksAtBase()
    cfg = tiny_cell(setting, run="bf16", method=method, overrides=(*low, *more))
    train(cfg, device="cpu", hooks=[looks])
    _check_equal(tmp_path / "bf16", tmp_path / "fp32")
    if method == "lora":
        assert looks.kinds == {"train": {torch.bfloat16}, "val": {torch.bfloat16}}

        # Begun in fp32, and resumed with a base in bf16.
        begun = tiny_cell(setting, run="parts", method=method, overrides=(BF16, *more))
        with pytest.raises(Interrupted):
            train(begun, device="cpu", hooks=[SignalAt(3)])
        train(tiny_cell(setting, run="parts", method=method, overrides=(*low, *more)), device="cpu", resume=True)
        _check_equal(tmp_path / "parts", tmp_path / "fp32")

        # The pack is scored on a base in fp32, in either precision.
        own, other = (_evaluate(tmp_path / "bf16", precision=precision) for precision in (None, "fp32"))
        assert own == json.loads((tmp_path / "bf16" / "result.json").read_text())["miou_pct"]
        assert None not in (own, other)
