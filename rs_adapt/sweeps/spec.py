"""A sweep's file: which values of each axis are crossed, what is left out, and how cells are started."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rs_adapt.config.own.keys import Keys
from rs_adapt.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

# The names that say which cell: texts, but for the seed.
AXES = ("bench", "setting", "direction", "method", "backbone", "head", "strategy", "protocol", "seed")
LAUNCHERS = ("local", "inline", "slurm")
CLUSTERS = ("slurm", "local")
# What an extra group of cells may say besides its axes.
_EXTRA = ("name", "set", "iters", "untuned")
_TOP = (
    "title",
    *AXES,
    *_EXTRA,
    "precision",
    "weights",
    "data_root",
    "retries",
    "include",
    "skip",
    "launcher",
)
_LAUNCHER = ("kind", "jobs", "gpus", "processes_per_cell", "command", "cluster", "slurm")

Axes = dict[str, tuple[Any, ...]]


@dataclass(frozen=True, kw_only=True)
class Group:
    """Values of axes that are crossed, and what is changed in all cells of them.

    `name` is part of the folders' names; empty for the sweep's own lists. An axis that is absent takes the default of
    the command line.
    """

    where: str
    name: str
    axes: Axes
    set: tuple[str, ...]
    iters: int | None
    untuned: bool


@dataclass(frozen=True, kw_only=True)
class SkipRule:
    """Cells that all of `axes` name are left out, for the `reason`."""

    where: str
    axes: Axes
    reason: str


@dataclass(frozen=True, kw_only=True)
class LauncherSpec:
    """How cells are started.

    Args:
        kind: `local` (processes of this machine), `inline` (this process) or `slurm`.
        jobs: cells at once; None lets the launcher choose.
        gpus: numbers of the GPUs that cells are spread over; None for all, empty for none.
        processes_per_cell: more than one starts a cell under torchrun.
        command: what stands before `train ...`; None for this Python and `-m rs_adapt`.
        cluster: `slurm`, or `local` to try the jobs on this machine.
        slurm: parameters of submitit, such as `timeout_min` and `slurm_partition`.
    """

    kind: str = "local"
    jobs: int | None = None
    gpus: tuple[int, ...] | None = None
    processes_per_cell: int = 1
    command: tuple[str, ...] | None = None
    cluster: str = "slurm"
    slurm: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What a sweep's file says; `retries` is how often a failed cell is started again."""

    file: Path
    name: str
    title: str
    groups: tuple[Group, ...]
    skip: tuple[SkipRule, ...]
    precision: str | None
    weights: str | None
    data_root: str | None
    retries: int
    launcher: LauncherSpec


def read_spec(file: Path) -> Spec:
    """Read a sweep's file.

    Raises:
        ConfigError: it is not there or no TOML, or a key or a type is wrong; the text names file and key. Names of axis
            values are checked when the sweep is expanded.
    """
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"The sweep's file {file} cannot be read: {error.strerror}. Shipped ones are in configs/sweep/."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is no TOML: {error}.") from error
    if "row" in content or "methods" in content or "settings" in content:
        raise ConfigError(
            f"{file} is a table's file for benchmarks/strategy_table.py or benchmarks/method_table.py, not a sweep's. "
            "docs/guides/sweeps.md has the keys of a sweep."
        )
    keys = Keys(content, file, "", _TOP)
    axes = _axes(keys)
    if "bench" not in axes:
        raise keys.error("bench", 'is missing; it must be a bench or a list of them, such as ["loveda-da"]')
    own = Group(where="", name="", axes=axes, **_changes(keys))
    return Spec(
        file=file,
        name=keys.name("name"),
        title=keys.text("title", ""),
        groups=(own, *(_include(entry, own) for entry in _tables(keys, "include", (*AXES, *_EXTRA)))),
        skip=tuple(_skip(entry) for entry in _tables(keys, "skip", (*AXES, "reason"))),
        precision=keys.text("precision", None),
        weights=keys.text("weights", None),
        data_root=keys.text("data_root", None),
        retries=keys.whole("retries", 1, least=0),
        launcher=_launcher(keys.table("launcher", _LAUNCHER)),
    )


def _include(keys: Keys, own: Group) -> Group:
    changes = _changes(keys)
    return Group(
        where=keys.where,
        name=keys.name("name") if "name" in keys.given else "",
        # What it does not say is as in the sweep's own lists.
        axes=own.axes | _axes(keys),
        set=(*own.set, *changes["set"]),
        iters=changes["iters"] if "iters" in keys.given else own.iters,
        untuned=changes["untuned"] if "untuned" in keys.given else own.untuned,
    )


def _skip(keys: Keys) -> SkipRule:
    axes = _axes(keys)
    if not axes:
        raise ConfigError(f"{keys.file}: {keys.where} names no axis, so it would skip all. Known: {', '.join(AXES)}.")
    return SkipRule(where=keys.where, axes=axes, reason=keys.text("reason"))


def _changes(keys: Keys) -> dict[str, Any]:
    iters = keys.whole("iters", 0, least=1) if "iters" in keys.given else None
    return {"set": tuple(keys.texts("set", [])), "iters": iters, "untuned": keys.flag("untuned", False)}


def _axes(keys: Keys) -> Axes:
    return {axis: _values(keys, axis) for axis in AXES if axis in keys.given}


def _values(keys: Keys, axis: str) -> tuple[Any, ...]:
    value = keys.given[axis]
    values = value if isinstance(value, list) else [value]
    kind, what = (int, "whole numbers from 0") if axis == "seed" else (str, "names")
    right = all(isinstance(item, kind) and not isinstance(item, bool) and item != "" for item in values)
    if not values or not right or (axis == "seed" and min(values) < 0):
        raise keys.error(axis, f"is {value!r}; it must be one or a list of {what}")
    return tuple(values)


def _launcher(keys: Keys) -> LauncherSpec:
    gpus = keys.given.get("gpus")
    if gpus is not None and not (isinstance(gpus, list) and all(type(one) is int and one >= 0 for one in gpus)):
        raise keys.error("gpus", f"is {gpus!r}; it must be a list of numbers of GPUs, such as [0, 1], or [] for none")
    command = keys.texts("command", [])
    processes = keys.whole("processes_per_cell", 1, least=1)
    if command and processes > 1:
        raise keys.error(
            "command", "cannot stand beside processes_per_cell, which starts torchrun itself; leave one of them out"
        )
    return LauncherSpec(
        kind=_one_of(keys, "kind", "local", LAUNCHERS),
        jobs=keys.whole("jobs", 1, least=1) if "jobs" in keys.given else None,
        gpus=None if gpus is None else tuple(gpus),
        processes_per_cell=processes,
        command=tuple(command) or None,
        cluster=_one_of(keys, "cluster", "slurm", CLUSTERS),
        slurm=dict(keys.table("slurm", None).given),
    )


def _one_of(keys: Keys, key: str, default: str, allowed: tuple[str, ...]) -> str:
    value = str(keys.text(key, default))
    if value not in allowed:
        raise keys.error(key, f"is {value!r}; allowed are {', '.join(allowed)}")
    return value


def _tables(keys: Keys, key: str, known: tuple[str, ...]) -> list[Keys]:
    value = keys.given.get(key, [])
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise keys.error(key, f"is {value!r}; it must be tables [[{key}]]")
    return [Keys(entry, keys.file, f"{key} {number}", known) for number, entry in enumerate(value, start=1)]
