"""Read the axis files (one file per value of one axis) and hold each to the keys that its axis owns."""

from __future__ import annotations

import ast
import difflib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rs_adapt.config import methods
from rs_adapt.config.own import bench as own_bench
from rs_adapt.config.paths import configs_dir
from rs_adapt.errors import ConfigError, UnknownName

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# Merge order. Every dotted key has one owner, so the order can hide nothing.
AXES = ("runtime", "bench", "backbone", "head", "method", "strategy", "protocol")

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
    "method": ("method", "model.backbone.adapter", "model.backbone.frozen", "tuned"),
    "strategy": ("strategy",),
    "protocol": ("protocol",),
}
OWNER = {key: axis for axis, keys in _OWNED_BY_AXIS.items() for key in keys}


def values(axis: str) -> tuple[str, ...]:
    """Return the names of all values of an axis, sorted: the stems of its config files, for peft its methods."""
    stems = sorted(path.stem for path in (configs_dir() / axis).glob("*.py") if not path.stem.startswith("_"))
    if axis == "method":
        return tuple(name for stem in stems for name in methods.names(stem))
    return tuple(stems)


def normal(name: str) -> str:
    """Return a name as file stems spell it: `-` and `_` are the same, and so are upper and lower case."""
    return name.strip().replace("-", "_").lower()


def find(axis: str, name: str) -> str:
    """Return the file stem that a user's name means.

    Raises:
        UnknownName: no file of the axis has that name; the text lists the nearest and all allowed names.
    """
    if axis == "method" and methods.is_composite(name):
        return methods.find(name)
    if axis == "bench" and own_bench.is_own(name):
        return own_bench.find(name)
    known = values(axis)
    if normal(name) not in known:
        raise UnknownName(unknown_text(axis, name, known))
    return normal(name)


def unknown_text(what: str, name: str, known: Sequence[str]) -> str:
    """Return the sentence for a name that does not exist: the nearest names first, then all."""
    spelled = [item.replace("_", "-") for item in known]
    near = difflib.get_close_matches(normal(name).replace("_", "-"), spelled, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return f"There is no {what} {name!r}.{hint} Known: {', '.join(spelled) or 'none'}."


def load(axis: str, name: str) -> dict[str, Any]:
    """Return the content of one axis file as plain dicts, checked for ownership; yours to change.

    Raises:
        ConfigError: the file cannot be read, or sets a key that another axis owns.
    """
    content: dict[str, Any] = copied(peek(axis, name))
    return content


def load_file(axis: str, stem: str) -> dict[str, Any]:
    """Return the content of the file of that name itself, as `load` does; yours to change."""
    content: dict[str, Any] = copied(_peek_file(axis, stem))
    return content


def peek(axis: str, name: str) -> Mapping[str, Any]:
    """Return the same as `load`, but shared by all callers and only to be read; it saves the copy.

    Raises:
        ConfigError: see `load`.
    """
    if axis == "method" and methods.is_composite(name):
        return methods.read(name)
    if axis == "bench" and own_bench.is_own(name):
        return own_bench.peek(name)
    return _peek_file(axis, name)


def _peek_file(axis: str, name: str) -> Mapping[str, Any]:
    path = configs_dir() / axis / f"{name}.py"
    return _read(path, path.stat().st_mtime_ns, axis)


def copied(value: Any) -> Any:
    """Return a copy of a tree of dicts, lists, tuples and plain values; `copy.deepcopy` takes ten times as long."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(copied(item) for item in value)
    return value


def title(axis: str, name: str) -> str:
    """Return the one-line title of a value: its `title` fact, else the first line of the file's docstring."""
    facts = peek(axis, name).get(axis, {})
    if "title" in facts:
        return str(facts["title"])
    tree = ast.parse((configs_dir() / axis / f"{name}.py").read_text(encoding="utf-8"))
    return (ast.get_docstring(tree) or "").partition("\n")[0]


def check_ownership(content: Mapping[str, Any], axis: str, file: Path) -> None:
    """Refuse any key that does not belong to the axis of the file.

    Raises:
        ConfigError: names the file, the key and its owner.
    """
    for key in _claimed_keys(content, ""):
        owner = owner_of(key)
        if owner != axis:
            home = f"belongs to the {owner} files (configs/{owner}/)" if owner else "belongs to no axis"
            allowed = ", ".join(_OWNED_BY_AXIS[axis])
            raise ConfigError(f"{file} sets {key!r}, which {home}. A {axis} file may set: {allowed}.")


def _claimed_keys(content: Mapping[str, Any], prefix: str) -> Iterator[str]:
    """Yield the shortest dotted keys whose owner is settled, whatever lies below them."""
    for name, value in content.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict) and any(owned.startswith(f"{key}.") for owned in OWNER):
            yield from _claimed_keys(value, f"{key}.")
        else:
            yield key


def owner_of(key: str) -> str | None:
    """Return the axis that owns a dotted key, None where the wiring makes it."""
    parts = key.split(".")
    prefixes = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((OWNER[prefix] for prefix in prefixes if prefix in OWNER), None)


@lru_cache(maxsize=256)
def _read(path: Path, _mtime_ns: int, axis: str) -> dict[str, Any]:
    from mmengine.config import Config

    try:
        # Custom modules would be imported by the run that uses the config; reading it must stay free of torch.
        content: dict[str, Any] = Config.fromfile(str(path), import_custom_modules=False).to_dict()
    except Exception as error:
        # A config is Python that a user wrote: whatever it raises, the file is what has to be mended.
        raise ConfigError(f"{path} cannot be read as a config: {type(error).__name__}: {error}") from error
    check_ownership(content, axis, path)
    return content
