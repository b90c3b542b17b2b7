"""Open tables: tables of the axis files that take keys which the file does not name.

A key of an axis file must exist before it can be set, so that a misspelt one is found at once. Where a library, not the
file, knows the keys, the file marks the table with `_open_=True`: any key below it can then be set, to any plain value,
and whoever reads the table checks both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rs_adapt.errors import ConfigError

if TYPE_CHECKING:
    from rs_adapt.config.facts import ConfigNode

MARK = "_open_"


def is_open(tree: ConfigNode, key: str) -> bool:
    """Return whether a dotted key lies below an open table, whether or not it has a value."""
    node: Any = tree
    for part in key.split("."):
        if isinstance(node, dict) and node.get(MARK):
            return part != MARK
        node = node.get(part) if isinstance(node, dict) else None
    return False


def put(tree: ConfigNode, key: str, value: Any) -> None:
    """Store a value below an open table, in place; tables on the way to it are made.

    Raises:
        ConfigError: The key leads through a value that is no table, or the value is a table.
    """
    *way, last = key.split(".")
    node: Any = tree
    for depth, part in enumerate(way, start=1):
        node = node.setdefault(part, {})
        if node is None or not isinstance(node, dict):
            raise ConfigError(f"--set {key}: {'.'.join(way[:depth])} is {node!r}, which has no entries.")
    if isinstance(value, dict) or isinstance(node.get(last), dict):
        raise ConfigError(f"--set {key}: that is a table. Set its entries, as in --set {key}.NAME=VALUE.")
    node[last] = value


def without_marks(tree: Any) -> Any:
    """Return a copy of a tree without the marks of open tables."""
    if isinstance(tree, dict):
        return {key: without_marks(value) for key, value in tree.items() if key != MARK}
    return type(tree)(map(without_marks, tree)) if isinstance(tree, list | tuple) else tree
