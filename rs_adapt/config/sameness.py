"""Whether two resolved configurations describe the same training: what changes no number is left out. Without torch."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePath
from typing import TypeAlias, cast

from pydantic import JsonValue

from rs_adapt.config.added_keys import without_added_keys
from rs_adapt.config.literals import parse_literals
from rs_adapt.config.wording import WORDING

# Top-level keys about folders, logging and tools, which do not change the result.
PLACES = (
    "work_dir",
    "data_root",
    "prepared_dir",
    "log_level",
    "log_processor",
    "visualizer",
    "env_cfg",
    "custom_imports",
    "default_hooks",
    "launcher",
)
# Keys at any depth: loaders' processes and how batches reach a GPU (samples do not depend on them), what is computed
# again in the backward pass, which process holds what of the base, and whether it is cast before the forward pass or in
# it (gradients depend on none of them), and texts for people.
IGNORED = ("num_workers", "persistent_workers", "pin_memory", "memory", "sharding", "base_precision", *WORDING)

# JSON values by dotted key.
Settings: TypeAlias = Mapping[str, JsonValue]


def result_settings(text: str, *, file: str) -> Settings:
    """Return the settings in a configuration that change the result, by dotted key.

    Absolute paths are left out, because the content of tiles and weights is compared by fingerprint: one below the data
    or the prepared tiles keeps its end, that of the base and text weights its name.

    Args:
        text: A resolved configuration as Python, the content of a run's `config.py`.
        file: The file that holds the text, for errors.

    Raises:
        ConfigError: The text is not Python, or holds anything but literals.
    """
    tree = without_added_keys(parse_literals(text, file=file, remedy="Copy the run again.").values)
    roots = [str(tree[key]) for key in ("prepared_dir", "data_root") if tree.get(key)]
    kept = {key: value for key, value in tree.items() if key not in PLACES}
    places = {root: "<folder>" for root in roots if os.path.isabs(root)}
    weights = {
        key: PurePath(value).name
        for key, value in flatten(name_places(kept, {})).items()
        if key.rpartition(".")[2] in ("weights", "text_weights") and isinstance(value, str)
    }
    return flatten(name_places(kept, places, elsewhere="<path>")) | weights


def settings_sha256(text: str, *, file: str) -> str:
    """Return the SHA-256 of `result_settings`."""
    return hashlib.sha256(json.dumps(result_settings(text, file=file), sort_keys=True).encode()).hexdigest()


def changed_settings(before: Settings, now: Settings) -> list[tuple[str, JsonValue, JsonValue]]:
    """Return the keys whose values differ, each with both values; None stands for a missing key."""
    keys = dict.fromkeys((*before, *now))
    return [(key, before.get(key), now.get(key)) for key in keys if before.get(key) != now.get(key)]


def flatten(value: JsonValue) -> dict[str, JsonValue]:
    """Return the values of a tree of dicts by dotted key; an empty dict is a value."""

    def leaves(value: JsonValue, key: str) -> Iterator[tuple[str, JsonValue]]:
        if not isinstance(value, dict) or not value:
            yield key, value
            return
        for name, inner in value.items():
            yield from leaves(inner, f"{key}.{name}" if key else name)

    return dict(leaves(value, ""))


def name_places(
    value: object, names: Mapping[str, str], *, ignored: Collection[str] = IGNORED, elsewhere: str | None = None
) -> JsonValue:
    """Return a tree of plain values as JSON, with names in place of folders of this machine.

    Args:
        value: A part of a configuration or of a manifest.
        names: Names of folders by path; a path below one keeps its end.
        ignored: Keys that are left out, at any depth.
        elsewhere: What stands for absolute paths that are below none of these; None leaves them.
    """
    if isinstance(value, Mapping):
        return {
            str(key): name_places(inner, names, ignored=ignored, elsewhere=elsewhere)
            for key, inner in value.items()
            if key not in ignored
        }
    if isinstance(value, list | tuple):
        return [name_places(inner, names, ignored=ignored, elsewhere=elsewhere) for inner in value]
    if isinstance(value, str):
        for place, name in names.items():
            if value == place or value.startswith(f"{place}/"):
                return name + value[len(place) :]
        if elsewhere is not None and os.path.isabs(value):
            return elsewhere
    # Configurations and manifests hold plain values.
    return cast("JsonValue", value)
