"""Wiring that tasks of a CLIP with both towers share: its sizes, its images, loops of evaluation, the warm-up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_adapt.config import wire_model, wire_text
from rs_adapt.config.tree import copy_tree
from rs_adapt.errors import IncompatibleCell

if TYPE_CHECKING:
    import os

    from rs_adapt.config.facts import BackboneFacts, ConfigNode, MergedTree

# Channels of an attention head in every text tower of CLIP, and blocks of the published ones.
_HEAD_DIM, _TEXT_DEPTH = 64, 12


def resolve_backbone(tree: MergedTree, *, why: str, weights: str | os.PathLike[str] | None) -> ConfigNode:
    """Return the resolved settings of the visual tower, whose class token alone is read.

    Args:
        tree: The merged axis files.
        why: The reason for which the backbone must be a CLIP, and names of some, as the end of a sentence.
        weights: See `rs_adapt.config.wire.wire`.

    Raises:
        IncompatibleCell: The backbone is no CLIP.
        ConfigError: The images do not divide into patches.
    """
    bench, facts = tree["bench"], tree["backbone"]
    backbone: ConfigNode = copy_tree(tree["model"]["backbone"])
    if not wire_text.is_clip(tree):
        raise IncompatibleCell(f"Backbone {facts['name']} has no text tower, and {why}")
    wire_model.check_patches("bench.crop_px", bench["crop_px"], facts["patch_px"])
    backbone |= {"image_px": bench["crop_px"], "out_layers": [backbone["depth"] - 1], "level_scales": [1.0]}
    backbone["weights"] = wire_model.weights_path(facts, weights)
    backbone.setdefault("adapter", None)
    return backbone


def text_sizes(head: ConfigNode, backbone: ConfigNode, facts: BackboneFacts) -> dict[str, int]:
    """Return the sizes of the text tower: as head or backbone states them, else those of the published CLIPs."""
    dim = wire_text.space_dim(backbone["embed_dim"])
    stated = facts.get("text", {})
    width = head.get("text_width") or stated.get("width") or dim
    return {
        "text_width": width,
        "text_dim": head.get("text_dim") or dim,
        "text_depth": head.get("text_depth") or stated.get("depth") or _TEXT_DEPTH,
        "text_heads": head.get("text_heads") or max(1, width // _HEAD_DIM),
    }


def head_facts(head: ConfigNode, backbone: ConfigNode, text: dict[str, int], *, num_classes: int) -> ConfigNode:
    """Return the arguments that heads on both towers have in common."""
    return {
        **text,
        "clip_weights": backbone["weights"],
        "activation": head.get("activation") or backbone.get("activation", "quick_gelu"),
        "in_channels": [backbone["embed_dim"]],
        "num_classes": num_classes,
    }


def preprocessor(facts: BackboneFacts) -> ConfigNode:
    """Return the preprocessor of whole images, BGR grey levels."""
    return {
        "type": "ImgDataPreprocessor",
        "mean": list(facts["mean"]),
        "std": list(facts["std"]),
        "bgr_to_rgb": True,
    }


def loops(tree: MergedTree) -> dict[str, ConfigNode]:
    """Return the loops of training, validation and test."""
    bench, precision = tree["bench"], tree["runtime"]["precision"]
    iters = bench["schedule"]["iters"]
    return {
        "train_cfg": {
            "type": "IterBasedTrainLoop",
            "max_iters": iters,
            "val_interval": min(bench["schedule"]["eval_every"], iters),
        },
        "val_cfg": {
            "type": "rs_adapt.ValLoop",
            "precision": precision,
            "region": "target",
            "weights": tree["protocol"]["weights"],
        },
        "test_cfg": {"type": "rs_adapt.TestLoop", "precision": precision},
    }


def schedule(tree: MergedTree) -> list[ConfigNode]:
    """Return a cosine over the whole training, with a linear rise at first; a short run has a short one."""
    iters = tree["bench"]["schedule"]["iters"]
    steps = min(tree["optim"]["warmup_iters"], iters // 10)
    rise: ConfigNode = {"type": "LinearLR", "start_factor": 1e-2, "begin": 0, "end": steps + 1, "by_epoch": False}
    cosine: ConfigNode = {"type": "CosineAnnealingLR", "T_max": iters, "begin": 0, "end": iters, "by_epoch": False}
    return [cosine, rise] if steps else [cosine]


def stream_loader(tree: MergedTree, *, setting: str, seed: int, labelled: ConfigNode) -> ConfigNode:
    """Return the loader of the training, which draws from one set of labelled samples."""
    return {
        "batch_size": tree["bench"]["schedule"]["batch_size"][setting],
        **workers(tree),
        "sampler": {"type": "rs_adapt.DrawSampler"},
        "collate_fn": {"type": "pseudo_collate"},
        "dataset": {
            "type": "rs_adapt.DomainStream",
            "seed": seed,
            "labelled": labelled,
            "unlabelled": None,
            "class_sampling": None,
        },
    }


def workers(tree: MergedTree) -> ConfigNode:
    """Return the processes of a loader."""
    count = tree["runtime"]["num_workers"]
    return {"num_workers": count, "persistent_workers": count > 0}


def evaluation_loader(tree: MergedTree, *, batch_size: int) -> ConfigNode:
    """Return the loader of an evaluation, without its data set."""
    return {"batch_size": batch_size, **workers(tree), "sampler": {"type": "DefaultSampler", "shuffle": False}}
