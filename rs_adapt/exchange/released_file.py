"""A released checkpoint, split into the tensors of adapter, head and ViT."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from rs_adapt.adapters import Adapter
from rs_adapt.backbones.reading import read_tensors
from rs_adapt.backbones.renaming import pattern
from rs_adapt.errors import CheckpointMismatch
from rs_adapt.exchange.reference import BACKBONE, HEAD
from rs_adapt.registry import MODELS

# Tensors for training only: the averaged copy of a teacher, and the normalisation, which the configuration has.
_LEFT_OUT = ("ema_model.", "data_preprocessor.")
# mmdetection's heads have a classifier that Mask2Former never calls; with linked queries there are no learned ones.
_SPARE_IN_HEAD = ("conv_seg.*", "query_embed.weight")
_MAX_LISTED = 8


@dataclass(frozen=True, kw_only=True)
class ReleasedFile:
    """The parts of a checkpoint, each under its names without the prefix of the part.

    Args:
        path: The file.
        adapter: Tensors of the adapter; empty without one.
        head: Tensors of the decode head.
        vit: Tensors of the backbone without the adapter; empty in files with adapter and head only.
        left_out: Number of tensors that only training uses.
    """

    path: Path
    adapter: dict[str, Tensor]
    head: dict[str, Tensor]
    vit: dict[str, Tensor]
    left_out: int


def read_released_file(path: Path, adapter_class: type[Adapter] | None) -> ReleasedFile:
    """Read a released checkpoint, without running anything in it.

    Args:
        path: A file of PyTorch (plain state dict or checkpoint of mmengine) or of safetensors.
        adapter_class: The method whose adapter it should have, or None for a head on the plain backbone.

    Raises:
        WeightsError: The file is missing, damaged, or contains Python objects.
        CheckpointMismatch: It has no head, no adapter or a different method's, or tensors that belong to no part.
    """
    tensors = read_tensors(path)
    if all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): value for name, value in tensors.items()}
    used = {name: value for name, value in tensors.items() if not name.startswith(_LEFT_OUT)}
    adapter_prefix = f"{BACKBONE}{adapter_class.reference_prefix}" if adapter_class else None
    for name, prefix in _prefixes().items():
        if prefix != adapter_prefix and any(key.startswith(prefix) for key in used):
            raise CheckpointMismatch(
                f"{path} has an adapter of {name.replace('_', '-')} ({prefix}*). Import it with "
                f"--as {name.replace('_', '-')}."
            )
    if unknown := [name for name in used if not name.startswith((BACKBONE, HEAD))]:
        raise CheckpointMismatch(
            f"{path} has {len(unknown)} tensors that belong to no part of a released model: {format_names(unknown)}. "
            f"Known: {BACKBONE}*, {HEAD}* and, left out, {', '.join(f'{prefix}*' for prefix in _LEFT_OUT)}."
        )
    parts = ReleasedFile(
        path=path,
        adapter=_below(adapter_prefix, used) if adapter_prefix else {},
        head=_below(HEAD, used),
        vit={
            n: v
            for n, v in _below(BACKBONE, used).items()
            if not adapter_prefix or not (BACKBONE + n).startswith(adapter_prefix)
        },
        left_out=len(tensors) - len(used),
    )
    for needed, part in ((adapter_prefix, parts.adapter), (HEAD, parts.head)):
        if needed and not part:
            raise CheckpointMismatch(
                f"{path} has no tensors {needed}*: its tensors are named {format_names(list(used), 3)}. A pack needs "
                "adapter and head; name the file that the authors released, and its content with --as."
            )
    return parts


def check_tensors(file: ReleasedFile, expected: dict[str, Tensor], adapter_class: type[Adapter] | None) -> None:
    """Compare names and shapes with those that a model needs.

    Args:
        file: The checkpoint.
        expected: Tensors (values are not read) of adapter and head under released names with their prefixes.
        adapter_class: As in `read_released_file`.

    Raises:
        CheckpointMismatch: Tensors are missing, of a different shape, or not used by such a model; the message lists
            them.
    """
    tensors = {f"{HEAD}{name}": value for name, value in file.head.items()}
    spare = [f"{HEAD}{template}" for template in _SPARE_IN_HEAD]
    if adapter_class:
        adapter_prefix = f"{BACKBONE}{adapter_class.reference_prefix}"
        tensors |= {f"{adapter_prefix}{name}": value for name, value in file.adapter.items()}
        spare += [f"{adapter_prefix}{template}" for template in adapter_class.reference_spare]
    allowed = re.compile("|".join(map(pattern, spare)))
    faults = {
        "it lacks": [name for name in expected if name not in tensors],
        "not part of such a model are": [n for n in tensors if n not in expected and not allowed.fullmatch(n)],
        "of a different shape are": [
            f"{name} {tuple(tensors[name].shape)} (needed: {tuple(value.shape)})"
            for name, value in expected.items()
            if name in tensors and tensors[name].shape != value.shape
        ],
    }
    sentences = [f"{fault} {len(names)} tensors: {format_names(names)}" for fault, names in faults.items() if names]
    if sentences:
        raise CheckpointMismatch(f"{file.path} does not fit the model that its sizes describe; {'; '.join(sentences)}.")


def format_names(names: Iterable[str], max_names: int = _MAX_LISTED) -> str:
    """Return the first names in order, and the number of the others."""
    ordered = sorted(names)
    more = f" and {len(ordered) - max_names} more" if len(ordered) > max_names else ""
    return ", ".join(ordered[:max_names]) + more


def _prefixes() -> dict[str, str]:
    """Return name in configs/method/ -> prefix of its tensors, for all methods released in this layout."""
    classes = {cls for cls in MODELS.module_dict.values() if isinstance(cls, type) and issubclass(cls, Adapter)}
    return {
        cls.__module__.rpartition(".")[2]: f"{BACKBONE}{cls.reference_prefix}"
        for cls in classes
        if cls.reference_prefix is not None
    }


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
