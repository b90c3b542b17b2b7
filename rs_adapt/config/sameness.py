"""Whether two resolved configurations describe the same training: what changes no number is left out. Without torch."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, TypeAlias, cast

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
# Keys at any depth: loaders' processes (samples do not depend on them), and texts for people.
IGNORED = ("num_workers", "persistent_workers", *WORDING)

# JSON values by dotted key.
Settings: TypeAlias = Mapping[str, JsonValue]


def result_settings(text: str, *, file: str) -> Settings:
    """Return the settings in a configuration that change the result, by dotted key.

    Absolute paths are left out, because the content of tiles and weights is compared by fingerprint: one below the data
    or the prepared tiles keeps its end, that of the base weights its name.

    Args:
        text: A resolved configuration as Python, the content of a run's `config.py`.
        file: The file that holds the text, for errors.

    Raises:
        ConfigError: The text is not Python, or holds anything but literals.
    """
    tree = without_added_keys(parse_literals(text, file=file, remedy="Copy the run again.").values)
    roots = [str(tree[key]) for key in ("prepared_dir", "data_root") if tree.get(key)]
    flat: dict[str, JsonValue] = {}
    _flatten(_simplify({key: value for key, value in tree.items() if key not in PLACES}, roots), "", flat)
    return flat


def settings_sha256(text: str, *, file: str) -> str:
    """Return the SHA-256 of `result_settings`."""
    return hashlib.sha256(json.dumps(result_settings(text, file=file), sort_keys=True).encode()).hexdigest()


def changed_settings(before: Settings, now: Settings) -> list[tuple[str, JsonValue, JsonValue]]:
    """Return the keys whose values differ, each with both values; None stands for a missing key."""
    keys = dict.fromkeys((*before, *now))
    return [(key, before.get(key), now.get(key)) for key in keys if before.get(key) != now.get(key)]


def _simplify(value: Any, roots: list[str]) -> JsonValue:
    if isinstance(value, Mapping):
        kept = {str(key): inner for key, inner in value.items() if key not in IGNORED}
        return {
            key: PurePath(inner).name if key == "weights" and isinstance(inner, str) else _simplify(inner, roots)
            for key, inner in kept.items()
        }
    if isinstance(value, list | tuple):
        return [_simplify(inner, roots) for inner in value]
    if isinstance(value, str) and os.path.isabs(value):
        root = next((root for root in roots if value == root or value.startswith(f"{root}/")), None)
        return "<path>" if root is None else f"<folder>{value[len(root) :]}"
    # Configurations hold plain values.
    return cast("JsonValue", value)


def _flatten(value: JsonValue, key: str, flat: dict[str, JsonValue]) -> None:
    if not isinstance(value, dict) or not value:
        flat[key] = value
        return
    for name, inner in value.items():
        _flatten(inner, f"{key}.{name}" if key else name, flat)
