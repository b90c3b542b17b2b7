from __future__ import annotations

import pytest

import rs_adapt
from rs_adapt.errors import ConfigError, IncompatibleCell


def test_methods_choose_the_parts_of_the_network() -> None:
    parts = {
        method: rs_adapt.compose("flow-sr", method=method).model.backbone.get("adapter")
        for method in ("fisr", "fisr-no-quaternion", "fisr-no-flow-conv", "swin", "bicubic")
    }
    assert parts == {
        "fisr": {"quaternion": True, "flow_conv": True},
        "fisr-no-quaternion": {"quaternion": False, "flow_conv": True},
        "fisr-no-flow-conv": {"quaternion": True, "flow_conv": False},
        "swin": {"quaternion": False, "flow_conv": False},
        "bicubic": None,
    }


def test_every_loader_has_the_factor_and_the_operator_of_the_bench() -> None:
    cfg = rs_adapt.compose("flow-sr", overrides=["bench.scale=8", "bench.degradation=spectral"], seed=3)
    for split in ("train", "val", "test"):
        dataset = cfg[f"{split}_dataloader"].dataset
        assert (dataset.scale, dataset.degradation, dataset.folder) == (8, "spectral", cfg.prepared_dir)
    assert (cfg.model.scale, cfg.val_evaluator.scale, cfg.train_dataloader.dataset.seed) == (8, 8, 3)


def test_benches_of_one_family_have_folders_of_their_own() -> None:
    forced, decaying = (rs_adapt.compose(bench) for bench in ("flow-sr", "flow-decaying-sr"))
    assert forced.prepared_dir != decaying.prepared_dir
    assert decaying.bench.prepare.power == 0


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("bench.scale=3", "bench.scale is 3; allowed are 2, 4, 8."),
        ("bench.degradation=blur", "bench.degradation is 'blur'; allowed are box, spectral."),
        ("bench.train_snapshots=0", "bench.train_snapshots is 0; it must be a whole number from 1"),
    ],
)
def test_values_out_of_range_are_refused(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        rs_adapt.compose("flow-sr", overrides=[override])


def test_axes_of_other_tasks_and_weights_are_refused() -> None:
    with pytest.raises(IncompatibleCell, match="Method lora is for segmentation, but bench flow has the task"):
        rs_adapt.compose("flow-sr", method="lora")
    with pytest.raises(IncompatibleCell, match="Method fisr is for super-resolution"):
        rs_adapt.compose("synthetic-da", method="fisr")
    with pytest.raises(IncompatibleCell, match="Backbone dinov2-s is for segmentation, but bench flow has the task"):
        rs_adapt.compose("flow-sr", backbone="dinov2-s")
    with pytest.raises(IncompatibleCell, match="Backbone swin-flow is for super-resolution"):
        rs_adapt.compose("synthetic-dg", backbone="swin-flow")
    with pytest.raises(ConfigError, match="networks of super-resolution start from random weights"):
        rs_adapt.compose("flow-sr", weights="some.pth")
