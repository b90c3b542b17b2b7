"""Wiring of merged axis files into a flat config for mmengine's Runner: only here do axes refer to each other."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, cast

from rs_adapt.config import wire_data, wire_ground, wire_model, wire_open, wire_protocol, wire_regions, words
from rs_adapt.config.added_keys import absent_classes_in, absent_classes_of
from rs_adapt.config.class_names import check_class_names
from rs_adapt.config.execution import (
    RUNTIME_DEFAULTS,
    check_base_precision,
    check_compiling,
    check_memory,
    check_precision,
    check_sharding,
)
from rs_adapt.config.tree import copy_tree
from rs_adapt.errors import ConfigError

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from rs_adapt.config.cell import Cell
    from rs_adapt.config.facts import ConfigNode, MergedTree, OptimFacts, StrategyFacts


def wire(
    tree: MergedTree,
    cell: Cell,
    *,
    data_root: Path,
    work_dir: Path,
    weights: str | os.PathLike[str] | None,
) -> ConfigNode:
    """Return the resolved config; `tree` is not changed.

    Args:
        tree: The merged axis files.
        cell: The cell.
        data_root: The folder of the data sets, absolute.
        work_dir: The run folder, absolute.
        weights: None for the backbone's own file, `random`, or a path.

    Raises:
        ConfigError: A value is out of range or does not fit another axis.
    """
    resolved = copy_tree(tree)
    # Files of your own may be older than the keys.
    resolved["protocol"].setdefault("teacher_view", "plain")
    resolved["protocol"].setdefault("ignored_pixels", "left_out")
    for key, value in RUNTIME_DEFAULTS.items():
        cast("dict[str, object]", resolved["runtime"]).setdefault(key, value)
    _check(resolved)
    wire_data.resolve_distortion(resolved["bench"]["pipeline"])
    wire_protocol.check_protocol(resolved, cell)
    wire_ground.settle_resolve(resolved["bench"], setting=cell.setting)
    wire_open.check_head(resolved, cell)
    if wire_open.is_open(cell):
        resolved["protocol"]["classes"] = wire_open.scored_words(resolved)
    if mode := resolved["protocol"]["inference"]:
        resolved["bench"]["inference"]["mode"] = mode
    bench, runtime, optim = resolved["bench"], resolved["runtime"], resolved["optim"]
    iters = bench["schedule"]["iters"]
    precision = runtime["precision"]
    loaders = wire_data.wire_dataloaders(resolved, cell, data_root=data_root)
    tested = loaders["test_dataloader"] is not None
    metric = {
        "type": "rs_adapt.ConfusionMetric",
        "classes": list(bench["classes"]),
        "ignore_index": bench["ignore_index"],
        "scored": resolved["protocol"]["classes"],
    }
    absent = absent_classes_in(resolved["protocol"])
    if absent == "left_out" == absent_classes_of(cell.protocol):
        # The value of the metric by itself. Version 0.1.0 did not store the key: its configurations stay the same.
        resolved["protocol"].pop("absent_classes", None)
    else:
        metric["absent_classes"] = absent
    return {
        **resolved,
        "cell": dataclasses.asdict(cell),
        "data_root": str(data_root),
        "work_dir": str(work_dir),
        "randomness": {"seed": cell.seed},
        "model": wire_model.wire_model(resolved, cell, weights=weights),
        **loaders,
        # mmengine needs loader, evaluator and loop of an evaluation together, or none of them.
        "val_evaluator": metric,
        "test_evaluator": copy_tree(metric) if tested else None,
        "train_cfg": {
            "type": "IterBasedTrainLoop",
            "max_iters": iters,
            "val_interval": min(bench["schedule"]["eval_every"], iters),
        },
        "val_cfg": {
            "type": "rs_adapt.ValLoop",
            "precision": precision,
            "region": wire_regions.scored_region(bench, resolved["strategy"]),
            "weights": resolved["protocol"]["weights"],
        },
        "test_cfg": {"type": "rs_adapt.TestLoop", "precision": precision} if tested else None,
        "optim_wrapper": {
            "type": "rs_adapt.OptimWrapper",
            "constructor": "rs_adapt.ParamGroups",
            "precision": precision,
            "optimizer": {
                "type": "AdamW",
                "lr": optim["lr"],
                "weight_decay": optim["weight_decay"],
                "betas": (0.9, 0.999),
                "eps": 1e-8,
                # Version 0.1.0 did not store the key.
                **({"fused": True} if runtime["fused_adamw"] else {}),
            },
            "paramwise_cfg": _paramwise(resolved),
        },
        "param_scheduler": [*_schedule(optim, resolved["strategy"], iters), *_decay_schedule(resolved, iters)],
    }


def _paramwise(tree: MergedTree) -> ConfigNode:
    """Return the method's factors of rates and decays, with the strategy's factor on that of the backbone."""
    factors: ConfigNode = copy_tree(tree["method"].get("paramwise") or {"custom_keys": {}})
    if "backbone_lr_mult" in factors and "backbone_lr_mult" in tree["strategy"]:
        # Rounded: 0.1 times 10 is to be 1.
        factors["backbone_lr_mult"] = round(factors["backbone_lr_mult"] * tree["strategy"]["backbone_lr_mult"], 12)
    return factors


def _schedule(optim: OptimFacts, strategy: StrategyFacts, iters: int) -> list[ConfigNode]:
    poly = {"type": "PolyLR", "power": optim["poly_power"], "eta_min": 0.0, "begin": 0, "end": iters, "by_epoch": False}
    warmup = words.resolve_duration(
        strategy.get("lr_warmup_iters", 0), total_iters=iters, key="strategy.lr_warmup_iters"
    )
    if not warmup:
        return [poly]
    # Both multiply the rate, so the warm-up is on top of the decay. mmengine reaches the full rate at `end - 1`.
    return [poly, {"type": "LinearLR", "start_factor": 1e-3, "begin": 0, "end": warmup + 1, "by_epoch": False}]


def _decay_schedule(tree: MergedTree, iters: int) -> list[ConfigNode]:
    """Return the schedule of the weight decay of a method that lets it fall."""
    start, end = tree["optim"]["weight_decay"], tree["method"].get("weight_decay_end")
    if end is None or not start:
        return []
    cosine = {"type": "CosineAnnealingParamScheduler", "param_name": "weight_decay", "begin": 0, "end": iters}
    # As a ratio: tensors without decay stay without.
    return [{**cosine, "eta_min_ratio": end / start, "by_epoch": False}]


def _check(tree: MergedTree) -> None:
    bench, runtime = tree["bench"], tree["runtime"]
    ratio = bench["pipeline"]["resize_ratio"]
    if ratio[0] > ratio[1]:
        raise ConfigError(f"bench.pipeline.resize_ratio is {ratio}; it must be two factors above 0, smallest first.")
    check_precision(runtime["precision"])
    check_base_precision(runtime["base_precision"], runtime["precision"])
    check_memory(runtime["memory"])
    check_sharding(runtime["sharding"])
    check_compiling(runtime["compile"])
    check_class_names(bench["classes"], f"Bench {bench['name']}")
    if len(bench["classes"]) != len(bench["palette"]):
        raise ConfigError(
            f"Bench {bench['name']} has {len(bench['classes'])} classes but {len(bench['palette'])} colours. "
            f"Give one colour per class."
        )
