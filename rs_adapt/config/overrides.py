"""Overrides `--set key=value`: the key must exist, and the value must be of the same kind as the one it replaces."""

from __future__ import annotations

import ast
import dataclasses
import difflib
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from rs_adapt.config import open_tables, words
from rs_adapt.errors import ConfigError
from rs_adapt.path_names import path_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rs_adapt.config.facts import ConfigNode

_WORDS = {"true": True, "false": False, "none": None, "null": None}
# Keys with their own option, which sets more than one key.
_OPTION_FOR = {
    "cell": "use the axis options (--bench, --method, ...)",
    "randomness": "use --seed",
    "data_root": "use --data-root",
    "work_dir": "use --work-dir",
    "default_scope": "it names the registry in which all parts are looked up",
    "custom_imports": "modules are registered by rs-adapt",
    "prepared_dir": "use RS_ADAPT_HOME, below which tiles are prepared",
}
# Names that state what is run, in reports and packs.
_NAMED_BY = {f"{axis}.name": f"--{axis}" for axis in ("bench", "protocol", "strategy", "method", "backbone", "head")}
_NAMED_BY |= {"bench.direction": "--direction", "bench.family": "--bench", "protocol.version": "--protocol"}
_ADAPTER = "model.backbone.adapter."
# The bench whose images a model of super-resolution learns, by name or as a file.
REGION_KEY = "bench.prepare.bench"
_BENCH_SUFFIXES = (".toml", ".json")
_QUOTES = "'\""
# Beyond 64 bits no library takes a whole number.
_MAX_INT = 2**63
# Arguments of adapters and strategies, and a rule of the optimizer, where None means "without"; elsewhere None would
# only fail later.
_MAY_BE_NONE = (_ADAPTER, "strategy.", "method.paramwise.norm_decay_mult", "method.weight_decay_end")
# Numbers that may also be a text: a probability or a share such as `60%`, a temperature or `auto`.
_NUMBER_OR_TEXT = ("strategy.confidence", "strategy.class_sampling.temperature")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Override:
    """An override of one key.

    Args:
        key: The dotted key; a number is an index into a list, as in `param_scheduler.0.power`.
        text: The value as the user wrote it.
        value: The Python literal, or the text itself if it is not a literal.
    """

    key: str
    text: str
    value: Any


def parse(items: Sequence[str]) -> list[Override]:
    """Return overrides from `key=value` texts.

    Raises:
        ConfigError: A text has no `=` or no key, or there is a separate option for its key or for what it names.
    """
    parsed = []
    for item in items:
        key, equals, text = item.partition("=")
        key, text = key.strip(), text.strip()
        if not equals or not key:
            raise ConfigError(f"--set {item!r} does not have the form key=value, such as --set optim.lr=6e-5.")
        option = _OPTION_FOR.get(key.split(".")[0])
        if option:
            raise ConfigError(f"--set cannot change {key!r}: {option}.")
        if key in _NAMED_BY:
            # A received pack may name anything: a name that leads out of a folder is reported as such.
            path_name(text.strip(_QUOTES), what=key)
            raise ConfigError(
                f"--set cannot change {key!r}: it names what is run, and would not change it. Use {_NAMED_BY[key]}."
            )
        parsed.append(Override(key=key, text=text, value=_literal(text)))
    return parsed


def for_packs(texts: Sequence[str]) -> list[str]:
    """Return overrides as packs state them: files of text weights and of a bench of your own by their names alone."""
    named = []
    for text in texts:
        key, equals, value = text.partition("=")
        if key.strip() == "bench.resolve":
            # The run folder holds a copy of that model, and the manifest says which it is.
            continue
        is_file = key.strip().endswith(".text_weights") or is_region_file(text)
        named.append(f"{key}{equals}{PurePath(value.strip().strip(_QUOTES)).name}" if is_file else text)
    return named


def is_region_file(text: str) -> bool:
    """Return whether a text `key=value` names a bench of your own whose images super-resolution learns."""
    key, _, value = text.partition("=")
    return key.strip() == REGION_KEY and value.strip().strip(_QUOTES).endswith(_BENCH_SUFFIXES)


def expand(tree: ConfigNode, override: Override) -> Override:
    """Return an override with its key in full: `method.KEY` is short for an argument of the method's adapter.

    `method.rank` is `model.backbone.adapter.rank`, except where the table `method` itself has the key.
    """
    table, _, key = override.key.partition(".")
    full = f"{_ADAPTER}{key}"
    if table != "method" or has(tree, override.key) or not (has(tree, full) or open_tables.is_open(tree, full)):
        return override
    return dataclasses.replace(override, key=full)


def has(tree: ConfigNode, key: str) -> bool:
    """Return whether a dotted key leads to a value."""
    try:
        get(tree, key)
    except LookupError:
        return False
    return True


def get(tree: ConfigNode, key: str) -> Any:
    """Return the value at a dotted key.

    Raises:
        LookupError: There is no value.
    """
    node: Any = tree
    for part in key.split("."):
        if isinstance(node, dict) and part != open_tables.MARK:
            node = node[part]
        elif isinstance(node, list | tuple) and part.isascii() and part.isdigit():
            node = node[int(part)]
        else:
            raise LookupError(part)
    return node


