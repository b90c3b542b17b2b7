"""Wiring of the model: facts of the backbone reach adapter and head, facts of the bench reach classes and sizes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, cast

from rs_adapt.config import paths, wire_ground, wire_style, wire_text, words
from rs_adapt.config.segmentor import level_channels
from rs_adapt.config.tree import copy_tree
from rs_adapt.errors import ConfigError, IncompatibleCell
from rs_adapt.ranges import Range

if TYPE_CHECKING:
    from rs_adapt.config.cell import Cell
    from rs_adapt.config.facts import BackboneFacts, BenchFacts, ConfigNode, MergedTree

# Keys of a strategy file about itself, its samples and its learning rate; all others are arguments of its class.
_STRATEGY_FACTS = (
    "name",
    "title",
    "settings",
    "needs_target",
    "needs_source",
    "needs_teacher",
    "trains",
    "type",
    "class_sampling",
    "style",
    "match_gsd",
    "lr_warmup_iters",
    "backbone_lr_mult",
)
# Ground size of a pixel, metres, for a backbone that counts positions in metres on a bench that states none: the one at
# which its positions are those of a backbone that does not.
_UNKNOWN_GSD_M = 1.0
# Arguments that last for a part of the schedule: iterations, or a percentage.
_DURATIONS = ("warmup_iters", "feature_iters")


def wire_model(tree: MergedTree, cell: Cell, *, weights: str | os.PathLike[str] | None) -> ConfigNode:
    """Return the resolved `model`: a segmentor, wrapped in the strategy's class if it has one.

    Args:
        tree: The merged axis files; `bench`, `backbone`, `model`, `method`, `protocol` and `strategy` are read.
        cell: The cell.
        weights: None for the backbone's own file, `random`, or a path.

    Raises:
        ConfigError: A size is not a multiple of the patch, or a layer or duration is not usable.
    """
    bench, strategy = tree["bench"], tree["strategy"]
    backbone = _backbone(tree, cell, weights=weights)
    segmentor = {
        "type": "EncoderDecoder",
        "data_preprocessor": data_preprocessor(tree),
        "backbone": backbone,
        "decode_head": _head(tree, backbone, weights=weights),
        "train_cfg": {},
        "test_cfg": _inference(bench, patch_px=_patch_px(tree)),
    }
    if strategy.get("type") is None:
        return segmentor
    knobs = {key: value for key, value in strategy.items() if key not in _STRATEGY_FACTS}
    for key in _DURATIONS:
        if key in knobs:
            duration = cast("int | str", knobs[key])
            knobs[key] = words.resolve_duration(duration, total_iters=bench["schedule"]["iters"], key=f"strategy.{key}")
    if "ema_decay" in knobs:
        knobs["ema_decay"] = words.resolve_decay(
            strategy["ema_decay"], total_iters=bench["schedule"]["iters"], key="strategy.ema_decay"
        )
    if "mixstyle_layers" in knobs:
        knobs["mixstyle_layers"] = wire_style.mixed_layers(tree, cell)
    confidence = knobs.get("confidence")
    if isinstance(confidence, str):
        # The class takes the text; a wrong one is refused before any library is loaded.
        words.resolve_sure_share(confidence, key="strategy.confidence")
    return {"type": strategy["type"], "segmentor": segmentor, **knobs}


def data_preprocessor(tree: MergedTree) -> ConfigNode:
    """Return the normalisation of the backbone (RGB, range 0-255) with padding to the crop."""
    bench, backbone = tree["bench"], tree["backbone"]
    return {
        "type": "SegDataPreProcessor",
        "mean": list(backbone["mean"]),
        "std": list(backbone["std"]),
        "bgr_to_rgb": True,
        "pad_val": 0,
        "seg_pad_val": bench["ignore_index"],
        "size": (bench["crop_px"], bench["crop_px"]),
    }


def _backbone(tree: MergedTree, cell: Cell, *, weights: str | os.PathLike[str] | None) -> ConfigNode:
    backbone: ConfigNode = copy_tree(tree["model"]["backbone"])
    _check_method(tree)
    check_patches("bench.crop_px", tree["bench"]["crop_px"], _patch_px(tree))
    _fit_maps(backbone, tree)
    if "image_px" in backbone and backbone["image_px"] is None:
        backbone["image_px"] = tree["bench"]["crop_px"]
    if "gsd_m" in backbone and backbone["gsd_m"] is None:
        stated_m = wire_ground.position_size_m(tree["bench"], tree["strategy"], setting=cell.setting)
        backbone["gsd_m"] = _UNKNOWN_GSD_M if stated_m is None else stated_m
    backbone["weights"] = weights_path(tree["backbone"], weights)
    adapter = backbone.setdefault("adapter", None)
    if adapter is not None:
        facts = adapter_facts(backbone) | {"total_iters": tree["bench"]["schedule"]["iters"]}
        facts |= wire_text.tower_facts(tree, adapter)
        for settings in wire_text.nested(adapter):
            for key, value in facts.items():
                if key in settings and settings[key] is None:
                    settings[key] = value
            _resolve_layers(settings, depth=backbone["depth"])
    return backbone


def _patch_px(tree: MergedTree) -> int:
    """Return what the sides of images are multiples of: a ViT's patch, or the coarsest stride of a pyramid."""
    patch_px: int = tree["model"]["backbone"].get("patch_px", tree["backbone"]["patch_px"])
    return patch_px


