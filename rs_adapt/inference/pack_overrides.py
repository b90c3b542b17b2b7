"""What a pack may override: nobody's pack chooses code, folders, or what this machine does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rs_adapt.config import overrides
from rs_adapt.path_names import relative_fault

# Names of code, wherever they stand.
_CODE_KEYS = {"type", "imports", "custom_imports", "default_scope", "prepared_dir"}
# What a pack may override: what the model is, and how images become its input. All else is the reader's own.
_MODEL_KEYS = ("model", "backbone", "head", "method", "strategy", "protocol", "test_cfg", "val_cfg")
_RUNTIME_KEYS = {"runtime.precision", "runtime.num_workers", "runtime.tf32"}
_BENCH_KEYS = {"name", "family", "title", "direction", "source", "target", "scene_pattern", "shared_scenes", "partial"}
_BENCH_KEYS |= {"classes", "palette", "ignore_index", "reduce_zero_label", "gsd_m", "img_suffix", "ann_suffix"}
_BENCH_KEYS |= {"tile_px", "crop_px", "inference", "pipeline", "schedule"}
_BENCH_KEYS |= {"scale", "degradation", "train_snapshots"}
_BENCH_KEYS |= {"shots", "views", "base_classes", "novel_classes", "source_classes"}
# Which images become tiles, and how; not `kind`, which chooses the code that makes them.
_PREPARE_KEYS = {"seed", "scenes", "size_px", "stride_px", "regions", "crops", "val_crops", "how_to_get"}
_PREPARE_KEYS |= {"num_points", "viscosity", "power", "spin_up", "refine", "snapshots", "slice_step"}
_PREPARE_KEYS |= {"files", "variables", "is_periodic", "bench", "region"}
_PREPARE_KEYS |= {"image_dir", "label_dir", "image_suffix", "label_suffix"}
_LOADERS = {"val_dataloader", "test_dataloader", "source_val_dataloader", "monitor"}
# Ends of keys whose values are places on a disk.
_PLACES = ("_dir", "_suffix", "file", "weights")
# Keys that only training reads are left out; their values, which are not used, may name any class.
_TRAINING_ONLY = {"optim", "optim_wrapper", "param_scheduler", "train_cfg", "train_dataloader", "default_hooks"}
_TRAINING_ONLY |= {"custom_hooks", "env_cfg", "log_level", "log_processor", "visualizer"}
_TRAINING_ONLY_RUNTIME = {"memory", "sharding", "base_precision", "fused_adamw", "deformable_gather", "pin_memory"}
# The end of a key: vectors of class names are in the pack.
_TRAINING_ONLY_ENDS = {"text_weights"}


def without_training(texts: Sequence[str]) -> list[str]:
    """Return the overrides without those that only training reads; their values, which are not used, may be any."""
    return [text for text in texts if not _only_trains(split_key(text))]


def _only_trains(parts: Sequence[str]) -> bool:
    if parts[0] == "runtime":
        return len(parts) == 2 and parts[1] in _TRAINING_ONLY_RUNTIME
    return parts[0] in _TRAINING_ONLY or parts[-1] in _TRAINING_ONLY_ENDS


def find_refused_keys(texts: Sequence[str]) -> list[str]:
    """Return the keys of overrides that a pack may not choose, except keys that only training reads.

    A pack may choose the model, its classes, and how images are cut, read and predicted: no code, no folders outside
    the data root, and nothing of this machine.
    """
    return [override.key for override in overrides.parse(without_training(texts)) if not _may_choose(override)]


def _may_choose(override: overrides.Override) -> bool:
    parts = override.key.split(".")
    if names_code(override):
        return False
    if parts[-1].endswith(_PLACES) and relative_fault(str(override.value)):
        return False
    if parts[:2] == ["backbone", "weights"]:
        # Not where they come from.
        return parts[2:] == ["file"]
    if parts[0] == "bench":
        if parts[1:2] == ["prepare"]:
            # Names of regions, scenes and crops become parts of paths.
            texts = [*parts[3:], *_texts_of(override.value)]
            return bool(_PREPARE_KEYS & set(parts[2:3])) and not any(map(relative_fault, texts))
        return bool(_BENCH_KEYS & set(parts[1:2]))
    return parts[0] in _MODEL_KEYS or parts[0] in _LOADERS or override.key in _RUNTIME_KEYS


def _texts_of(value: Any) -> list[str]:
    if isinstance(value, list | tuple | set):
        return [text for item in value for text in _texts_of(item)]
    return [value] if isinstance(value, str) else []


def names_code(override: overrides.Override) -> bool:
    """Return whether an override chooses a class or module by name: mmengine imports and calls whatever it names."""
    return bool(_CODE_KEYS & set(override.key.split("."))) or contains_table(override.value)


def contains_table(value: Any) -> bool:
    """Return whether a value is a table, or a list that holds one."""
    return isinstance(value, dict) or (isinstance(value, list | tuple | set) and any(map(contains_table, value)))


def split_key(text: str) -> list[str]:
    """Return the parts of the key of a `key=value` text."""
    return text.partition("=")[0].strip().split(".")
