"""Wiring of images with captions: a list to train on, benchmarks to score, and a CLIP become a config for mmengine.

The model is a `CaptionModel` inside a `CaptionAlignment`. An item of a benchmark is a map of one pixel whose class is
the item's kind, so that one item counts once in a confusion matrix; see `CaptionModel` on the class `wrong`.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from rs_adapt.config import paths, wire_clip, wire_model
from rs_adapt.config.class_names import check_class_names
from rs_adapt.config.execution import check_precision, refuse_segmentation_keys
from rs_adapt.config.tasks import CAPTIONS, WRONG
from rs_adapt.config.tree import copy_tree
from rs_adapt.config.wire_protocol import check_protocol_of_task
from rs_adapt.errors import ConfigError

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from rs_adapt.config.cell import Cell
    from rs_adapt.config.facts import BenchFacts, ConfigNode, MergedTree

# Images of a batch in evaluations, which hold no gradients.
_EVALUATED = 64
_GREY = [128, 128, 128]
# Facts of a strategy's file; its other keys are arguments of its class.
_FACTS = ("name", "title", "settings", "task", "needs_target", "type")


def wire(
    tree: MergedTree,
    cell: Cell,
    *,
    data_root: Path,
    work_dir: Path,
    weights: str | os.PathLike[str] | None,
) -> ConfigNode:
    """Return the resolved config of a captions cell; `tree` is not changed. See `rs_adapt.config.wire.wire`.

    Raises:
        ConfigError: A value is out of range, or a kind of the bench cannot be used.
        IncompatibleCell: The backbone is no CLIP.
    """
    resolved = copy_tree(tree)
    bench, runtime, optim = resolved["bench"], resolved["runtime"], resolved["optim"]
    check_precision(runtime["precision"])
    refuse_segmentation_keys(runtime, CAPTIONS)
    check_protocol_of_task(resolved["protocol"], CAPTIONS)
    check_class_names(bench["classes"], f"Bench {bench['name']}")
    if bench["classes"][-1] != WRONG:
        raise ConfigError(f"Bench {bench['name']}: the last class must be {WRONG!r}, for items that are not solved.")
    bench["palette"] = [_GREY] * len(bench["classes"])
    if resolved["protocol"]["classes"] == "all":
        resolved["protocol"]["classes"] = ",".join(f"no-{name}" for name in (*bench["captions"]["beside"], WRONG))
    metric: ConfigNode = {
        "type": "rs_adapt.SceneMetric",
        "classes": list(bench["classes"]),
        "base": None,
        "scored": resolved["protocol"]["classes"],
        "ignore_index": bench["ignore_index"],
    }
    # Both towers have one rate; the factor of `full` is for backbones below a new head.
    factors: ConfigNode = copy_tree(resolved["method"].get("paramwise") or {"custom_keys": {}})
    factors |= {"backbone_lr_mult": 1.0} if "backbone_lr_mult" in factors else {}
    return {
        **resolved,
        "cell": dataclasses.asdict(cell),
        "data_root": str(data_root),
        "work_dir": str(work_dir),
        "randomness": {"seed": cell.seed},
        "model": _strategy(resolved, _model(resolved, weights=weights)),
        **_loaders(resolved, cell, data_root=data_root),
        "val_evaluator": metric,
        "test_evaluator": copy_tree(metric),
        **wire_clip.loops(resolved),
        "optim_wrapper": {
            "type": "rs_adapt.OptimWrapper",
            "constructor": "rs_adapt.ParamGroups",
            "precision": runtime["precision"],
            "optimizer": {
                "type": "AdamW",
                "lr": optim["lr"],
                "weight_decay": optim["weight_decay"],
                "betas": (0.9, 0.98),
                "eps": 1e-6,
            },
            "paramwise_cfg": factors,
        },
        "param_scheduler": wire_clip.schedule(resolved),
    }


def _strategy(tree: MergedTree, segmentor: ConfigNode) -> ConfigNode:
    strategy = tree["strategy"]
    knobs = {key: value for key, value in strategy.items() if key not in _FACTS}
    return {"type": strategy["type"], "segmentor": segmentor, **knobs}


def _loaders(tree: MergedTree, cell: Cell, *, data_root: Path) -> dict[str, ConfigNode | str | None]:
    bench = tree["bench"]
    captions: ConfigNode = bench["captions"]
    root = paths.prepared_dir(bench, data_root) if bench["prepare"] else data_root
    evaluation = wire_clip.evaluation_loader(tree, batch_size=_EVALUATED)

    def choices(part: str) -> ConfigNode:
        return {
            "type": "rs_adapt.ChoiceDataset",
            "name": f"{bench['family']}/{bench['target']['region']}/{part}",
            "img_dir": str(root),
            "ann_dir": None,
            "img_suffix": "",
            "choices": [_absolute(settings, root) for settings in captions[part]],
            "classes": list(bench["classes"]),
            "size_px": bench["crop_px"],
        }

    trained: ConfigNode = {
        "type": "rs_adapt.CaptionDataset",
        "name": f"{bench['family']}/{bench['source']['region']}/train",
        "img_dir": str(root / captions["train_images"]),
        "ann_dir": None,
        "img_suffix": "",
        "source": str(root / captions["train"]),
        "size_px": bench["crop_px"],
        "negatives": captions["negatives"],
        "negative_maker": captions["negative_maker"],
        "lexicon": captions["lexicon"] and str(root / captions["lexicon"]),
        "long_captions": captions["long_captions"],
        "seed": cell.seed,
    }
    return {
        "train_dataloader": wire_clip.stream_loader(tree, setting=cell.setting, seed=cell.seed, labelled=trained),
        "val_dataloader": {**evaluation, "dataset": choices("val")},
        "test_dataloader": {**evaluation, "dataset": choices("test")},
        # Readers of every kind of data set look for it; a list of captions has no items of its own to score.
        "source_val_dataloader": {**evaluation, "dataset": choices("val")},
        "monitor": {},
        "prepared_dir": str(root) if bench["prepare"] else None,
    }


def _absolute(settings: Mapping[str, str | None], root: Path) -> ConfigNode:
    """Return the settings of a benchmark with its paths below a folder, unless they are absolute."""
    return {
        key: str(root / value) if key in ("source", "images") and value else value for key, value in settings.items()
    }


def _model(tree: MergedTree, *, weights: str | os.PathLike[str] | None) -> ConfigNode:
    bench, facts = tree["bench"], tree["backbone"]
    backbone = wire_clip.resolve_backbone(
        tree,
        why="captions are texts. Allowed: a CLIP, such as nano-clip, clip-b-32, remoteclip-b-32 or georsclip-b-32.",
        weights=weights,
    )
    head: ConfigNode = copy_tree(tree["model"]["decode_head"])
    text = wire_clip.text_sizes(head, backbone, facts)
    text_facts = {"embed_dim": text["text_width"], "depth": text["text_depth"], "mlp_dim": 4 * text["text_width"]}
    adapter = backbone["adapter"]
    head["adapter"] = None
    if adapter is not None:
        # The same method in both towers, each with the sizes of its own.
        head["adapter"] = _filled(adapter, {**text_facts, "gated_mlp": False}, bench)
        backbone["adapter"] = _filled(adapter, wire_model.adapter_facts(backbone), bench)
    head |= wire_clip.head_facts(head, backbone, text, num_classes=len(bench["classes"]))
    head["frozen"] = backbone["frozen"]
    return {
        "type": "rs_adapt.CaptionModel",
        "data_preprocessor": wire_clip.preprocessor(facts),
        "backbone": backbone,
        "decode_head": head,
        "train_cfg": {},
        "test_cfg": {"mode": "whole"},
    }


def _filled(adapter: ConfigNode, facts: ConfigNode, bench: BenchFacts) -> ConfigNode:
    facts = {**facts, "total_iters": bench["schedule"]["iters"]}
    return {key: facts.get(key) if value is None else copy_tree(value) for key, value in adapter.items()}
