"""Every number of every configuration has a range, and a value outside it is refused before anything is written."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Iterator
from typing import Any

import pytest

import rs_adapt as rsa
from rs_adapt.config import axes
from rs_adapt.config.cell import resolve
from rs_adapt.config.compose import compose
from rs_adapt.config.phases import check_phases
from rs_adapt.errors import ConfigError, IncompatibleCell
from rs_adapt.strategies.arguments import check_arguments, check_classes

# Numbers that may have any finite value.
ANY_FINITE = ("mean", "scale_init", "d_initial")
# Facts of the backbone that wiring passes on to adapters and heads, and what follows from other keys.
NOT_SET_BY_HAND = ("cell.", "randomness.", "method.tuned", "bench.own", "backbone.weights", "visualizer.")
FACTS = ("embed_dim", "depth", "patch_px", "mlp_dim", "total_iters", "seed", "frequency_layers", "query_dim")
# Of methods of scene classification.
FACTS += ("text_width", "text_depth", "text_dim", "num_trained", "domain_dim")


def _numbers(node: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every number, and every list of numbers, by dotted key."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from _numbers(value, f"{key}{name}.")
    elif isinstance(node, list | tuple) and any(isinstance(entry, dict) for entry in node):
        for number, value in enumerate(node):
            yield from _numbers(value, f"{key}{number}.")
    elif isinstance(node, list | tuple):
        if node and all(type(entry) in (int, float) for entry in node):
            yield key[:-1], node
    elif type(node) in (int, float):
        yield key[:-1], node


def _cells() -> list[dict[str, str]]:
    cells = [{"method": name} for name in axes.values_of_task("method", "segmentation") if name != "rein"]
    cells += [{"strategy": name} for name in axes.values_of_task("strategy", "segmentation")]
    cells += [
        {"head": name, "method": "rein" if name == "mask2former" else "lora"}
        for name in axes.values_of_task("head", "segmentation")
    ]
    small = ("clip_b_16", "dinov2_s_reg", "dinov3_s", "sam_b", "scale_mae_l")
    return cells + [{"backbone": name, "method": "lora"} for name in small]


@functools.cache
def _keys() -> dict[str, tuple[dict[str, str], Any]]:
    """Return one cell that has each numeric key, and the key's value."""
    keys: dict[str, tuple[dict[str, str], Any]] = {}
    for names in _cells():
        try:
            resolved = compose(resolve("synthetic-da", **names))  # type: ignore[arg-type]
        except IncompatibleCell:
            continue
        for key, value in _numbers(resolved.to_dict()):
            last = key.rpartition(".")[2]
            if not key.startswith(NOT_SET_BY_HAND) and last not in FACTS:
                keys.setdefault(key, (names, value))
    return keys


def _outside(key: str, value: Any) -> list[str]:
    last = key.rpartition(".")[2]
    numbers = ["1e400", "-1e400"] if last in ANY_FINITE else ["-1", "1e400"]
    if isinstance(value, list | tuple):
        return [f"({', '.join([number] * len(value))})" for number in numbers]
    return numbers


def test_a_walk_finds_the_numbers() -> None:
    keys = _keys()
    assert len(keys) > 150
    for key in ("optim.lr", "strategy.mix_weight", "train_dataloader.batch_size", "optim_wrapper.optimizer.betas"):
        assert key in keys


def test_numbers_outside_the_model_are_refused_when_the_cell_is_composed() -> None:
    accepted = []
    for position, (key, (names, value)) in enumerate(_keys().items()):
        if key.startswith(("model.", "strategy.")):
            continue
        text = _outside(key, value)[position % 2]
        try:
            compose(resolve("synthetic-da", **names), overrides=[f"{key}={text}"])  # type: ignore[arg-type]
        except ConfigError:
            continue
        accepted.append(f"{key}={text}")
    assert not accepted, " ".join(accepted)


@pytest.mark.slow
def test_every_number_out_of_range_is_refused_before_a_run_begins() -> None:
    from rs_adapt.engine.parameters import build_on_meta

    accepted = []
    for key, (names, value) in _keys().items():
        for text in _outside(key, value):
            try:
                cfg = compose(resolve("synthetic-da", **names), overrides=[f"{key}={text}"])  # type: ignore[arg-type]
                build_on_meta(cfg)
            except ConfigError:
                continue
            accepted.append(f"{key}={text}")
    assert not accepted, " ".join(accepted)


def test_windows_that_skip_pixels_are_refused() -> None:
    with pytest.raises(ConfigError, match="pixels would be skipped"):
        compose(resolve("loveda-da"), overrides=["model.segmentor.test_cfg.stride=(999, 999)"])


