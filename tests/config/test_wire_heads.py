"""Wiring of heads: the maps that they read, the lengths that they need, and what they do not work with."""

from __future__ import annotations

from typing import Any

import pytest

from rs_adapt.config import compose, resolve_cell
from rs_adapt.config.resolved import ResolvedConfig
from rs_adapt.config.segmentor import segmentor_config
from rs_adapt.errors import ConfigError, IncompatibleCell


def composed(bench: str, *overrides: str, **names: Any) -> ResolvedConfig:
    return compose(resolve_cell(bench, **names), overrides=overrides)


def segmentor(cfg: ResolvedConfig) -> Any:
    return segmentor_config(cfg)


@pytest.mark.parametrize("head", ["linear_bn", "dpt", "segmenter", "pmt"])
def test_heads_on_tokens_get_the_same_blocks_on_the_token_grid(head: str) -> None:
    model, pyramid = segmentor(composed("loveda-dg", head=head)), segmentor(composed("loveda-dg", head="linear"))
    assert list(model.backbone.out_layers) == list(pyramid.backbone.out_layers) == [7, 11, 15, 23]
    assert list(model.backbone.level_scales) == [1.0] * 4
    assert list(pyramid.backbone.level_scales) == [4.0, 2.0, 1.0, 0.5]
    assert list(model.decode_head.in_channels) == [1024] * 4


def test_eomt_gets_the_last_blocks_of_any_depth() -> None:
    for backbone, depth in (("dinov2_l", 24), ("dinov2_s", 12)):
        model = segmentor(composed("loveda-dg", head="eomt", method="full", backbone=backbone))
        assert list(model.backbone.out_layers) == [depth - 5]
        assert list(model.decode_head.in_channels) == [model.backbone.embed_dim]
    other = segmentor(composed("loveda-dg", "model.decode_head.joint_blocks=2", head="eomt", method="full"))
    assert list(other.backbone.out_layers) == [21]


@pytest.mark.parametrize("count", ["0", "24", "-1"])
def test_eomt_leaves_the_vit_a_block(count: str) -> None:
    with pytest.raises(ConfigError, match=r"joint_blocks is .*; with the 24 blocks of dinov2_l it must be a whole num"):
        composed("loveda-dg", f"model.decode_head.joint_blocks={count}", head="eomt", method="full")


def test_queries_have_no_place_in_windows() -> None:
    with pytest.raises(IncompatibleCell, match="its queries join the tokens, and the backbone has windowed attention"):
        composed("loveda-dg", head="eomt", method="full", backbone="sam_b")


@pytest.mark.parametrize("head", ["pmt", "eomt"])
def test_heads_that_change_in_training_get_its_length(head: str) -> None:
    cfg = composed("loveda-dg", "bench.schedule.iters=120", head=head)
    assert segmentor(cfg).decode_head.total_iters == 120


@pytest.mark.parametrize("head", ["pmt", "eomt", "segmenter"])
def test_rein_links_its_tokens_to_mask2former_alone(head: str) -> None:
    with pytest.raises(IncompatibleCell, match="rein does not work with head"):
        composed("loveda-dg", head=head, method="rein")


@pytest.mark.parametrize("head", ["segmenter", "eomt"])
def test_heads_that_read_tokens_have_none_in_a_pyramid(head: str) -> None:
    with pytest.raises(IncompatibleCell, match="reads the tokens of a ViT's blocks, and this backbone is a pyramid"):
        composed("loveda-dg", head=head, method="full", backbone="mit_b0")


def test_what_the_head_runs_itself_cannot_be_rebuilt() -> None:
    with pytest.raises(IncompatibleCell, match=r"Allowed: --set strategy\.rebuild_weight=0\.0, or a different head"):
        composed("loveda-da", head="eomt", method="full", strategy="mrm")


def test_maps_of_several_widths_cannot_be_rebuilt() -> None:
    with pytest.raises(IncompatibleCell, match="rebuilds feature maps of one width, but those of backbone mit_b0 diff"):
        composed("loveda-da", method="full", backbone="mit_b0", strategy="mrm")
    cfg = composed("loveda-da", "strategy.rebuild_weight=0.0", method="full", backbone="mit_b0", strategy="mrm")
    assert segmentor(cfg).backbone.widths == [32, 64, 160, 256]
