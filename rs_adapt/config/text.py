"""Format a config as Python text that is short and that mmengine reads back to an equal config.

mmengine's own `pretty_text` formats with yapf, which takes seconds on a resolved config.
"""

from __future__ import annotations

import keyword
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmengine.config import Config

    from rs_adapt.config.facts import ConfigNode

_WIDTH = 120


def to_python(cfg: Config) -> str:
    """Return the config as Python assignments, one per top-level key in sorted order, with a final newline.

    Values are dicts, lists, tuples, texts, numbers, booleans and None; `Config.fromfile` on the text gives an equal
    config.
    """
    return tree_to_python(cfg.to_dict())


def tree_to_python(tree: ConfigNode) -> str:
    """Return the same as `to_python` of a configuration that is plain dicts."""
    return "".join(f"{key} = {_text(tree[key], column=len(key) + 3, indent=0)}\n" for key in sorted(tree))


def _text(value: Any, *, column: int, indent: int) -> str:
    """Return the value on one line if it fits after `column`, else with one entry per line."""
    flat = _flat(value)
    if column + len(flat) < _WIDTH or not isinstance(value, dict | list | tuple) or not value:
        return flat
    inner = indent + 4
    opening, closing, entries = _parts(value)
    lines = [f"{' ' * inner}{name}{_text(item, column=inner + len(name), indent=inner)},\n" for name, item in entries]
    return f"{opening}\n{''.join(lines)}{' ' * indent}{closing}"


def _flat(value: Any) -> str:
    if not isinstance(value, dict | list | tuple):
        return repr(value)
    opening, closing, entries = _parts(value)
    inner = ", ".join(f"{name}{_flat(item)}" for name, item in entries)
    comma = "," if isinstance(value, tuple) and len(value) == 1 else ""
    return f"{opening}{inner}{comma}{closing}"


def _parts(value: Any) -> tuple[str, str, list[tuple[str, Any]]]:
    """Return the opening bracket, the closing one, and each value with the text before it."""
    if isinstance(value, dict):
        if all(isinstance(key, str) and key.isidentifier() and not keyword.iskeyword(key) for key in value):
            return "dict(", ")", [(f"{key}=", item) for key, item in value.items()]
        return "{", "}", [(f"{key!r}: ", item) for key, item in value.items()]
    opening, closing = ("[", "]") if isinstance(value, list) else ("(", ")")
    return opening, closing, [("", item) for item in value]