def apply(tree: ConfigNode, override: Override) -> None:
    """Replace the value at an existing key in place; below an open table, set it.

    Raises:
        ConfigError: The key is a table, or the new value is of a different kind.
    """
    if open_tables.is_open(tree, override.key):
        _check_size(override)
        open_tables.put(tree, override.key, override.value)
        return
    _put(tree, override.key.split("."), _convert(get(tree, override.key), override))


def refuse_unknown(key: str, trees: Sequence[ConfigNode]) -> None:
    """Raise the error for a key that no tree has; its text lists the nearest keys.

    Raises:
        ConfigError: Always.
    """
    keys = sorted({name for tree in trees for name in _keys(tree, "")})
    last = key.rpartition(".")[2]
    # The right name in the wrong table is the most common mistake, so an equal last part counts as near.
    same_last = [name for name in keys if name.rpartition(".")[2] == last]
    near = list(dict.fromkeys([*same_last[:3], *difflib.get_close_matches(key, keys, n=4, cutoff=0.55)]))
    hint = f"Nearest: {', '.join(near)}." if near else "No key is similar."
    raise ConfigError(f"--set {key}: there is no such key. {hint} `rs-adapt show` prints all keys.")


def _literal(text: str) -> Any:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        # Also nesting that Python's parser does not follow, and keys of a dict that are none.
        return text


def _convert(old: Any, override: Override) -> Any:
    """Return the new value, converted to the kind of the old one if that loses nothing."""
    new = override.value
    _check_size(override)
    if isinstance(old, dict):
        names = [name for name in old if name != open_tables.MARK] or ["NAME"]
        inner = ", ".join(f"{override.key}.{name}" for name in names[:4])
        raise ConfigError(f"--set {override.key}={override.text}: that key is a table. Set its entries: {inner}.")
    if isinstance(old, list | tuple) and old and all(isinstance(entry, dict) for entry in old):
        _check_tables(override)
    if _is_name(old) and override.text != str(None) and override.text.lower() in _WORDS:
        # Names may be such words: strategy.weighting=none.
        return override.text
    if old is None or type(old) is type(new):
        return new
    if new is None and override.key.startswith(_MAY_BE_NONE):
        return new
    if override.key in _NUMBER_OR_TEXT and type(new) in (int, float, str):
        return float(new) if type(new) is int else new
    if words.is_layers(old) and words.is_layers(new):
        return new
    if words.is_duration(old) and words.is_duration(new) and isinstance(old, str):
        return new
    if isinstance(old, str) and words.is_decay(old) and words.is_decay(new):
        return new
    if isinstance(old, str):
        return override.text
    if type(old) is float and type(new) is int:
        return float(new)
    if type(old) is int and type(new) is float and new.is_integer():
        return int(new)
    if isinstance(old, list | tuple) and isinstance(new, list | tuple):
        return type(old)(new)
    remedy = "Give a value of that kind."
    if override.key.startswith("bench.schedule.batch_size.") and new == words.AUTO:
        remedy = (
            "Give a number: the same configuration has to be the same cell on every machine. `rs-adapt train "
            "--batch-size auto` finds one for a device, and `plan --memory` says what a card fits."
        )
    raise ConfigError(
        f"--set {override.key}={override.text}: expected {_kind(old)} as in {old!r}, got {_kind(new)}. {remedy}"
    )


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and not words.is_layers(value) and not words.is_duration(value)


def _check_tables(override: Override) -> None:
    """Refuse a value for a list of tables that is none, and a pipeline without steps.

    Raises:
        ConfigError: It is such a value.
    """
    new = override.value
    tables = isinstance(new, list | tuple) and all(isinstance(entry, dict) for entry in new)
    if not tables or (not new and override.key.endswith("pipeline")):
        raise ConfigError(
            f"--set {override.key}={override.text[:80]}: expected a list of tables. Set an entry of one, such as "
            f"{override.key}.0.type."
        )


def _check_size(override: Override) -> None:
    if _is_beyond_64_bits(override.value):
        raise ConfigError(f"--set {override.key}: {override.text[:40]} is beyond 64 bits. Give a smaller number.")


def _is_beyond_64_bits(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_is_beyond_64_bits, value))
    return isinstance(value, int) and not -_MAX_INT <= value < _MAX_INT


def _kind(value: Any) -> str:
    kinds = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", type(None): "nothing"}
    return kinds.get(type(value), "a list" if isinstance(value, list | tuple) else f"a {type(value).__name__}")


def _put(node: Any, parts: Sequence[str], value: Any) -> Any:
    """Store a value and return the node; a tuple is replaced by a new one."""
    if not parts:
        return value
    if isinstance(node, tuple):
        index = int(parts[0])
        return (*node[:index], _put(node[index], parts[1:], value), *node[index + 1 :])
    key: Any = int(parts[0]) if isinstance(node, list) else parts[0]
    node[key] = _put(node[key], parts[1:], value)
    return node


def _keys(node: Any, prefix: str) -> Iterator[str]:
    items: Any = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, value in items:
        if name == open_tables.MARK:
            continue
        if not isinstance(node, list):
            yield f"{prefix}{name}"
        yield from _keys(value, f"{prefix}{name}.")
