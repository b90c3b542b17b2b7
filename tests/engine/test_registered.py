"""Overrides that name classes: those that nobody registered are refused before a run begins."""

from __future__ import annotations

import pytest

from rs_adapt.engine.registered import check_registered
from rs_adapt.errors import ConfigError
from rs_adapt.registry import load_libraries


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("optim_wrapper.type=x", "optimizer wrapper"),
        ("optim_wrapper.constructor=x", "optimizer wrapper constructor"),
        ("optim_wrapper.optimizer.type=x", "optimizer"),
        ("param_scheduler.0.type=x", "parameter scheduler"),
        ("custom_hooks.0.type=x", "hook"),
        ("default_hooks.timer.type=[]", "hook"),
        ("val_evaluator.type=x", "metric"),
        ("train_cfg.type=x", "loop"),
        ("train_dataloader.sampler.type=x", "data sampler"),
    ],
)
def test_an_unknown_class_is_named(text: str, kind: str) -> None:
    load_libraries("mmseg")
    with pytest.raises(ConfigError, match=rf"--set {text.split('=')[0]}=.*: there is no {kind} of this name"):
        check_registered(["optim.lr=1", text])


def test_known_classes_and_other_keys_pass() -> None:
    load_libraries("mmseg")
    check_registered(["param_scheduler.0.type=PolyLR", "train_cfg.type=IterBasedTrainLoop", "model.type=x"])
    check_registered(["optim_wrapper.type=rs_adapt.OptimWrapper", "optim_wrapper.optimizer.type=SGD"])
