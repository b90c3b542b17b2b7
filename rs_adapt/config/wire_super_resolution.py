"""Wiring of super-resolution: pairs of coarse and fine images become a config for mmengine's Runner.

The axes keep their meaning: the backbone gives features, the method says which parts they pass (its `adapter`), the
head enlarges. All three are one network here, because none has weights of its own to be frozen or exchanged.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from rs_adapt.config import paths
from rs_adapt.config.execution import check_precision, refuse_segmentation_keys
from rs_adapt.config.tasks import SUPER_RESOLUTION
from rs_adapt.config.tree import copy_tree
from rs_adapt.config.wire_protocol import check_protocol_of_task
from rs_adapt.errors import ConfigError

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from rs_adapt.config.cell import Cell
    from rs_adapt.config.facts import BenchFacts, ConfigNode, MergedTree

SCALES = (2, 4, 8)
DEGRADATIONS = ("box", "spectral")
# Images of a batch in evaluations, which hold no gradients.
_EVALUATED = 16


def wire(
    tree: MergedTree,
    cell: Cell,
    *,
    data_root: Path,
    work_dir: Path,
    weights: str | os.PathLike[str] | None,
) -> ConfigNode:
    """Return the resolved config of a super-resolution cell; `tree` is not changed. See `rs_adapt.config.wire.wire`.

    Raises:
        ConfigError: A value is out of range, does not fit another axis, or names base weights, which there are none of.
    """
    resolved = copy_tree(tree)
    bench, runtime, optim = resolved["bench"], resolved["runtime"], resolved["optim"]
    check_precision(runtime["precision"])
    refuse_segmentation_keys(runtime, SUPER_RESOLUTION)
    check_protocol_of_task(resolved["protocol"], SUPER_RESOLUTION, selections=("last",))
    if weights not in (None, "random"):
        raise ConfigError(f"--weights is {weights}, but networks of super-resolution start from random weights.")
    _check(bench)
    iters, scale = bench["schedule"]["iters"], bench["scale"]
    folder = paths.prepared_dir(bench, data_root)
    pairs = {"folder": str(folder), "scale": scale, "degradation": bench["degradation"]}
    workers: ConfigNode = {"num_workers": runtime["num_workers"], "persistent_workers": runtime["num_workers"] > 0}
    workers |= {"collate_fn": {"type": "default_collate"}}
    evaluation = {"batch_size": _EVALUATED, **workers, "sampler": {"type": "DefaultSampler", "shuffle": False}}
    metric = {"type": "rs_adapt.FlowMetric", "scale": scale}
    return {
        **resolved,
        "cell": dataclasses.asdict(cell),
        "data_root": str(data_root),
        "work_dir": str(work_dir),
        "prepared_dir": str(folder),
        "randomness": {"seed": cell.seed},
        "model": {
            "type": "rs_adapt.FlowSuperResolution",
            "scale": scale,
            **resolved["model"],
            "backbone": {**resolved["model"]["backbone"], "weights": "random"},
        },
        "train_dataloader": {
            "batch_size": bench["schedule"]["batch_size"][cell.setting],
            **workers,
            "sampler": {"type": "rs_adapt.DrawSampler"},
            "dataset": {
                "type": "rs_adapt.FlowStream",
                **pairs,
                "num_snapshots": bench["train_snapshots"],
                "seed": cell.seed,
                # Images of flows are small, and are learnt whole.
                **({"crop_px": bench["crop_px"]} if is_colour(bench) else {}),
            },
        },
        "val_dataloader": {**evaluation, "dataset": {"type": "rs_adapt.FlowSplit", **pairs, "split": "val"}},
        "test_dataloader": {**evaluation, "dataset": {"type": "rs_adapt.FlowSplit", **pairs, "split": "test"}},
        "val_evaluator": metric,
        "test_evaluator": copy_tree(metric),
        "train_cfg": {
            "type": "IterBasedTrainLoop",
            "max_iters": iters,
            "val_interval": min(bench["schedule"]["eval_every"], iters),
        },
        "val_cfg": {"type": "rs_adapt.FlowValLoop", "precision": runtime["precision"]},
        "test_cfg": {"type": "TestLoop"},
        "optim_wrapper": {
            "type": "rs_adapt.OptimWrapper",
            "precision": runtime["precision"],
            "clip_grad": {"max_norm": 1.0},
            "optimizer": {
                "type": "AdamW",
                "lr": optim["lr"],
                "weight_decay": optim["weight_decay"],
                "betas": (0.9, 0.999),
                "eps": 1e-8,
            },
            "paramwise_cfg": {"norm_decay_mult": 0.0, "bias_decay_mult": 0.0},
        },
        "param_scheduler": [
            {
                "type": "PolyLR",
                "power": optim["poly_power"],
                "eta_min": 0.0,
                "begin": 0,
                "end": iters,
                "by_epoch": False,
            },
            {
                "type": "LinearLR",
                "start_factor": 0.02,
                "begin": 0,
                "end": optim.get("warmup_iters", 0) + 1,
                "by_epoch": False,
            },
        ],
    }


def is_colour(bench: BenchFacts) -> bool:
    """Return whether a bench of super-resolution is one of colour images, and not of velocities."""
    return (bench["prepare"] or {}).get("kind") in ("image_files", "region_images")


def _check(bench: BenchFacts) -> None:
    given: tuple[tuple[str, object, tuple[object, ...]], ...] = (
        ("scale", bench["scale"], SCALES),
        ("degradation", bench["degradation"], DEGRADATIONS),
    )
    for key, value, allowed in given:
        if value not in allowed:
            raise ConfigError(f"bench.{key} is {value!r}; allowed are {', '.join(map(str, allowed))}.")
    snapshots = bench["train_snapshots"]
    if snapshots is not None and (isinstance(snapshots, bool) or not isinstance(snapshots, int) or snapshots < 1):
        raise ConfigError(f"bench.train_snapshots is {snapshots!r}; it must be a whole number from 1, or None for all.")
