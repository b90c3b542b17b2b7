"""Compose a cell: merge one file per axis in a fixed order, then tune, override and wire them into one config."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from rs_adapt.config import axes, axis_files, methods, open_tables, paths
from rs_adapt.config import overrides as strict
from rs_adapt.config.cell import check_protocol, check_strategy, check_task, default_run_dir
from rs_adapt.config.limits import check_limits, check_relations
from rs_adapt.config.segmentor import segmentor_config
from rs_adapt.config.sizes import check_sizes
from rs_adapt.config.tasks import SEGMENTATION, task_of
from rs_adapt.config.tree import copy_tree, merge_trees
from rs_adapt.config.tuned import values_in_file
from rs_adapt.config.wire_open import settle_setting
from rs_adapt.config.wire_task import wiring_of
from rs_adapt.errors import ConfigError, IncompatibleCell

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from rs_adapt.config.cell import Cell
    from rs_adapt.config.facts import ConfigNode, MergedTree
    from rs_adapt.config.resolved import ResolvedConfig

# Whether data may be used that lack tiles or classes of the bench.
_PARTIAL = "bench.partial"
# The model of super-resolution that brings regions to one pixel size.
_RESOLVE = "bench.resolve"


def compose(
    cell: Cell,
    *,
    overrides: Sequence[str] = (),
    data_root: str | os.PathLike[str] | None = None,
    work_dir: str | os.PathLike[str] | None = None,
    iters: int | None = None,
    batch_size: int | None = None,
    precision: str | None = None,
    weights: str | os.PathLike[str] | None = None,
    num_workers: int | None = None,
    partial: bool = False,
    tuned_values: Mapping[str, object] | None = None,
) -> ResolvedConfig:
    """Return the fully resolved config of a cell; mmengine's `Runner.from_cfg` runs it as it is.

    An override of a key of the axis files is applied before the wiring, so everything derived from it follows. An
    override of a key that only the wiring makes is applied after it. Below an open table (`_open_=True`) any key is one
    of the axis files.

    Args:
        cell: The experiment.
        overrides: Texts `key=value`; each key must exist, or lie below an open table.
        data_root: The folder of the data sets; default: `RS_ADAPT_DATA`, else `./data`.
        work_dir: The run folder; default: `work_dirs/<bench>/<setting>/...` below the current folder.
        iters: Training iterations; default: the bench's.
        batch_size: Crops per region and iteration; default: the bench's.
        precision: `fp32` or `bf16`; default: `fp32`.
        weights: Base weights, `random` or a file; default: the backbone's own file in the cache folder.
        num_workers: Loader processes; default: 2.
        partial: Whether data may be used that lack tiles or classes of the bench.
        tuned_values: Values of the adapter that a stored run was tuned with; default: those of the method's file.

    Raises:
        ConfigError: A file, key or value is not usable.
        IncompatibleCell: Two axis values cannot work together.
    """
    check_task(cell)
    check_strategy(cell)
    check_protocol(cell)
    tree = _merged(cell, tuned_values)
    options = option_texts(
        cell,
        iters=iters,
        batch_size=batch_size,
        precision=precision,
        num_workers=num_workers,
        partial=partial,
    )
    return _resolve(
        tree,
        cell,
        texts=[*options, *overrides],
        data_root=paths.data_root(data_root),
        work_dir=Path(work_dir or default_run_dir(cell)).expanduser().resolve(),
        weights=weights,
    )


def option_texts(
    cell: Cell,
    *,
    iters: int | None = None,
    batch_size: int | None = None,
    precision: str | None = None,
    num_workers: int | None = None,
    partial: bool = False,
) -> list[str]:
    """Return options as the `key=value` overrides that they abbreviate; None is left out."""
    options = {
        "bench.schedule.iters": iters,
        f"bench.schedule.batch_size.{cell.setting}": batch_size,
        "runtime.precision": precision,
        "runtime.num_workers": num_workers,
        _PARTIAL: True if partial else None,
    }
    return [f"{key}={value}" for key, value in options.items() if value is not None]


def _resolve(
    tree: ConfigNode,
    cell: Cell,
    *,
    texts: Sequence[str],
    data_root: Path,
    work_dir: Path,
    weights: str | os.PathLike[str] | None,
) -> ResolvedConfig:
    from rs_adapt.config.resolved import ResolvedConfig

    late, full_texts = [], []
    for text, given in zip(texts, strict.parse(texts), strict=True):
        override = strict.expand(tree, given)
        # Recorded in full, so that a record says what was changed without the files.
        full_texts.append(text if override is given else f"{override.key}={override.text}")
        if override.key == _PARTIAL:
            # Not in the files: a run is resumed only if its configuration has the same text, and most have no such key.
            tree["bench"].setdefault("partial", False)
        if override.key == _RESOLVE and task_of(tree["bench"]).name == SEGMENTATION:
            tree["bench"].setdefault("resolve", None)
        if strict.has(tree, override.key) or open_tables.is_open(tree, override.key):
            strict.apply(tree, override)
        else:
            late.append(override)
    tree = open_tables.without_marks(tree)
    check_limits(tree)
    check_sizes(tree)
    for axis in ("method", "head"):
        _check_requires(tree, cell, axis)
    if cell.setting == "ss" and (tree["bench"]["prepare"] or {}).get("kind") == "scenes":
        # Tiles for the other settings are cut without ever reading these labels.
        tree["bench"] = {**tree["bench"], "prepare": {**tree["bench"]["prepare"], "train_labels": "target"}}
    merged = cast("MergedTree", tree)
    resolved = wiring_of(merged)(merged, cell, data_root=data_root, work_dir=work_dir, weights=weights)
    methods.check_form(cell.method, resolved)
    for override in late:
        if not strict.has(resolved, override.key):
            strict.refuse_unknown(override.key, [tree, resolved])
        strict.apply(resolved, override)
    check_limits(resolved)
    check_relations(resolved)
    if late:
        check_sizes(resolved)
    # As resolved: a relative path would mean a different file where the run is evaluated from another folder.
    used = str(segmentor_config(resolved)["backbone"]["weights"])
    return ResolvedConfig(resolved, overrides=tuple(full_texts), weights=used if weights else None)


def _check_requires(tree: ConfigNode, cell: Cell, axis: str) -> None:
    """Refuse the cell where a value of one axis requires a different value of another axis.

    `requires` maps an axis to the names allowed there; `reason` says why; `unless` holds config keys with the values
    that lift the requirement.
    """
    requires = dict(tree.get(axis, {}).get("requires") or {})
    reason = requires.pop("reason", "its file requires it")
    unless = requires.pop("unless", {})
    if any(strict.has(tree, key) and strict.get(tree, key) == value for key, value in unless.items()):
        return
    for other, allowed in requires.items():
        value = getattr(cell, other)
        if value not in allowed:
            lift = "".join(f", or --set {key}={free}" for key, free in unless.items())
            raise IncompatibleCell(
                f"{axis} {getattr(cell, axis)} does not work with {other} {value}: {reason}. "
                f"Allowed: --{other} {' or '.join(allowed)}{lift}."
            )


def _merged(cell: Cell, tuned_values: Mapping[str, object] | None) -> ConfigNode:
    tree: ConfigNode = {}
    for axis in axis_files.FILE_AXES:
        name = "default" if axis == "runtime" else getattr(cell, axis)
        tree = merge_trees(tree, axes.load(axis, name))
    tree.pop("tuned", None)
    tree.pop("tuned_on", None)
    settle_setting(tree, cell)
    values = tuned_values
    if values is None:
        values = values_in_file(cell.method, cell.setting, cell.bench) if cell.tuned else {}
    _apply_tuned(tree, values, cell)
    # Stored, so that a run's config says which values were tuned for it; empty where none were.
    tree["method"]["tuned"] = {key: copy_tree(value) for key, value in values.items()}
    return tree


def _apply_tuned(tree: ConfigNode, values: Mapping[str, object], cell: Cell) -> None:
    adapter = tree["model"]["backbone"].get("adapter") or {}
    for key, value in values.items():
        if key not in adapter:
            raise ConfigError(
                f"configs/method/{cell.method}.py tunes {key!r} for {cell.setting} on {cell.bench}, but its adapter "
                f"has no such key. Known: {', '.join(adapter) or 'none'}."
            )
        adapter[key] = copy_tree(value)
