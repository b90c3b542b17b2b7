"""A configuration as a tree that remembers which of its values were read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

MISSING: Any = object()
# Values of a configuration by dotted key. Foreign ones hold anything, so a value has no type until it is compared.
Facts: TypeAlias = dict[str, object]
Path = tuple[str | int, ...]


class Tree:
    """A nested configuration that remembers which of its leaves were read.

    Lists without dicts are leaves; tuples are lists here. A path is a tuple of keys and of positions in lists.
    """

    def __init__(self, content: Facts) -> None:
        self.content: Facts = _with_lists(content)
        self._read: list[Path] = []

    def at(self, *path: str | int) -> Any:
        """Return the value at a path, or `MISSING`; the value and all below it count as read."""
        value: Any = self.peek(*path)
        if value is not MISSING:
            self._read.append(path)
        return value

    def peek(self, *path: str | int) -> Any:
        """Return the value at a path, or `MISSING`; the value does not count as read."""
        value: Any = self.content
        for key in path:
            if isinstance(value, dict) and key in value:
                value = value[key]
            elif isinstance(value, list) and isinstance(key, int) and key < len(value):
                value = value[key]
            else:
                return MISSING
        return value

    def unread(self) -> Facts:
        """Return the leaves that were not read, by dotted path.

        A branch at the top that also occurs elsewhere is a variable of the configuration file (`train_pipeline`) and is
        left out.
        """
        inner = [value for value in self.content.values() if isinstance(value, dict)]
        copies = {name for name, value in self.content.items() if _holds(inner, value)}
        leaves = {path: value for path, value in _leaves(self.content, ()) if path[0] not in copies}
        asked = set(self._read)
        return {
            ".".join(map(str, path)): value
            for path, value in leaves.items()
            if not any(path[:length] in asked for length in range(1, len(path) + 1))
        }


def _holds(within: Any, wanted: Any) -> bool:
    """Return whether a list or dict occurs anywhere inside others."""
    if not isinstance(wanted, dict | list) or not wanted:
        return False
    inside = within.values() if isinstance(within, dict) else within if isinstance(within, list) else ()
    return any((item is not wanted and item == wanted) or _holds(item, wanted) for item in inside)


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        for place, item in enumerate(value):
            yield from _leaves(item, (*path, place))
    else:
        yield path, value


def _with_lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_lists(item) for key, item in value.items()}
    return [_with_lists(item) for item in value] if isinstance(value, list | tuple) else value
