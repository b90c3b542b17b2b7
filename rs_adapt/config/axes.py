"""The values of every axis by name: files in `configs/`, composite methods, and your own benches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_adapt.config import axis_files, directions, methods
from rs_adapt.config.names import normalize, unknown_name_message
from rs_adapt.config.own import bench as own_bench
from rs_adapt.config.plugin_methods import plugin_faults, plugin_methods
from rs_adapt.config.tasks import TASKS, task_of, works_for
from rs_adapt.config.tree import copy_tree
from rs_adapt.errors import UnknownName

if TYPE_CHECKING:
    from rs_adapt.config.facts import BackboneFacts, BenchFacts, ConfigNode, ProtocolFacts, StrategyFacts


def values(axis: str) -> tuple[str, ...]:
    """Return the names of all values of an axis, sorted: the stems of its config files, or what these hold.

    Raises:
        ConfigError: A bench's file cannot be read.
    """
    if axis == "bench":
        return directions.names()
    stems = axis_files.stems(axis)
    if axis == "method":
        return tuple(sorted([*(name for stem in stems for name in methods.names(stem)), *plugin_methods()]))
    return stems


def find(axis: str, name: str) -> str:
    """Return the canonical name of the value that a user's name means.

    Raises:
        UnknownName: No value of the axis has that name; the text lists the nearest and all allowed names.
    """
    if axis == "method" and methods.is_composite(name):
        return methods.find(name)
    if axis == "bench" and own_bench.is_own(name):
        return own_bench.find(name)
    if axis == "bench" and directions.file_stem(normalize(name)):
        return normalize(name)
    names = values(axis)
    if normalize(name) not in names:
        faults = plugin_faults() if axis == "method" else []
        raise UnknownName(" ".join([unknown_name_message(axis, name, names), *faults]))
    return normalize(name)


def load(axis: str, name: str) -> ConfigNode:
    """Return the content of one value as plain dicts, checked for ownership; the caller may change it.

    Raises:
        ConfigError: The file cannot be read, or sets a key that another axis owns.
    """
    return copy_tree(peek(axis, name))


def peek(axis: str, name: str) -> ConfigNode:
    """Return the content of `load` without a copy; all callers share it and must not change it.

    Raises:
        ConfigError: See `load`.
    """
    if axis == "method" and methods.is_composite(name):
        return methods.read(name)
    if axis == "method" and name in plugin_methods():
        return plugin_methods()[name].content
    if axis == "bench" and own_bench.is_own(name):
        return own_bench.peek(name)
    if axis == "bench":
        return directions.read(name)
    return axis_files.read_file(axis, name)


def title(axis: str, name: str) -> str:
    """Return the one-line title of a value: its `title` fact, else the first line of the file's docstring."""
    facts = peek(axis, name).get(axis, {})
    return str(facts["title"]) if "title" in facts else axis_files.docstring_title(axis, name)


def values_for(axis: str, bench: str) -> tuple[str, ...]:
    """Return the names of an axis, as typed, that work for the task of a bench."""
    return tuple(name.replace("_", "-") for name in values_of_task(axis, task_of(bench_facts(bench)).name))


def values_of_task(axis: str, task: str) -> tuple[str, ...]:
    """Return the values of an axis that work for a task, such as "segmentation"; of benches those that have it."""
    if axis == "bench":
        return tuple(name for name in values(axis) if task_of(bench_facts(name)).name == task)
    return tuple(name for name in values(axis) if works_for(TASKS[task], axis, name, peek(axis, name).get(axis) or {}))


def bench_facts(name: str) -> BenchFacts:
    """Return the facts of a bench; all callers share them and must not change them.

    Raises:
        ConfigError: See `load`.
    """
    facts: BenchFacts = peek("bench", name)["bench"]
    return facts


def backbone_facts(name: str) -> BackboneFacts:
    """Return the facts of a backbone, as `bench_facts` does."""
    facts: BackboneFacts = peek("backbone", name)["backbone"]
    return facts


def strategy_facts(name: str) -> StrategyFacts:
    """Return the facts of a strategy, as `bench_facts` does."""
    facts: StrategyFacts = peek("strategy", name)["strategy"]
    return facts


def protocol_facts(name: str) -> ProtocolFacts:
    """Return the facts of a protocol, as `bench_facts` does."""
    facts: ProtocolFacts = peek("protocol", name)["protocol"]
    return facts
