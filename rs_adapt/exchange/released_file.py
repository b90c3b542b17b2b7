"""A released checkpoint, read and sorted: the adapter's tensors, the head's, the ViT's."""

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

# What training alone needs: the averaged copy of a teacher, and the normalisation, which the configuration has.
_LEFT_OUT = ("ema_model.", "data_preprocessor.")
# mmdetection's heads own a classifier that Mask2Former never calls; with linked queries there are no learned ones.
_SPARE_IN_HEAD = ("conv_seg.*", "query_embed.weight")
_SHOWN = 8


@dataclass(frozen=True, kw_only=True)
class ReleasedFile:
    """The parts of a checkpoint that matter here, each under its names without the prefix of the part.

    Args:
        path: The file.
        adapter: Tensors of the adapter; empty without one.
        head: Tensors of the decode head.
        vit: Tensors of the backbone beside the adapter; empty in files of adapter and head alone.
        left_out: How many tensors are of use in training only.
    """

    path: Path
    adapter: dict[str, Tensor]
    head: dict[str, Tensor]
    vit: dict[str, Tensor]
    left_out: int


def read_released(path: Path, adapter_class: type[Adapter] | None) -> ReleasedFile:
    """Read a checkpoint as its authors released it, without running anything in it.

    Args:
        path: A file of PyTorch (plain state dict or checkpoint of mmengine) or of safetensors.
        adapter_class: The method whose adapter it should hold, or None for a head on the plain backbone.

    Raises:
        WeightsError: The file is missing, damaged, or holds Python objects.
        CheckpointMismatch: It holds no head, another method's adapter or none, or tensors that belong to no part.
    """
    tensors = read_tensors(path)
    if all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): value for name, value in tensors.items()}
    kept = {name: value for name, value in tensors.items() if not name.startswith(_LEFT_OUT)}
    own = f"{BACKBONE}{adapter_class.reference_prefix}" if adapter_class else None
    for name, prefix in _prefixes().items():
        if prefix != own and any(key.startswith(prefix) for key in kept):
            raise CheckpointMismatch(
                f"{path} holds an adapter of {name.replace('_', '-')} ({prefix}*). Import it with "
                f"--as {name.replace('_', '-')}."
            )
    if unknown := [name for name in kept if not name.startswith((BACKBONE, HEAD))]:
        raise CheckpointMismatch(
            f"{path} holds {len(unknown)} tensors that belong to no part of a released model: {listed(unknown)}. "
            f"Known: {BACKBONE}*, {HEAD}* and, left out, {', '.join(f'{prefix}*' for prefix in _LEFT_OUT)}."
        )
    parts = ReleasedFile(
        path=path,
        adapter=_below(own, kept) if own else {},
        head=_below(HEAD, kept),
        vit={n: v for n, v in _below(BACKBONE, kept).items() if not own or not (BACKBONE + n).startswith(own)},
        left_out=len(tensors) - len(kept),
    )
    for needed, part in ((own, parts.adapter), (HEAD, parts.head)):
        if needed and not part:
            raise CheckpointMismatch(
                f"{path} holds no tensors {needed}*: its tensors are named {listed(list(kept), 3)}. A pack needs "
                "adapter and head; name the file that the authors released, and with --as what it is."
            )
    return parts


def check_tensors(file: ReleasedFile, expected: dict[str, Tensor], adapter_class: type[Adapter] | None) -> None:
    """Compare names and shapes with those that a model needs.

    Args:
        file: The checkpoint.
        expected: Tensors (values are not read) of adapter and head under released names with their prefixes.
        adapter_class: As in `read_released`.

    Raises:
        CheckpointMismatch: Tensors are missing, of another shape, or of no use to such a model; lists them.
    """
    given = {f"{HEAD}{name}": value for name, value in file.head.items()}
    spare = [f"{HEAD}{template}" for template in _SPARE_IN_HEAD]
    if adapter_class:
        own = f"{BACKBONE}{adapter_class.reference_prefix}"
        given |= {f"{own}{name}": value for name, value in file.adapter.items()}
        spare += [f"{own}{template}" for template in adapter_class.reference_spare]
    allowed = re.compile("|".join(map(pattern, spare)))
    faults = {
        "it lacks": [name for name in expected if name not in given],
        "no part of such a model are": [n for n in given if n not in expected and not allowed.fullmatch(n)],
        "of another shape are": [
            f"{name} {tuple(given[name].shape)} (needed: {tuple(value.shape)})"
            for name, value in expected.items()
            if name in given and given[name].shape != value.shape
        ],
    }
    told = [f"{what} {len(names)} tensors: {listed(names)}" for what, names in faults.items() if names]
    if told:
        raise CheckpointMismatch(f"{file.path} does not fit the model that its sizes describe; {'; '.join(told)}.")


def listed(names: Iterable[str], shown: int = _SHOWN) -> str:
    """Return the first names in order, and how many more there are."""
    ordered = sorted(names)
    more = f" and {len(ordered) - shown} more" if len(ordered) > shown else ""
    return ", ".join(ordered[:shown]) + more


def _prefixes() -> dict[str, str]:
    """Name in configs/method/ -> prefix of its tensors, of all methods that were released in this layout."""
    classes = {cls for cls in MODELS.module_dict.values() if isinstance(cls, type) and issubclass(cls, Adapter)}
    return {
        cls.__module__.rpartition(".")[2]: f"{BACKBONE}{cls.reference_prefix}"
        for cls in classes
        if cls.reference_prefix is not None
    }


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
