"""Values of a configuration, each with the file and the line that set it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

Key: TypeAlias = str | int


@dataclass(frozen=True, kw_only=True)
class Site:
    """A place in a text: the file as it was named, and the line from 1.

    Attributes:
        file: The file.
        line: The line, from 1.
        changes: Whether the statement there changes a dict that an earlier one made, as `cfg.data.train.split = ...`.
    """

    file: str
    line: int
    changes: bool = False


@dataclass(frozen=True)
class Symbol:
    """A name that a configuration imports from a module, such as a class behind `type=`; the module is not read."""

    name: str


@dataclass(frozen=True)
class Node:
    """A value and the place that set it.

    Attributes:
        value: A plain value, a symbol, a dict of nodes, or a list of nodes; tuples and sets are lists here. Two nodes
            may hold one dict, as two names of a Python file may.
        site: The line of the key, of the assignment, or of an entry of a list.
    """

    value: str | int | float | Symbol | dict[Key, Node] | list[Node] | None
    site: Site

    @property
    def entries(self) -> dict[Key, Node]:
        """The entries of a dict; none for any other value."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def items(self) -> list[Node]:
        """The items of a list; none for any other value."""
        return self.value if isinstance(self.value, list) else []

    @property
    def text(self) -> str:
        """A text, or the name of a symbol; empty for any other value."""
        if isinstance(self.value, Symbol):
            return self.value.name
        return self.value if isinstance(self.value, str) else ""

    def at(self, *path: Key) -> Node | None:
        """Return the node at a path of keys and of positions in lists; None where there is none."""
        node: Node | None = self
        for key in path:
            if node is None:
                return None
            if isinstance(key, int) and node.items:
                node = node.items[key] if -len(node.items) <= key < len(node.items) else None
            else:
                node = node.entries.get(key)
        return node

    def plain(self) -> Any:
        """Return the value without places; a symbol becomes its name."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value.name if isinstance(self.value, Symbol) else self.value


def walk(node: Node, key: str) -> Iterator[tuple[str, Node]]:
    """Yield dotted key and node of a node and of all below it."""
    yield key, node
    inner: list[tuple[Key, Node]] = [*node.entries.items(), *enumerate(node.items)]
    for name, child in inner:
        yield from walk(child, f"{key}.{name}" if key else str(name))


def merged(base: dict[Key, Node], change: dict[Key, Node], spend: Callable[[int], None]) -> dict[Key, Node]:
    """Return a dict with the changes of another, as mmengine merges a configuration into its bases.

    Dicts are merged key by key, unless the change holds `_delete_=True`; any other value replaces what was there.

    Args:
        base: The dict that is changed.
        change: The changes.
        spend: Called with the number of values that are made, to bound them.
    """
    spend(len(base) + len(change))
    result = dict(base)
    for key, node in change.items():
        old = result.get(key)
        if isinstance(node.value, dict):
            fresh = {name: entry for name, entry in node.value.items() if name != "_delete_"}
            deletes = node.value.get("_delete_")
            keeps = old is not None and isinstance(old.value, dict) and not (deletes and deletes.value)
            result[key] = Node(merged(old.entries, fresh, spend) if old and keeps else fresh, node.site)
        else:
            result[key] = node
    return result
