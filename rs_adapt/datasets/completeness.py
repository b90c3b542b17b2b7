"""Compare the tiles of a shipped bench with the published ones before anything is trained on them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rs_adapt.datasets.roles import data_roles
from rs_adapt.datasets.tile_files import list_tiles
from rs_adapt.datasets.tile_sets import published_tiles
from rs_adapt.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rs_adapt.config.resolved import ResolvedConfig

_TRAINING = ("labelled", "unlabelled")


def check_completeness(
    cfg: ResolvedConfig, label_counts_NV: NDArray[np.int64] | None, *, is_resumed: bool = False
) -> tuple[str, ...]:
    """Refuse tiles or classes that are missing, unless the configuration says `bench.partial`.

    Args:
        cfg: The resolved configuration.
        label_counts_NV: Pixels of each label value (0 to 255) in each labelled training tile, shape (N, 256); None for
            a run that reads no labels.
        is_resumed: Whether the run has begun on these data; older versions began without this check.

    Returns:
        A sentence for the result, where the data are partial.

    Raises:
        DataError: A folder does not hold the published number of tiles, or the training labels lack a class.
    """
    trained, scored = _incomplete(cfg, data_roles(cfg))
    absent = [] if label_counts_NV is None else _absent_classes(cfg, label_counts_NV)
    lacks = [*trained, *scored]
    if absent:
        lacks.append(f"no pixel of {', '.join(absent)} in the training labels")
    if not lacks:
        return ()
    if not (cfg.bench.get("partial") or is_resumed):
        raise DataError(
            f"The data of bench {cfg.bench.name} are not complete: {'; '.join(lacks)}. "
            f"{_trained_on(cfg).how_to_get} To use these data nevertheless, add --partial: each "
            "result then states it, because its scores cannot be compared with those of the whole bench."
        )
    parts = [f"trained on {' and '.join(trained)}"] if trained else []
    parts += [f"scored on {' and '.join(scored)}"] if scored else []
    parts += [f"no pixel of {', '.join(absent)} in the training labels"] if absent else []
    return (f"Partial data: {'; '.join(parts)}.",)


def describe_incomplete_split(cfg: ResolvedConfig, settings: Mapping[str, Any]) -> str | None:
    """Return a sentence for a score on a split that lacks tiles; None for a complete one.

    Args:
        cfg: The resolved configuration.
        settings: The arguments of the split's `TileDataset`.
    """
    _, scored = _incomplete(cfg, {"test": settings})
    return f"Partial data: scored on {scored[0]}." if scored else None


def check_zero_label(cfg: ResolvedConfig, label_counts_NV: NDArray[np.int64]) -> None:
    """Refuse labels that begin at 0 where the bench takes 0 for "no class".

    Args:
        cfg: The resolved configuration.
        label_counts_NV: Pixels of each label value (0 to 255) in each labelled training tile, shape (N, 256).

    Raises:
        DataError: `reduce_zero_label` is set for your own scenes, or the last class never occurs while 0 does.
    """
    bench, classes = cfg.bench, _label_classes(cfg)
    num_classes = len(classes)
    if not bench.reduce_zero_label:
        return
    if bench.get("own"):
        raise DataError(
            f"bench.reduce_zero_label is set, but the tiles of your own scenes hold the classes from 0 on: 0 is "
            f"{bench.classes[0]}, and no value stands for no class. Remove bench.reduce_zero_label."
        )
    used_V = label_counts_NV.sum(axis=0) > 0
    if used_V[0] and used_V[1:num_classes].all() and not used_V[num_classes]:
        name = cfg.train_dataloader.dataset.labelled.name
        raise DataError(
            f"{name}: the labels hold the values 0 to {num_classes - 1}, so they seem to count the {num_classes} "
            f"classes from 0. Bench {bench.name} takes 0 for no class and 1 to {num_classes} for the classes "
            "(bench.reduce_zero_label). Add 1 to the labels, or set bench.reduce_zero_label=false."
        )


def _trained_on(cfg: ResolvedConfig) -> Any:
    stream = cfg.train_dataloader.dataset
    return stream.unlabelled if stream.labelled is None else stream.labelled


def _incomplete(cfg: ResolvedConfig, roles: Mapping[str, Mapping[str, Any]]) -> tuple[list[str], list[str]]:
    """Return the folders to train on and those to score on that lack tiles, as phrases."""
    if cfg.bench.get("prepare"):
        # These tiles are made here, of scenes that are all there.
        return [], []
    published = published_tiles(cfg.bench.to_dict(), Path(cfg.data_root))
    phrases: dict[Path, str] = {}
    training: set[Path] = set()
    for role, settings in roles.items():
        folder = Path(settings["img_dir"])
        number = published[folder][1] if folder in published else None
        if number is None:
            continue
        found = len(list_tiles({**settings, "spread": None}))
        if found != number:
            phrases[folder] = f"{found} of {number} tiles of {settings['name']}"
            training |= {folder} if role in _TRAINING else set()
    trained = [phrase for folder, phrase in phrases.items() if folder in training]
    return trained, [phrase for folder, phrase in phrases.items() if folder not in training]


def _absent_classes(cfg: ResolvedConfig, label_counts_NV: NDArray[np.int64]) -> list[str]:
    if cfg.bench.get("prepare"):
        return []
    first = 1 if cfg.bench.reduce_zero_label else 0
    pixels_V = label_counts_NV.sum(axis=0)
    return [name for value, name in enumerate(_label_classes(cfg), start=first) if not pixels_V[value]]


def _label_classes(cfg: ResolvedConfig) -> list[str]:
    """Return the classes of the training labels, in the order of their values."""
    labelled = cfg.train_dataloader.dataset.labelled
    return list(cfg.bench.classes if labelled is None else labelled.classes)