def _check_method(tree: MergedTree) -> None:
    """Refuse methods and heads that need what the backbone lacks: blocks of a ViT, or places for more tokens."""
    method, backbone, head = tree["method"], tree["backbone"], tree["model"]["decode_head"]["type"]
    maps = wire_text.maps_read(tree)
    if not backbone.get("takes_adapters", True):
        pyramid = "this backbone is a pyramid without such blocks"
        if tree["model"]["backbone"].get("adapter") is not None:
            raise IncompatibleCell(
                f"Method {method['name']} does not work with backbone {backbone['name']}: it changes blocks of a ViT, "
                f"and {pyramid}. Allowed: --method full (all weights train) or frozen (the head alone), or a ViT as "
                "backbone."
            )
        if maps != "pyramid":
            raise IncompatibleCell(
                f"The head {head} does not work with backbone {backbone['name']}: it reads the tokens of a ViT's "
                f"blocks, and {pyramid}. Allowed: a head that reads a pyramid, such as linear, or a ViT as backbone."
            )
    if tree["strategy"].get("rebuild_weight"):
        if maps == "joint":
            raise IncompatibleCell(
                f"strategy.rebuild_weight hides places of the feature maps, but the head {head} runs the backbone's "
                "last blocks itself. Allowed: --set strategy.rebuild_weight=0.0, or a different head."
            )
        if not backbone.get("takes_adapters", True):
            raise IncompatibleCell(
                f"strategy.rebuild_weight rebuilds feature maps of one width, but those of backbone {backbone['name']} "
                "differ. Allowed: --set strategy.rebuild_weight=0.0, or a ViT as backbone."
            )
    if backbone.get("takes_tokens", True):
        return
    if method.get("adds_tokens"):
        raise IncompatibleCell(
            f"Method {method['name']} does not work with backbone {backbone['name']}: it adds tokens, and the "
            "backbone has windowed attention, which has no place for extra tokens. Allowed: a method without "
            "prompts, or a different backbone."
        )
    if maps == "joint":
        raise IncompatibleCell(
            f"The head {head} does not work with backbone {backbone['name']}: its "
            "queries join the tokens, and the backbone has windowed attention, which has no place for extra tokens. "
            "Allowed: a different head, or a different backbone."
        )


