"""Wiring of scene classification: class names, few labelled images and a CLIP become a config for mmengine's Runner.

The model is a `SceneClassifier`, which has the parts of a segmentor that the engine asks for (`backbone`,
`decode_head`). A label is one number per image, stored as a map of one pixel, so that one image counts once in a
confusion matrix, and everything behind such matrices works as for segmentation.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from rs_adapt.config import axes, paths, wire_clip, wire_model
from rs_adapt.config.class_groups import ClassGroups, class_groups, source_classes
from rs_adapt.config.class_names import check_class_names
from rs_adapt.config.execution import check_precision, refuse_segmentation_keys
from rs_adapt.config.tasks import CLASSIFICATION
from rs_adapt.config.tree import copy_tree
from rs_adapt.config.wire_protocol import check_protocol_of_task
from rs_adapt.errors import ConfigError, IncompatibleCell
from rs_adapt.path_names import path_below

if TYPE_CHECKING:
    import os

    from rs_adapt.config.cell import Cell
    from rs_adapt.config.facts import BenchFacts, ConfigNode, Domain, MergedTree

# Images of a batch in evaluations, which hold no gradients.
_EVALUATED = 32
# Validation images of a class, at most (CoOp's protocol).
_VAL_SHOTS = 4
# Colours of classes only have to differ.
_GOLDEN_DEG = 137.508


def wire(
    tree: MergedTree,
    cell: Cell,
    *,
    data_root: Path,
    work_dir: Path,
    weights: str | os.PathLike[str] | None,
) -> ConfigNode:
    """Return the resolved config of a classification cell; `tree` is not changed. See `rs_adapt.config.wire.wire`.

    Raises:
        ConfigError: A value is out of range or does not fit another axis.
        IncompatibleCell: The backbone is no CLIP, or the method cannot score the classes of the setting.
    """
    resolved = copy_tree(tree)
    bench, runtime, optim = resolved["bench"], resolved["runtime"], resolved["optim"]
    check_precision(runtime["precision"])
    refuse_segmentation_keys(runtime, CLASSIFICATION)
    check_protocol_of_task(resolved["protocol"], CLASSIFICATION)
    if "source_classes" in bench:
        bench["source_classes"] = source_classes(bench)
    groups = class_groups(bench, cell.setting)
    check_class_names(bench["classes"], f"Bench {bench['name']}")
    bench["palette"] = [_colour(index) for index in range(len(bench["classes"]))]
    model = _model(resolved, groups, setting=cell.setting, weights=weights)
    metric: ConfigNode = {
        "type": "rs_adapt.SceneMetric",
        "classes": list(bench["classes"]),
        "base": groups.base_indices(),
    }
    metric["ignore_index"] = bench["ignore_index"]
    return {
        **resolved,
        "cell": dataclasses.asdict(cell),
        "data_root": str(data_root),
        "work_dir": str(work_dir),
        "randomness": {"seed": cell.seed},
        "model": model,
        **_loaders(resolved, cell, groups, data_root=data_root),
        "val_evaluator": metric,
        "test_evaluator": copy_tree(metric),
        **wire_clip.loops(resolved),
        "optim_wrapper": {
            "type": "rs_adapt.OptimWrapper",
            "constructor": "rs_adapt.ParamGroups",
            "precision": runtime["precision"],
            "optimizer": {
                "type": "SGD",
                "lr": optim["lr"],
                "momentum": optim["momentum"],
                "weight_decay": optim["weight_decay"],
            },
            "paramwise_cfg": copy_tree(resolved["method"].get("paramwise") or {"custom_keys": {}}),
        },
        "param_scheduler": wire_clip.schedule(resolved),
    }


def _colour(index: int) -> list[int]:
    import colorsys

    return [
        round(255 * value) for value in colorsys.hsv_to_rgb(index * _GOLDEN_DEG / 360 % 1, 0.65, 0.9 - index % 3 * 0.2)
    ]


def _loaders(
    tree: MergedTree, cell: Cell, groups: ClassGroups, *, data_root: Path
) -> dict[str, ConfigNode | str | None]:
    bench = tree["bench"]
    root = paths.prepared_dir(bench, data_root) if bench["prepare"] else data_root
    evaluation = wire_clip.evaluation_loader(tree, batch_size=_EVALUATED)
    shots = bench["shots"]

    def dataset(domain: Domain, part: str, *, shots: int | None, views: int = 1) -> ConfigNode:
        region: ConfigNode = dict(bench[domain])
        trained = domain == "source"
        return {
            "type": "rs_adapt.SceneDataset",
            "name": f"{bench['family']}/{region['region']}/{part}",
            "img_dir": str(path_below(root, region["images"], what=f"bench.{domain}.images")),
            # Labels are in the list of the split; the key stands for readers of every kind of data set.
            "ann_dir": None,
            "img_suffix": "",
            "split_file": str(path_below(root, region["split"], what=f"bench.{domain}.split")),
            "part": part,
            "classes": list(groups.trained if trained else bench["classes"]),
            "candidates": [0] * len(groups.trained) if trained else list(groups.candidates),
            "other_classes": list(groups.left_out) if trained else [],
            "class_names": region.get("class_names"),
            "size_px": bench["crop_px"],
            "shots": shots,
            "seed": cell.seed,
            "views": views,
            "how_to_get": paths.how_to_get(bench["data"] if isinstance(bench["data"], str) else bench["data"][0]),
        }

    labelled = dataset("source", "train", shots=shots, views=bench["views"])
    val = dataset("target", "val", shots=min(shots, _VAL_SHOTS))
    return {
        "train_dataloader": wire_clip.stream_loader(tree, setting=cell.setting, seed=cell.seed, labelled=labelled),
        "val_dataloader": {**evaluation, "dataset": val},
        "test_dataloader": {**evaluation, "dataset": dataset("target", "test", shots=None)},
        "source_val_dataloader": {**evaluation, "dataset": dataset("source", "val", shots=min(shots, _VAL_SHOTS))},
        "monitor": {},
        "prepared_dir": str(root) if bench["prepare"] else None,
    }


def _model(
    tree: MergedTree, groups: ClassGroups, *, setting: str, weights: str | os.PathLike[str] | None
) -> ConfigNode:
    bench, facts, method = tree["bench"], tree["backbone"], tree["method"]
    if reason := method.get("refused_settings", {}).get(setting):
        raise IncompatibleCell(
            f"Method {method['name'].replace('_', '-')} does not work in the setting {setting}: {reason}. Allowed: a "
            "method that names classes by texts, such as coop or zero-shot."
        )
    backbone = wire_clip.resolve_backbone(
        tree,
        why="scenes are classified by their names. Allowed: a CLIP, such as clip-b-16, remoteclip-b-32 or "
        "georsclip-b-32.",
        weights=weights,
    )
    head: ConfigNode = copy_tree(tree["model"]["decode_head"])
    text = wire_clip.text_sizes(head, backbone, facts)
    adapter = backbone["adapter"]
    domain = None
    if adapter is not None:
        if "domain" in adapter:
            domain = _domain(adapter.pop("domain") or bench["defaults"].get("domain"), bench, weights=weights)
        filled = {
            **wire_model.adapter_facts(backbone),
            "total_iters": bench["schedule"]["iters"],
            "text_width": text["text_width"],
            "text_depth": text["text_depth"],
            "text_dim": text["text_dim"],
            "num_trained": len(groups.trained),
            "domain_dim": None if domain is None else _width(domain),
        }
        for key, value in filled.items():
            if adapter.get(key) not in (None, value):
                other = f"the model of the domain, {domain['name']}," if key == "domain_dim" and domain else "the rest"
                raise ConfigError(
                    f"model.backbone.adapter.{key} is {adapter[key]}, but {other} has {value}. Leave it out."
                )
        adapter |= {key: value for key, value in filled.items() if key in adapter and adapter[key] is None}
    head |= {
        **wire_clip.head_facts(head, backbone, text, num_classes=len(bench["classes"])),
        "class_texts": list(bench["classes"]),
        "trained_texts": list(groups.trained),
        "candidates": list(groups.candidates),
    }
    return {
        "type": "rs_adapt.SceneClassifier",
        "data_preprocessor": wire_clip.preprocessor(facts),
        "backbone": backbone,
        "decode_head": head,
        "domain": domain,
        "train_cfg": {},
        "test_cfg": {"mode": "whole"},
    }


def _domain(name: str | None, bench: BenchFacts, *, weights: str | os.PathLike[str] | None) -> ConfigNode:
    """Return the settings of the frozen model of the domain, whose mean patch feature conditions the prompts."""
    if name is None:
        raise ConfigError(
            f"The method needs a model of the domain, and bench {bench['name']} names none. Name a backbone: "
            "--set model.backbone.adapter.domain=mae-b-millionaid."
        )
    stem = axes.find("backbone", name)
    content = axes.load("backbone", stem)
    facts, settings = content["backbone"], content["model"]["backbone"]
    patch_px = facts["patch_px"]
    # The nearest whole number of patches: the images are resized to it.
    side_px = max(1, round(bench["crop_px"] / patch_px)) * patch_px
    if "image_px" in settings:
        settings["image_px"] = side_px
    if "gsd_m" in settings and settings["gsd_m"] is None:
        settings["gsd_m"] = 1.0
    shipped = bool((facts["weights"] or {}).get("shipped"))
    path = wire_model.weights_path(facts, "random" if str(weights) == "random" and not shipped else None)
    return {
        "name": stem,
        "mean": list(facts["mean"]),
        "std": list(facts["std"]),
        "side_px": side_px,
        "backbone": {**settings, "adapter": None, "frozen": True, "weights": path},
    }


def _width(domain: ConfigNode) -> int:
    widths = domain["backbone"].get("widths")
    return int(widths[-1] if widths else domain["backbone"]["embed_dim"])
