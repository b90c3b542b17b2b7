"""Sizes that no machine can hold are refused before anything is built, and every shipped cell is far from them."""

from __future__ import annotations

import pytest

from rs_adapt.config import axes
from rs_adapt.config.cell import resolve
from rs_adapt.config.compose import compose
from rs_adapt.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model.backbone.depth=1000000", "model.backbone.depth is 1000000; it must be 256 or smaller"),
        ("backbone.embed_dim=10000000", "backbone.embed_dim is 10000000; it must be 16384 or smaller"),
        ("bench.tile_px=1000000", "bench.tile_px is 1000000; it must be 16384 or smaller"),
        ("bench.inference.crop_px=100000", "bench.inference.crop_px is 100000"),
        ("bench.schedule.batch_size.da=100000", "bench.schedule.batch_size.da is 100000; it must be 4096"),
        ("runtime.num_workers=100000", "runtime.num_workers is 100000; it must be 256"),
        ("model.backbone.adapter.rank=2000000000", "rank is 2000000000; it must be 1000000"),
        ("bench.prepare.size_px=16000", "bench.prepare asks for 15 scenes a region of 16000 x 16000 px"),
        ("bench.prepare.scenes.train=1000000", "bench.prepare asks for 1000007 scenes"),
        ("bench.prepare.stride_px=1", "bench.prepare.stride_px is 1, which gives no tiles or too many"),
        ("bench.prepare.stride_px=0", "bench.prepare.stride_px is 0"),
        ("model.data_preprocessor.size=(99999, 99999)", "size is 99999; it must be 16384"),
    ],
)
def test_sizes_have_bounds(text: str, message: str) -> None:
    cell = resolve("synthetic-da")
    with pytest.raises(ConfigError, match=message):
        compose(cell, overrides=[text.replace("model.data", "model.segmentor.data")])


@pytest.mark.parametrize("backbone", axes.values_for("backbone", "synthetic"))
def test_published_models_are_within_them(backbone: str) -> None:
    compose(resolve("loveda-dg", backbone=backbone, method="frozen", head="linear"))


def test_brackets_nested_too_deep_are_a_text() -> None:
    with pytest.raises(ConfigError, match="expected a number"):
        compose(resolve("synthetic-da"), overrides=[f"optim.lr={'[' * 100000}"])


def test_an_index_is_written_in_plain_digits() -> None:
    with pytest.raises(ConfigError, match="there is no such key"):
        compose(resolve("synthetic-da"), overrides=["bench.classes.²=x"])