def _fit_maps(backbone: ConfigNode, tree: MergedTree) -> None:
    """Make the backbone give the maps that the head reads; a pyramid is what its file gives."""
    maps = wire_text.maps_read(tree)
    if maps == "tokens":
        backbone["level_scales"] = [1.0] * len(backbone["out_layers"])
    elif maps == "joint":
        depth, count = backbone["depth"], tree["model"]["decode_head"].get("joint_blocks", 1)
        if count not in Range(least=1, most=depth - 1, whole=True):
            raise ConfigError(
                f"model.decode_head.joint_blocks is {count!r}; with the {depth} blocks of {tree['backbone']['name']} "
                f"it must be a whole number from 1 to {depth - 1}."
            )
        # Those that show where things are, a third and two thirds of the way, and the last before the head's.
        earlier = [depth // 3 - 1, 2 * depth // 3 - 1] if tree["head"]["maps"] == wire_text.LEVELS else []
        backbone["out_layers"] = [*earlier, depth - count - 1]
        backbone["level_scales"] = [1.0] * len(backbone["out_layers"])


def adapter_facts(backbone: ConfigNode) -> ConfigNode:
    """Return the facts of a ViT that adapters need: width, depth, patch (px), hidden width of the MLP, and its gate."""
    hidden, gated = 4 * backbone["embed_dim"], bool(backbone.get("swiglu", False))
    if gated:
        # As in DINOv2's ViT-g: two thirds, rounded up to a multiple of 8.
        hidden = (hidden * 2 // 3 + 7) // 8 * 8
    # A backbone whose MLP has a different width states it.
    stated = {key: backbone[key] for key in ("mlp_dim", "gated_mlp") if key in backbone}
    return {key: backbone[key] for key in ("embed_dim", "depth", "patch_px")} | {
        "mlp_dim": hidden,
        "gated_mlp": gated,
        **stated,
    }


def _resolve_layers(adapter: ConfigNode, *, depth: int) -> None:
    for key, value in adapter.items():
        if key.endswith("layers") and words.is_layers(value):
            adapter[key] = words.resolve_layers(value, depth=depth, key=f"model.backbone.adapter.{key}")
        elif key == "frequency_layers":
            # Raises ConfigError; otherwise an invalid value would reach the adapter.
            words.resolve_layers(value, depth=depth, key=f"model.backbone.adapter.{key}")


def _head(tree: MergedTree, backbone: ConfigNode, *, weights: str | os.PathLike[str] | None) -> ConfigNode:
    head: ConfigNode = copy_tree(tree["model"]["decode_head"])
    head["in_channels"] = level_channels(backbone)
    if "total_iters" in head and head["total_iters"] is None:
        head["total_iters"] = tree["bench"]["schedule"]["iters"]
    head["num_classes"] = len(tree["bench"]["classes"])
    head["ignore_index"] = tree["bench"]["ignore_index"]
    if "ignored_pixels" in head and head["ignored_pixels"] is None:
        head["ignored_pixels"] = tree["protocol"]["ignored_pixels"]
    if "text_names" in head:
        wire_text.resolve_text(head, tree, backbone, weights=weights)
    adapter = backbone["adapter"]
    for settings in wire_text.nested(adapter):
        if settings.get("query_dim") is not None:
            _link_queries(settings, head)
    return head


def _link_queries(adapter: ConfigNode, head: ConfigNode) -> None:
    """Make the adapter's tokens the query positions of the head; with `query_dim` None nothing is linked."""
    if "learned_query_pos" not in head:
        raise IncompatibleCell(
            f"The adapter {adapter['type']} turns its tokens into queries, but the head {head['type']} takes none. "
            "Use mask2former, or --set model.backbone.adapter.query_dim=None."
        )
    adapter["query_dim"] = head["channels"]
    head["num_queries"] = adapter["num_tokens"]
    head["learned_query_pos"] = False


def _inference(bench: BenchFacts, *, patch_px: int) -> ConfigNode:
    knobs = bench["inference"]
    if knobs["mode"] == "whole":
        check_patches("bench.tile_px", bench["tile_px"], patch_px)
        return {"mode": "whole"}
    if knobs["mode"] != "slide":
        raise ConfigError(f"bench.inference.mode is {knobs['mode']!r}. Allowed: 'slide' or 'whole'.")
    crop, stride = knobs["crop_px"], knobs["stride_px"]
    check_patches("bench.inference.crop_px", crop, patch_px)
    if not 0 < stride <= crop:
        raise ConfigError(f"bench.inference.stride_px is {stride}: pixels would be skipped. Allowed: 1 to {crop}.")
    return {"mode": "slide", "crop_size": (crop, crop), "stride": (stride, stride)}


def weights_path(facts: BackboneFacts, given: str | os.PathLike[str] | None) -> str:
    """Return the path of base weights, or `random`.

    Args:
        facts: The facts of the backbone.
        given: None for the backbone's own file, `random`, or a path.
    """
    if given is not None:
        return "random" if str(given) == "random" else str(Path(given).expanduser().resolve())
    if facts["weights"] is None:
        return "random"
    return str(paths.weights_file(facts["weights"]))


def check_patches(key: str, size_px: int, patch_px: int) -> None:
    """Refuse a side that is not a whole number of patches.

    Raises:
        ConfigError: It is not; the message names the nearest valid sides.
    """
    if size_px > 0 and size_px % patch_px == 0:
        return
    below = size_px // patch_px * patch_px
    near = [size for size in (below, below + patch_px) if size > 0]
    raise ConfigError(
        f"{key} is {size_px}, which is not a multiple of the backbone's patch of {patch_px} pixels. "
        f"Nearest valid: {' or '.join(map(str, near))} (--set {key}={near[-1]})."
    )
