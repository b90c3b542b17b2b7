"""Compare resolved configurations key by key, without the paths that differ from machine to machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from rs_adapt.config.added_keys import without_added_keys
from rs_adapt.config.facts import ConfigNode

ABSENT = "(not there)"
_MACHINE = {"work_dir", "data_root", "prepared_dir"}
_WEIGHTS = ("weights", "text_weights")
# Keys that change the speed or the log of a run, but no score.
_NO_SCORE_STARTS = (
    "runtime.num_workers",
    "runtime.pin_memory",
    "runtime.memory",
    "runtime.sharding",
    "runtime.base_precision",
    "log_",
    "visualizer",
    "env_cfg.mp_cfg",
    "default_hooks.logger",
)
_NO_SCORE_ENDS = (".num_workers", ".persistent_workers", ".how_to_get", ".title")


@dataclass(frozen=True, kw_only=True)
class ChangedKey:
    """A dotted key with its value now and before."""

    key: str
    now: Any
    before: Any


def moves_scores(key: str) -> bool:
    """Return whether a change of a dotted key can change a score."""
    return not key.startswith(_NO_SCORE_STARTS) and not key.endswith(_NO_SCORE_ENDS)


def lookup(tree: Any, key: str) -> Any:
    """Return the value at a dotted key, inside a strategy's segmentor too; `ABSENT` where there is none."""
    for name in (key, key.replace("model.", "model.segmentor.", 1)) if key.startswith("model.") else (key,):
        node = tree
        for part in name.split("."):
            if isinstance(node, Mapping) and part in node:
                node = node[part]
            elif isinstance(node, list | tuple) and part.isdigit() and int(part) < len(node):
                node = node[int(part)]
            else:
                break
        else:
            return node
    return ABSENT


def equal_values(value: Any, other: Any) -> bool:
    """Return whether two values are equal; a list equals a tuple of the same items."""
    return bool(_plain(value) == _plain(other))


def without_machine_paths(tree: ConfigNode) -> ConfigNode:
    """Return a configuration with placeholders for the paths of this machine, and without later defaults."""
    places = {
        str(tree.get(key)): f"<{key}>"
        # The longer path first, because tiles may be prepared below the data root.
        for key in sorted(("prepared_dir", "data_root"), key=lambda key: -len(str(tree.get(key))))
        if tree.get(key)
    }
    portable = {key: value for key, value in without_added_keys(tree).items() if key not in _MACHINE}
    named: ConfigNode = _without_weights_folder(replace_paths(portable, places))
    return named


def replace_paths(value: Any, places: Mapping[str, str]) -> Any:
    """Return a tree whose paths at or below a key of `places` start with the value of that key instead."""
    if isinstance(value, Mapping):
        return {key: replace_paths(item, places) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(replace_paths(item, places) for item in value)
    if isinstance(value, str):
        for place, name in places.items():
            if value == place or value.startswith(f"{place}/"):
                return name + value[len(place) :]
    return value


def differences(now: ConfigNode, before: ConfigNode) -> list[ChangedKey]:
    """Return the keys in which two configurations differ, in order of the first."""
    return [
        ChangedKey(key=key, now=a, before=b)
        for key, a, b in _pairs(now, before, "")
        # A bench of your own is compared by the content of its file, not by its path.
        if not key.endswith(".how_to_get") and not (key == "cell.bench" and str(a).endswith((".toml", ".json")))
    ]


def _pairs(now: Any, before: Any, key: str) -> Iterator[tuple[str, Any, Any]]:
    dot = f"{key}." if key else ""
    if isinstance(now, Mapping) and isinstance(before, Mapping):
        for name in dict.fromkeys([*now, *before]):
            yield from _pairs(now.get(name, ABSENT), before.get(name, ABSENT), f"{dot}{name}")
    elif _tables(now) and _tables(before) and len(now) == len(before):
        for index, (item, other) in enumerate(zip(now, before, strict=True)):
            yield from _pairs(item, other, f"{dot}{index}")
    elif not equal_values(now, before):
        yield key, now, before


def _tables(value: Any) -> bool:
    return isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _without_weights_folder(value: Any) -> Any:
    """Return a tree with file names for the paths of weights, whose folder differs from machine to machine."""
    if isinstance(value, Mapping):
        return {
            key: PurePath(item).name if key in _WEIGHTS and isinstance(item, str) else _without_weights_folder(item)
            for key, item in value.items()
        }
    return [_without_weights_folder(item) for item in value] if isinstance(value, list | tuple) else value
