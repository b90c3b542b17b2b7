"""The axis files: one file per value or family of values of an axis, each held to the keys that its axis owns."""

from __future__ import annotations

import ast
import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from rs_adapt.config.paths import configs_dir
from rs_adapt.config.tree import copy_tree
from rs_adapt.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rs_adapt.config.facts import ConfigNode

# Axes whose values are files, in merge order. Every dotted key has one owner, so no file can hide the value of another.
FILE_AXES = ("runtime", "bench", "backbone", "head", "method", "strategy", "protocol")

_OWNED_BY_AXIS = {
    "runtime": (
        "default_scope",
        "custom_imports",
        "env_cfg",
        "log_level",
        "log_processor",
        "visualizer",
        "default_hooks",
        "custom_hooks",
        "runtime",
    ),
    "bench": ("bench", "optim"),
    "backbone": ("backbone", "model.backbone"),
    "head": ("head", "model.decode_head"),
    "method": ("method", "model.backbone.adapter", "model.backbone.frozen", "tuned", "tuned_on"),
    "strategy": ("strategy",),
    "protocol": ("protocol",),
}
OWNER = {key: axis for axis, keys in _OWNED_BY_AXIS.items() for key in keys}


def stems(axis: str) -> tuple[str, ...]:
    """Return the stems of an axis's files, sorted; files with a leading underscore are not values."""
    folder = configs_dir() / axis
    # Listed again for each name that is looked up; paths of all files would take most of that time.
    names = os.listdir(folder) if folder.is_dir() else []
    return tuple(sorted(name[:-3] for name in names if name.endswith(".py") and not name.startswith("_")))


def state(axis: str) -> tuple[tuple[Path, int], ...]:
    """Return the files of an axis with their times of change, the key under which what they hold may be cached."""
    paths = [configs_dir() / axis / f"{stem}.py" for stem in stems(axis)]
    return tuple((path, path.stat().st_mtime_ns) for path in paths)


def load_file(axis: str, stem: str) -> ConfigNode:
    """Return the content of one axis file as plain dicts; the caller may change it.

    Raises:
        ConfigError: The file cannot be read, or sets a key that another axis owns.
    """
    return copy_tree(read_file(axis, stem))


def read_file(axis: str, stem: str) -> ConfigNode:
    """Return the content of `load_file` without a copy; all callers share it and must not change it.

    Raises:
        ConfigError: See `load_file`.
    """
    path = configs_dir() / axis / f"{stem}.py"
    return _read(path, path.stat().st_mtime_ns, axis)


def docstring_title(axis: str, stem: str) -> str:
    """Return the first line of a file's docstring; empty if it has none."""
    tree = ast.parse((configs_dir() / axis / f"{stem}.py").read_text(encoding="utf-8"))
    return (ast.get_docstring(tree) or "").partition("\n")[0]


def check_ownership(content: ConfigNode, axis: str, file: Path) -> None:
    """Refuse any key that does not belong to the axis of the file.

    Raises:
        ConfigError: Names the file, the key and its owner.
    """
    for key in _claimed_keys(content, ""):
        owner = owner_of(key)
        if owner != axis:
            home = f"belongs to the {owner} files (configs/{owner}/)" if owner else "belongs to no axis"
            allowed = ", ".join(_OWNED_BY_AXIS[axis])
            raise ConfigError(f"{file} sets {key!r}, which {home}. A {axis} file may set: {allowed}.")


def _claimed_keys(content: ConfigNode, prefix: str) -> Iterator[str]:
    """Yield the shortest dotted keys that have one owner each."""
    for name, value in content.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict) and any(owned.startswith(f"{key}.") for owned in OWNER):
            yield from _claimed_keys(value, f"{key}.")
        else:
            yield key


def owner_of(key: str) -> str | None:
    """Return the axis that owns a dotted key; None for a key that the wiring adds."""
    parts = key.split(".")
    prefixes = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((OWNER[prefix] for prefix in prefixes if prefix in OWNER), None)


@lru_cache(maxsize=256)
def _read(path: Path, _mtime_ns: int, axis: str) -> ConfigNode:
    from mmengine.config import Config

    try:
        # The run that uses the config imports custom modules; reading it must load no torch.
        content: ConfigNode = Config.fromfile(str(path), import_custom_modules=False).to_dict()
    except Exception as error:
        # A config is Python code of a user, so it may raise anything.
        raise ConfigError(
            f"{path} cannot be read as a config: {type(error).__name__}: {error}. Fix the file."
        ) from error
    check_ownership(content, axis, path)
    return content
