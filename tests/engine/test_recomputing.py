"""`runtime.memory`: numbers of self-training stay the same, and what it cannot be used with is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from rs_adapt.api.configuration import compose
from rs_adapt.backbones.cast_once import CastOnce
from rs_adapt.commands import main
from rs_adapt.config.resolved import ResolvedConfig
from rs_adapt.config.sameness import changed_settings, result_settings
from rs_adapt.engine.parameters import build_on_meta
from rs_adapt.engine.recomputing import cast_weights_once, recompute_blocks
from rs_adapt.errors import IncompatibleCell


def _compose(*overrides: str, **options: str) -> ResolvedConfig:
    return compose("synthetic-da", overrides=overrides, work_dir="work_dirs/none", **options)


def test_the_key_reaches_the_backbone() -> None:
    for value, recomputes in (("normal", False), ("low", True)):
        cfg = _compose(f"runtime.memory={value}")
        model = build_on_meta(cfg)
        recompute_blocks(cfg, model)
        assert model.segmentor.backbone.recomputes is recomputes


def test_an_interrupted_run_may_go_on_in_less_memory() -> None:
    normal, low = (
        result_settings(_compose(f"runtime.memory={value}").pretty_text, file="") for value in ("normal", "low")
    )
    assert changed_settings(normal, low) == []


def test_other_values_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    with pytest.raises(SystemExit) as stop:
        main(["train", "--bench", "synthetic-da", "--set", "runtime.memory=less", "--work-dir", str(folder)])
    assert stop.value.code == 2
    assert "runtime.memory is 'less'. Allowed: normal or low." in capsys.readouterr().err
    assert not folder.exists()


def test_a_backbone_without_blocks_is_refused() -> None:
    cfg = _compose("runtime.memory=low", backbone="convnext-nano", method="full", weights="random")
    with pytest.raises(IncompatibleCell, match="computes the blocks of a ViT again, and convnext_nano is none"):
        recompute_blocks(cfg, build_on_meta(cfg))


@pytest.mark.parametrize(("precision", "method", "casts"), [("fp32", "lora", False), ("bf16", "lora", True)])
def test_frozen_weights_are_cast_once_in_bf16(precision: str, method: str, casts: bool) -> None:
    cfg = _compose(f"runtime.precision={precision}", method=method)
    model = build_on_meta(cfg)
    cast_weights_once(cfg, model)
    assert any(isinstance(layer, CastOnce) for layer in model.modules()) is casts
    # Nothing of the head, which trains.
    assert not any(isinstance(layer, CastOnce) for layer in model.segmentor.decode_head.modules())
