"""Ranges of the numbers of a configuration, by key; those of a class's own arguments are in the class.

In the tables, `*` stands for a number in a list, or for the last part of a key.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from rs_adapt.config import words
from rs_adapt.config.segmentor import level_channels
from rs_adapt.errors import ConfigError
from rs_adapt.ranges import (
    ANY,
    BYTE,
    COUNT,
    COUNT_OR_0,
    NOT_NEGATIVE,
    POSITIVE,
    SHARE,
    SHARE_ABOVE_0,
    SHARE_BELOW_1,
    Range,
    check_numbers,
    check_ranges,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rs_adapt.config.facts import ConfigNode

Entry = TypeVar("Entry")
# A value of a configuration, and the parts of its key.
_Leaf = tuple[tuple[str, ...], Any]

# Below `model`, with or without a strategy around the segmentor.
_SEGMENTOR = ("model", "model.segmentor")
_LOADERS = (
    "train_dataloader",
    "val_dataloader",
    "test_dataloader",
    "source_val_dataloader",
    "monitor.source_val",
    "monitor.label_free",
)
_DATASETS = (
    *(f"{loader}.dataset" for loader in _LOADERS[1:]),
    "train_dataloader.dataset.labelled",
    "train_dataloader.dataset.unlabelled",
)

_NUMBERS: dict[str, Range] = {
    "bench.crop_px": COUNT,
    "bench.tile_px": COUNT,
    "bench.gsd_m": POSITIVE,
    "bench.source.gsd_m": POSITIVE,
    "bench.target.gsd_m": POSITIVE,
    "bench.ignore_index": BYTE,
    "bench.inference.crop_px": COUNT,
    "bench.inference.stride_px": COUNT,
    "bench.inference.resize_px": COUNT,
    # A crop without any class that dominates less can never be found.
    "bench.pipeline.cat_max_ratio": SHARE_ABOVE_0,
    **{f"bench.pipeline.{key}": SHARE for key in ("flip_prob", "fourier_mix", "histogram_match")},
    **{f"strategy.style.{key}": SHARE for key in ("band_match", "band_jitter", "random_convolution")},
    "bench.prepare.scenes.*": COUNT,
    "bench.prepare.seed": COUNT_OR_0,
    "bench.prepare.size_px": COUNT,
    "bench.prepare.stride_px": COUNT,
    "bench.shots": COUNT,
    "bench.captions.negatives": COUNT_OR_0,
    "bench.prepare.pairs": COUNT,
    "bench.prepare.num_scenes": COUNT,
    "bench.prepare.scene_px": COUNT,
    "bench.views": Range(least=1, most=8, whole=True),
    "bench.schedule.iters": COUNT,
    "bench.schedule.eval_every": COUNT,
    "bench.schedule.batch_size.*": COUNT,
    "optim.lr": POSITIVE,
    "optim.weight_decay": NOT_NEGATIVE,
    "optim.poly_power": NOT_NEGATIVE,
    "optim.momentum": SHARE_BELOW_1,
    "optim.warmup_iters": COUNT_OR_0,
    "optim_wrapper.optimizer.lr": POSITIVE,
    "optim_wrapper.optimizer.weight_decay": NOT_NEGATIVE,
    "optim_wrapper.optimizer.eps": POSITIVE,
    "method.weight_decay_end": NOT_NEGATIVE,
    "param_scheduler.*.power": NOT_NEGATIVE,
    "param_scheduler.*.eta_min": NOT_NEGATIVE,
    "param_scheduler.*.eta_min_ratio": NOT_NEGATIVE,
    "param_scheduler.*.begin": COUNT_OR_0,
    "param_scheduler.*.end": COUNT,
    "param_scheduler.*.start_factor": SHARE_ABOVE_0,
    **{
        f"{table}.{key}": NOT_NEGATIVE
        for table in ("method.paramwise", "optim_wrapper.paramwise_cfg")
        for key in ("adapter_lr_mult", "backbone_lr_mult", "norm_decay_mult")
    },
    "strategy.backbone_lr_mult": NOT_NEGATIVE,
    "runtime.num_workers": COUNT_OR_0,
    "default_hooks.logger.interval": COUNT,
    "env_cfg.mp_cfg.opencv_num_threads": COUNT_OR_0,
    "protocol.version": COUNT,
    "protocol.source_val_tiles": COUNT,
    "protocol.label_free_tiles": COUNT,
    **{
        f"{table}.{key}": allowed
        for table in ("strategy.class_sampling", "train_dataloader.dataset.class_sampling")
        for key, allowed in {
            "min_share": SHARE_BELOW_1,
            "min_crop_ratio": NOT_NEGATIVE,
            "max_tries": COUNT,
            "drawn_share": SHARE_ABOVE_0,
        }.items()
    },
    "train_cfg.max_iters": COUNT,
    "train_cfg.val_interval": COUNT,
    "backbone.embed_dim": COUNT,
    "backbone.depth": COUNT,
    "backbone.patch_px": COUNT,
    "backbone.weights.bytes": COUNT,
    **{f"{part}.data_preprocessor.pad_val": BYTE for part in _SEGMENTOR},
    **{f"{part}.data_preprocessor.seg_pad_val": BYTE for part in _SEGMENTOR},
    **{f"{loader}.batch_size": COUNT for loader in _LOADERS},
    **{f"{loader}.num_workers": COUNT_OR_0 for loader in _LOADERS},
    **{f"{part}.ignore_index": BYTE for part in (*_DATASETS, "val_evaluator", "test_evaluator", "model.decode_head")},
    **{f"{dataset}.spread": COUNT for dataset in _DATASETS},
    **{f"{dataset}.pipeline.*.{key}": SHARE for dataset in _DATASETS for key in ("prob", "share")},
    **{f"{dataset}.pipeline.*.cat_max_ratio": SHARE_ABOVE_0 for dataset in _DATASETS},
}
# Lists: range of every number, and how many there are.
_LISTS: dict[str, tuple[Range, int | None]] = {
    "bench.pipeline.resize_ratio": (POSITIVE, 2),
    "backbone.mean": (ANY, 3),
    "backbone.std": (POSITIVE, 3),
    "backbone.level_strides": (POSITIVE, None),
    "optim_wrapper.optimizer.betas": (SHARE_BELOW_1, 2),
    **{f"{part}.data_preprocessor.mean": (ANY, 3) for part in _SEGMENTOR},
    **{f"{part}.data_preprocessor.std": (POSITIVE, 3) for part in _SEGMENTOR},
    **{f"{part}.data_preprocessor.size": (COUNT, 2) for part in _SEGMENTOR},
    **{f"{part}.test_cfg.{key}": (COUNT, 2) for part in _SEGMENTOR for key in ("crop_size", "stride")},
    **{f"{dataset}.pipeline.*.{key}": (COUNT, 2) for dataset in _DATASETS for key in ("scale", "crop_size")},
    **{f"{dataset}.pipeline.*.ratio_range": (POSITIVE, 2) for dataset in _DATASETS},
    **{f"{dataset}.pipeline.*.strength": (SHARE, 2) for dataset in _DATASETS},
    **{f"{dataset}.pipeline.*.std": (POSITIVE, 3) for dataset in _DATASETS},
}
_COLOURS = ("bench.palette", *(f"{dataset}.palette" for dataset in _DATASETS))
# Tables whose keys are names of a user's own: parts of parameter names.
_FACTORS = ("method.paramwise.custom_keys", "optim_wrapper.paramwise_cfg.custom_keys")


def check_limits(tree: ConfigNode) -> None:
    """Refuse numbers of a configuration that are outside their range, or not finite.

    Args:
        tree: The merged axis files, or the resolved configuration.

    Raises:
        ConfigError: Names the key, its value and the range.
    """
    for key, value in _leaves(tree):
        _check_leaf(key, value)


def check_relations(resolved: ConfigNode) -> None:
    """Refuse numbers of a resolved configuration that contradict the facts that they are derived from.

    Args:
        resolved: The resolved configuration, after all overrides.

    Raises:
        ConfigError: Names the key, its value and what it must be.
    """
    bench, model = resolved["bench"], resolved["model"]
    start = "model.segmentor." if "segmentor" in model else "model."
    segmentor = model.get("segmentor", model)
    num_classes, ignored = len(bench["classes"]), bench["ignore_index"]
    if ignored < num_classes:
        raise ConfigError(
            f"bench.ignore_index is {ignored}, which is the number of the class {bench['classes'][ignored]}. Allowed: "
            f"{num_classes} to 255."
        )
    for parts, value in _leaves(resolved):
        if parts[-1] in ("ignore_index", "seg_pad_val") and value != ignored:
            raise ConfigError(
                f"{'.'.join(parts)} is {value!r}, but bench.ignore_index is {ignored}. Set that key alone."
            )
    backbone, head = segmentor["backbone"], segmentor["decode_head"]
    if "in_channels" not in head:
        # A network of one piece, as those of super-resolution.
        return
    derived = {
        "decode_head.num_classes": (head.get("num_classes"), num_classes),
        "decode_head.in_channels": (list(head["in_channels"]), level_channels(backbone)),
    }
    for key, (value, expected) in derived.items():
        if value != expected:
            raise ConfigError(
                f"{start}{key} is {value!r}, but bench and backbone make it {expected!r}. Leave the key out."
            )
    inference = segmentor["test_cfg"]
    if inference.get("mode") == "slide" and any(
        step > side for step, side in zip(inference["stride"], inference["crop_size"], strict=True)
    ):
        raise ConfigError(
            f"{start}test_cfg.stride is {tuple(inference['stride'])}: pixels would be skipped. Allowed: at most the "
            f"window, {tuple(inference['crop_size'])}."
        )
    if sampling := resolved["train_dataloader"]["dataset"].get("class_sampling"):
        words.check_temperature(sampling["temperature"], key="train_dataloader.dataset.class_sampling.temperature")
    for number, schedule in enumerate(resolved["param_scheduler"]):
        if not schedule["begin"] < schedule["end"]:
            raise ConfigError(
                f"param_scheduler.{number}.begin is {schedule['begin']}; it must be below its end, {schedule['end']}."
            )


class _Rule(NamedTuple):
    """The range of a key, and the key in words: its dotted name, and the start of that before its last part."""

    name: str
    owner: str
    numbers: Range | None
    listed: tuple[Range, int | None] | None
    are_colours: bool
    may_be_none: bool


# Configurations share nearly all of their keys, and patterns are slow to look up.
@lru_cache(maxsize=8192)
def _rule_of(key: tuple[str, ...]) -> _Rule:
    name, last = ".".join(key), key[-1]
    is_factor = name.startswith(_FACTORS) and last in ("lr_mult", "decay_mult")
    return _Rule(
        name=name,
        owner=name[: -len(last)],
        numbers=NOT_NEGATIVE if is_factor else _find(_NUMBERS, key),
        listed=None if is_factor else _find(_LISTS, key),
        are_colours=name in _COLOURS,
        may_be_none=not is_factor,
    )


def _find(table: Mapping[str, Entry], key: tuple[str, ...]) -> Entry | None:
    """Return the entry of a key: its own, or that of a pattern."""
    numbered = ".".join("*" if part.isdigit() else part for part in key)
    for name in (".".join(key), numbered, ".".join((*key[:-1], "*"))):
        if name in table:
            return table[name]
    return None


def _check_leaf(key: tuple[str, ...], value: Any) -> None:
    name, owner, numbers, listed, are_colours, may_be_none = _rule_of(key)
    last, is_list = key[-1], isinstance(value, list | tuple)
    if are_colours:
        for colour in value:
            check_numbers(owner, BYTE, {last: colour}, length=3)
    elif listed is not None:
        if not is_list:
            raise ConfigError(f"{name} is {value!r}; it must be a list of numbers.")
        check_numbers(owner, listed[0], {last: value}, length=listed[1])
    elif numbers is not None:
        if value is not None or not may_be_none:
            check_ranges(owner, **{last: (value, numbers)})
    elif isinstance(value, float):
        check_ranges(owner, **{last: (value, ANY)})
    elif is_list:
        check_numbers(owner, ANY, {last: [number for number in value if isinstance(number, float)]})


def _leaves(node: Any) -> list[_Leaf]:
    """Return the values of a tree of dicts, and lists of dicts, by key; generators would take twice as long."""
    leaves: list[_Leaf] = []

    def collect(node: Any, key: tuple[str, ...]) -> None:
        if isinstance(node, dict):
            for name, value in node.items():
                collect(value, (*key, str(name)))
        elif isinstance(node, list | tuple) and any(isinstance(entry, dict) for entry in node):
            for number, value in enumerate(node):
                collect(value, (*key, str(number)))
        else:
            leaves.append((key, node))

    collect(node, ())
    return leaves
