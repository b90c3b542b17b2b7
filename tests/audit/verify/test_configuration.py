"""Configurations key by key: the difference from which most follows comes first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rs_adapt.audit.verify.keys import Weight
from rs_adapt.audit.verify.mmengine_log import read_log
from rs_adapt.audit.verify.run_record import read_reference, read_run
from rs_adapt.audit.verify.verification import Verification, verify_against_log

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Write = Callable[..., Path]


def of_log(run: Path, log: Path) -> Verification:
    return verify_against_log(read_run(run), read_log(log))


# What a log says, what it is changed to, and the key of ours that has to be named first.
CHANGES = [
    (
        "data_root='rural',",
        "metainfo=dict(classes=('background', 'road', 'building', 'water', 'barren', 'forest', 'agricultural')),",
        "bench.classes",
    ),
    ("num_classes=7", "num_classes=6", "model.decode_head.num_classes"),
    (
        "            dict(reduce_zero_label=True, type='LoadAnnotations'),\n            dict(keep_ratio=True, ratio",
        "            dict(reduce_zero_label=False, type='LoadAnnotations'),\n            dict(keep_ratio=True, ratio",
        "bench.reduce_zero_label",
    ),
    ("mode='slide'", "mode='whole'", "bench.inference.mode"),
    (
        "keep_ratio=True, scale=(512, 512), type='Resize'",
        "scale=(1024, 1024), type='Resize'",
        "bench.inference.resize_px",
    ),
    ("embed_dim=1024", "embed_dim=768", "backbone.embed_dim"),
    ("max_iters=20000", "max_iters=40000", "bench.schedule.iters"),
    ("    batch_size=4", "    batch_size=8", "train_dataloader.batch_size"),
    ("type='AdamW'", "type='SGD'", "optim_wrapper.optimizer.type"),
    ("lr=0.0001", "lr=6e-05", "optim.lr"),
    ("query_embed=dict(decay_mult=0.0)", "decode_head=dict(lr_mult=10.0)", "method.paramwise.lr_mult"),
    ("weight_decay=0.05", "weight_decay=0.01", "optim.weight_decay"),
    ("betas=(0.9, 0.999)", "betas=(0.9, 0.99)", "optim_wrapper.optimizer.betas"),
    ("power=0.9", "power=1.0", "optim.poly_power"),
    ("eta_min=0,", "eta_min=1e-06,", "param_scheduler.eta_min"),
    ("end=20000", "end=40000", "param_scheduler.end"),
    ("type='PolyLR')]", "type='PolyLR'), dict(type='LinearLR', begin=0, end=1500)]", "strategy.lr_warmup_iters"),
    ("dim=64", "dim=16", "model.backbone.adapter.rank"),
    ("fft_layer=[0, 1, 2, 3, 4, 5]", "fft_layer=[21, 22, 23]", "model.backbone.adapter.frequency_layers"),
    ("cutoff=0.3", "cutoff=0.2", "model.backbone.adapter.cutoff"),
    ("            dict(cat_max_ratio=0.75", "            dict(cat_max_ratio=1.0", "bench.pipeline.cat_max_ratio"),
    (
        "ratio_range=(0.5, 2.0), scale=(512, 512), type='RandomResize'),\n            dict(cat",
        "ratio_range=(0.8, 1.2), scale=(512, 512), type='RandomResize'),\n            dict(cat",
        "bench.pipeline.resize_ratio",
    ),
    (
        "dict(type='PhotoMetricDistortion'),\n            dict(type='PackSegInputs'),\n        ]),\n    num",
        "dict(type='PackSegInputs'),\n        ]),\n    num",
        "bench.pipeline.photometric",
    ),
    ("num_queries=100", "num_queries=150", "model.decode_head.num_queries"),
    ("val_interval=2000", "val_interval=4000", "bench.schedule.eval_every"),
    ("type='OptimWrapper'", "type='AmpOptimWrapper'", "runtime.precision"),
    ("randomness = dict(seed=0)", "randomness = dict(seed=1)", "randomness.seed"),
]


@pytest.mark.parametrize(("old", "new", "key"), CHANGES, ids=[key for _, _, key in CHANGES])
def test_a_log_with_one_changed_key_names_that_key_first(
    write_run: Write, write_log: Write, log_config: str, old: str, new: str, key: str
) -> None:
    # The last place is that of the loaders; variables above them are copies.
    before, _, after = log_config.rpartition(old)
    assert after
    found = of_log(write_run(), write_log(config=before + new + after))
    assert found.configuration is not None
    assert found.configuration.first is not None
    assert found.configuration.first.key == key
    assert f"first difference: {key} is " in found.verdict
    without_bearing = {"bench.inference.mode": Weight.NO_EFFECT, "randomness.seed": Weight.REPLICATE}
    assert found.configuration.first.weight is without_bearing.get(key, Weight.MATTERS)
    assert found.consistent == (key in without_bearing)


def test_of_two_changed_keys_the_one_with_more_consequence_is_first(write_run: Write, write_log: Write) -> None:
    found = of_log(write_run(), write_log(("lr=0.0001", "lr=6e-05"), ("num_classes=7", "num_classes=6")))
    assert found.configuration is not None
    assert [one.key for one in found.configuration.differences][:2] == ["model.decode_head.num_classes", "optim.lr"]


def test_inference_matters_where_tiles_are_larger_than_the_window(write_run: Write, write_log: Write) -> None:
    large = ["bench.tile_px=1024"]
    log = write_log(("mode='slide'", "mode='whole'"), ("(512, 512), type='Resize'", "(1024, 1024), type='Resize'"))
    found = of_log(write_run(overrides=large), log)
    assert found.configuration is not None
    first = found.configuration.first
    assert first is not None
    assert (first.key, first.here, first.there, first.weight) == (
        *("bench.inference.mode", "slide", "whole"),
        Weight.MATTERS,
    )
    assert not found.consistent


def test_keys_that_one_side_lacks_are_not_differences(write_run: Write, write_log: Write) -> None:
    log = write_log(
        (
            "    optimizer=dict(betas=(0.9, 0.999), eps=1e-08,",
            "    clip_grad=dict(max_norm=0.01),\n    optimizer=dict(",
        ),
    )
    found = of_log(write_run(), log)
    check = found.configuration
    assert check is not None
    assert "optim_wrapper.clip_grad" in check.only_there
    assert "optim_wrapper.optimizer.betas" in check.only_here
    assert found.consistent


def test_two_runs_of_ours_are_compared_in_all_keys(write_run: Write) -> None:
    run = write_run("loveda-da")
    same = verify_against_log(read_run(run), read_reference(write_run("loveda-da", name="same", seed=1)))
    assert same.consistent
    assert same.configuration is not None
    assert [one.key for one in same.configuration.differences] == ["randomness.seed"]
    assert not same.configuration.not_compared
    other = write_run("loveda-da", name="other", overrides=["strategy.jitter=0.3", "bench.tile_px=640"])
    found = verify_against_log(read_run(run), read_reference(other)).configuration
    assert found is not None
    assert [one.key for one in found.differences if one.weight is Weight.MATTERS] == [
        "bench.inference.resize_px",
        "bench.tile_px",
        "model.jitter",
    ]
