"""`runtime.memory`: numbers of self-training stay the same, and what it cannot be used with is refused."""

from __future__ import annotations

import copy
from collections import Counter
from pathlib import Path

import pytest
import torch
from torch import nn

from rs_adapt.api.configuration import compose
from rs_adapt.backbones.cast_once import CastOnce
from rs_adapt.commands import main
from rs_adapt.config.resolved import ResolvedConfig
from rs_adapt.config.sameness import changed_settings, result_settings
from rs_adapt.engine.parameters import build_on_meta
from rs_adapt.engine.recomputing import cast_weights_once, gather_attention, recompute_blocks
from rs_adapt.errors import IncompatibleCell
from rs_adapt.heads import Mask2FormerHead
from rs_adapt.heads.deformable import DeformableAttention
from rs_adapt.heads.recomputed import RecomputedLayer


def _compose(*overrides: str, **options: str) -> ResolvedConfig:
    return compose("synthetic-da", overrides=overrides, work_dir="work_dirs/none", **options)


def test_the_key_reaches_the_backbone_and_the_head() -> None:
    for value, recomputes in (("normal", False), ("low", True)):
        cfg = _compose(f"runtime.memory={value}", head="mask2former")
        model = build_on_meta(cfg)
        recompute_blocks(cfg, model)
        assert model.segmentor.backbone.recomputes is recomputes
        layers = [layer for layer in model.modules() if isinstance(layer, RecomputedLayer)]
        assert len(layers) == 15
        assert {layer.recomputes for layer in layers} == {recomputes}


def test_the_attention_of_mask2former_gathers_where_it_is_set() -> None:
    for value in (False, True):
        cfg = _compose(f"runtime.deformable_gather={value}", head="mask2former")
        model = build_on_meta(cfg)
        gather_attention(cfg, model)
        layers = [layer for layer in model.modules() if isinstance(layer, DeformableAttention)]
        assert len(layers) == 6
        assert {layer.gathers for layer in layers} == {value}
    linear = _compose("runtime.deformable_gather=True", head="linear")
    with pytest.raises(IncompatibleCell, match="deformable attention of mask2former, and the head linear has none"):
        gather_attention(linear, build_on_meta(linear))


def test_layers_of_mask2former_are_computed_again_with_equal_numbers() -> None:
    torch.manual_seed(0)
    plain = Mask2FormerHead(
        in_channels=[8, 8, 8, 8], num_classes=3, channels=32, num_queries=5, encoder_layers=2, decoder_layers=3,
        num_heads=4, encoder_ffn=64, decoder_ffn=64,
    )  # fmt: skip
    low = copy.deepcopy(plain)
    calls = Counter[nn.Module]()
    for layer in low.modules():
        if isinstance(layer, RecomputedLayer):
            layer.recomputes = True
            layer.register_forward_hook(lambda module, *_: calls.update([module]))
            inner = layer.fc1
            inner.register_forward_hook(lambda module, *_: calls.update([module]))
    maps = [torch.randn(2, 8, side, side) for side in (16, 8, 4, 2)]

    def gradients(head: Mask2FormerHead) -> list[torch.Tensor]:
        given = [level.clone().requires_grad_() for level in maps]
        classes, masks = head(given)
        sum((each**2).sum() for each in (*classes, *masks)).backward()
        return [tensor.grad for tensor in (*given, *head.parameters()) if tensor.grad is not None]

    expected, found = gradients(plain), gradients(low)
    assert len(expected) > 50
    for one, other in zip(expected, found, strict=True):
        assert torch.equal(one, other)
    # Two layers of pixels and three of queries ran once each, and what is within them twice.
    assert sorted(calls.values()) == [1] * 5 + [2] * 5


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