def test_every_number_of_an_adapter_has_a_range() -> None:
    from rs_adapt.adapters.contract.adapter import Adapter
    from rs_adapt.registry import MODELS

    MODELS.get("Lora")
    facts = {"embed_dim": 32, "depth": 2, "patch_px": 8, "mlp_dim": 64, "gated_mlp": False, "total_iters": 20}
    facts |= {"text_width": 16, "text_depth": 2, "text_dim": 64, "num_trained": 2, "domain_dim": 6}
    accepted = []
    for cls in MODELS.module_dict.values():
        # Tests of other files register classes of their own.
        if not (isinstance(cls, type) and issubclass(cls, Adapter) and cls.__module__.startswith("rs_adapt.")):
            continue
        parameters = inspect.signature(cls).parameters
        given = {key: value for key, value in facts.items() if key in parameters} | dict(cls.examples()[0])
        for name, parameter in parameters.items():
            if name in FACTS or not {"int", "float"} & set(str(parameter.annotation).split(" | ")):
                continue
            for wrong in (-1, float("nan"), float("inf"), "2", True):
                if wrong == -1 and name in ANY_FINITE:
                    continue
                with contextlib.suppress(ConfigError):
                    cls(**given | {name: wrong})
                    accepted.append(f"{cls.__name__}.{name}={wrong}")
    assert not accepted, " ".join(accepted)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"ema_decay": 2}, "strategy.ema_decay is 2; it must be from 0 to below 1"),
        ({"ema_decay": 1.0}, "strategy.ema_decay is 1.0; it must be from 0 to below 1"),
        ({"mask_ratio": 7}, "strategy.mask_ratio is 7; it must be from 0 to 1"),
        ({"mask_block_share": 0.0}, "strategy.mask_block_share is 0.0; it must be above 0, up to 1"),
        ({"warmup_iters": 1.5}, "strategy.warmup_iters is 1.5; it must be a whole number, 0 or larger"),
        ({"mix_weight": float("nan")}, "strategy.mix_weight is nan; it must be a finite number, 0 or larger"),
        ({"jitter": -0.1}, "strategy.jitter is -0.1; it must be from 0 to 1"),
    ],
)
def test_numbers_of_self_training(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_arguments(**wrong)


def test_classes_of_the_feature_distance_exist() -> None:
    check_classes([0, 5], num_classes=6)
    check_classes(None, num_classes=6)
    for wrong in ([99], [6], [-1], ["road"], [True]):
        with pytest.raises(ConfigError, match="feature_classes is .*from 0 to 5, or None for all"):
            check_classes(wrong, num_classes=6)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optim.lr=1e400", "optim.lr is inf; it must be a finite number, larger than 0"),
        ("train_dataloader.batch_size=-1", "train_dataloader.batch_size is -1; it must be 1 or larger"),
        ("backbone.std=[0, 0, 0]", r"backbone.std is \[0, 0, 0\]; it must be 3 numbers, each larger than 0"),
        ("bench.pipeline.cat_max_ratio=-1.0", "cat_max_ratio is -1.0; it must be above 0, up to 1"),
        ("optim.poly_power=-3.0", "optim.poly_power is -3.0; it must be 0 or larger"),
        ("param_scheduler.0.power=-3.0", "param_scheduler.0.power is -3.0; it must be 0 or larger"),
        ("optim_wrapper.optimizer.betas=('a', 'b')", "betas is .*; it must be 2 numbers, each a finite number, from 0"),
        ("optim_wrapper.optimizer.betas=(0.9,)", "betas is .*; it must be 2 numbers"),
        ("optim_wrapper.optimizer.betas=(0.9, True)", "betas is .*; it must be 2 numbers"),
        ("bench.ignore_index=2", "bench.ignore_index is 2, which is the number of the class"),
        ("model.segmentor.decode_head.num_classes=2", "num_classes is 2, but bench and backbone make it 6"),
        ("param_scheduler.0.begin=400", "param_scheduler.0.begin is 400; it must be below its end, 400"),
        ("method.paramwise.custom_keys.norm.decay_mult=-1.0", "decay_mult is -1.0; it must be 0 or larger"),
        ("bench.palette=[[0, 0, 300]]", r"bench.palette is \[0, 0, 300\]; it must be 3 numbers, each from 0 to 255"),
    ],
)
def test_messages_name_key_value_and_range(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        compose(resolve("synthetic-da"), overrides=[override])


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["strategy.warmup_iters=400"], r"warmup_iters is 400 .*never see the target.*--iters 401"),
        (["strategy.warmup_iters=50", "bench.schedule.iters=20"], "never see the target"),
        (["train_cfg.max_iters=80"], "never see the target"),
        (["strategy.lr_warmup_iters=400"], r"lr_warmup_iters is 400.*never reach its learning rate.*--iters 401"),
    ],
)
def test_a_warm_up_as_long_as_the_run_is_refused(overrides: list[str], message: str) -> None:
    cfg = compose(resolve("synthetic-da"), overrides=overrides)
    with pytest.raises(ConfigError, match=message):
        check_phases(cfg)
    check_phases(rsa.compose("synthetic-da", iters=1))
