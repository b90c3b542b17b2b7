"""The names of devices, precisions, views and loggers; they are checked before torch is loaded. Loads no torch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal, get_args

from rs_adapt.errors import ConfigError, UnknownName

FP32, BF16 = "fp32", "bf16"
PRECISIONS = (FP32, BF16)
# What the backward pass needs is saved, or computed again block by block.
NORMAL, LOW = "normal", "low"
# Of several processes, each holds the whole frozen base, or a shard of it.
NOT_SHARDED, FSDP = "none", "fsdp"
# The blocks of a ViT run as torch's operators, or as code that is generated for them.
NOT_COMPILED, BLOCKS = "none", "blocks"
# What the keys of `runtime` are where a configuration, which may be older than they are or your own, lacks them.
RUNTIME_DEFAULTS: Mapping[str, str | bool] = {
    # What the backward pass needs is kept.
    "memory": NORMAL,
    # Of several processes, each holds the whole base.
    "sharding": NOT_SHARDED,
    # Frozen weights are stored as their file has them.
    "base_precision": FP32,
    # No code is generated.
    "compile": NOT_COMPILED,
    # Products and steps of the optimizer are rounded as those of plain fp32.
    "tf32": False,
    "fused_adamw": False,
    # The sums of Mask2Former's deformable attention are those of transformers.
    "deformable_gather": False,
    # Batches are copied to a GPU from memory that can be moved.
    "pin_memory": False,
}
# Those of them that segmentation alone has.
_OF_SEGMENTATION = ("base_precision", "sharding", "compile", "deformable_gather")
# Views of a tile whose probabilities are averaged at test time.
Tta = Literal["flips", "d4", "scales"]
NO_LOGGER = "none"
# Each has the name of its package.
LOGGERS = ("tensorboard", "wandb", "mlflow", "clearml", "aim")

_DEVICE = re.compile(r"auto|cpu|cuda(:[0-9]{1,4})?")


def check_device(name: str) -> None:
    """Refuse a name that no device has; whether the device is there is found out when it is used.

    Raises:
        ConfigError: The name is none of auto, cpu, cuda and cuda:N.
    """
    if not _DEVICE.fullmatch(name):
        raise ConfigError(f"Unknown device {name!r}. Allowed are auto, cpu, cuda and cuda:N.")


def check_precision(name: object) -> None:
    """Refuse a precision that is none of `PRECISIONS`.

    Raises:
        ConfigError: It is not.
    """
    if name not in PRECISIONS:
        raise ConfigError(f"The precision is {name!r}. Allowed: {' or '.join(PRECISIONS)}.")


def check_memory(name: object) -> None:
    """Refuse a value of `runtime.memory` that is neither "normal" nor "low".

    Raises:
        ConfigError: It is not.
    """
    if name not in (NORMAL, LOW):
        raise ConfigError(f"runtime.memory is {name!r}. Allowed: {NORMAL} or {LOW}.")


def check_base_precision(name: object, precision: object) -> None:
    """Refuse a value of `runtime.base_precision` that is none of `PRECISIONS`, or that the forward pass does not have.

    Args:
        name: The value.
        precision: Value of `runtime.precision`, checked before.

    Raises:
        ConfigError: It is.
    """
    if name not in PRECISIONS:
        raise ConfigError(f"runtime.base_precision is {name!r}. Allowed: {' or '.join(PRECISIONS)}.")
    if name == BF16 != precision:
        raise ConfigError(
            f"runtime.base_precision={BF16} stores the frozen base in the precision of the forward pass, and that is "
            f"{precision}. Add --precision {BF16}, or leave it out."
        )


def check_sharding(name: object) -> None:
    """Refuse a value of `runtime.sharding` that is neither "none" nor "fsdp".

    Raises:
        ConfigError: It is not.
    """
    if name not in (NOT_SHARDED, FSDP):
        raise ConfigError(f"runtime.sharding is {name!r}. Allowed: {NOT_SHARDED} or {FSDP}.")


def check_compiling(name: object) -> None:
    """Refuse a value of `runtime.compile` that is neither "none" nor "blocks".

    Raises:
        ConfigError: It is not.
    """
    if name not in (NOT_COMPILED, BLOCKS):
        raise ConfigError(f"runtime.compile is {name!r}. Allowed: {NOT_COMPILED} or {BLOCKS}.")


def require_processes(sharding: str | None, processes: int) -> None:
    """Refuse to divide a base among one process.

    Args:
        sharding: Value of `runtime.sharding`; None in configurations without the key.
        processes: Number of processes of the run.

    Raises:
        ConfigError: The base shall be divided, and there is one process.
    """
    if sharding == FSDP and processes == 1:
        raise ConfigError(
            f"runtime.sharding={FSDP} divides the base among the processes of a training, and this is one process. "
            f"Train with --processes K or torchrun; with one process, leave it out, or set it to {NOT_SHARDED}."
        )


def refuse_segmentation_keys(runtime: Mapping[str, object], task: str) -> None:
    """Refuse values of `runtime` that only segmentation has: other bases in memory, shards, generated code.

    Args:
        runtime: The table `runtime`; files of your own may lack the keys.
        task: Name of the task.

    Raises:
        ConfigError: A value is none that the key has, or differs from its default.
    """
    given = {**RUNTIME_DEFAULTS, **runtime}
    check_base_precision(given["base_precision"], given["precision"])
    check_sharding(given["sharding"])
    check_compiling(given["compile"])
    for key in _OF_SEGMENTATION:
        if given[key] != RUNTIME_DEFAULTS[key]:
            raise ConfigError(
                f"runtime.{key}={given[key]} is made for segmentation, and the task of this bench is {task}. Leave it "
                "out."
            )


def check_tta(name: str | None) -> None:
    """Refuse views that there are not; None is for none.

    Raises:
        ConfigError: The name is none of flips, d4 and scales.
    """
    if name is not None and name not in get_args(Tta):
        raise ConfigError(f"--tta is {name}. Allowed: {', '.join(get_args(Tta))}.")


def check_loggers(names: Iterable[str]) -> None:
    """Refuse names that no logger has.

    Raises:
        UnknownName: There is no such logger.
    """
    for name in names:
        if name not in (*LOGGERS, NO_LOGGER):
            raise UnknownName(f"There is no logger {name!r}. Known: {', '.join((*LOGGERS, NO_LOGGER))}.")
