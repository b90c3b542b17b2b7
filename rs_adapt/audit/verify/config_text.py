"""A configuration's Python text read as data: assignments of literals and `dict(...)` calls, and nothing else.

A log is a stranger's file, so its configuration is parsed and never run.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from typing import Any

from rs_adapt.errors import ConfigError

MISSING: Any = object()
_MAX_CHARACTERS = 5_000_000
Path = tuple[str | int, ...]


def parse_config(text: str, *, where: str) -> dict[str, Any]:
    """Return the assignments of a configuration's text.

    Args:
        text: what mmengine prints below `Config:`, or a resolved `config.py`.
        where: how errors call it.

    Raises:
        ConfigError: the text is no Python, or holds anything but assignments of literals and `dict(...)`.
    """
    if len(text) > _MAX_CHARACTERS:
        raise ConfigError(
            f"{where} holds a configuration of {len(text)} characters; at most {_MAX_CHARACTERS} are read. Name a "
            "training log of mmengine."
        )
    try:
        with warnings.catch_warnings():
            # A stranger's text with an odd escape sequence is no concern of the reader's.
            warnings.simplefilter("ignore")
            parsed = ast.parse(text)
        return {name: _value(node) for name, node in _assignments(parsed)}
    except _Refused as refused:
        line = text.splitlines()[refused.node.lineno - 1].strip()
        raise ConfigError(
            f"{where}, line {refused.node.lineno} of the configuration: `{line[:80]}` is refused. Allowed are "
            "assignments of texts, numbers, True, False, None, lists, tuples, dicts and dict(...): a log is read, "
            "never run."
        ) from None
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ConfigError(
            f"{where} holds a configuration that cannot be read ({error}): it is cut off or no text of mmengine. Copy "
            "the log again."
        ) from error


class _Refused(Exception):
    def __init__(self, node: Any) -> None:
        self.node = node


def _assignments(parsed: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for node in parsed.body:
        if not isinstance(node, ast.Assign) or len(node.targets) != 1 or not isinstance(node.targets[0], ast.Name):
            raise _Refused(node)
        yield node.targets[0].id, node.value


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=str() | int() | float() | None as plain):
            return plain
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return -number
        case ast.List() | ast.Tuple() | ast.Set():
            return [_value(one) for one in node.elts]
        case ast.Dict():
            # A key of None is `**other`.
            return {_key(key, node): _value(one) for key, one in zip(node.keys, node.values, strict=True)}
        case ast.Call(func=ast.Name(id="dict"), args=[]):
            return {keyword.arg or _refuse(node): _value(keyword.value) for keyword in node.keywords}
        case ast.Name(id="inf" | "nan"):
            return float(node.id)
    return _refuse(node)


def _key(node: ast.expr | None, within: ast.Dict) -> Any:
    if isinstance(node, ast.Constant) and isinstance(node.value, str | int):
        return node.value
    return _refuse(within)


def _refuse(node: ast.expr) -> Any:
    raise _Refused(node)


class Tree:
    """A nested configuration that remembers which of its leaves were asked for.

    Lists without dicts are leaves. A path is a tuple of keys and places.
    """

    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content
        self._asked: list[Path] = []

    def at(self, *path: str | int) -> Any:
        """Return the value at a path, or `MISSING`; it and all below it count as asked for."""
        value: Any = self.peek(*path)
        if value is not MISSING:
            self._asked.append(path)
        return value

    def peek(self, *path: str | int) -> Any:
        """Return the value at a path, or `MISSING`, without asking for it."""
        value: Any = self.content
        for key in path:
            if isinstance(value, dict) and key in value:
                value = value[key]
            elif isinstance(value, list) and isinstance(key, int) and key < len(value):
                value = value[key]
            else:
                return MISSING
        return value

    def unasked(self) -> dict[str, Any]:
        """Return the leaves that nobody asked for, by dotted path.

        A branch at the top that stands elsewhere too is a variable of the configuration file (`train_pipeline`), and
        is left out.
        """
        inner = [value for value in self.content.values() if isinstance(value, dict)]
        copies = {name for name, value in self.content.items() if _holds(inner, value)}
        leaves = {path: value for path, value in _leaves(self.content, ()) if path[0] not in copies}
        asked = set(self._asked)
        return {
            ".".join(map(str, path)): value
            for path, value in leaves.items()
            if not any(path[:length] in asked for length in range(1, len(path) + 1))
        }


def _holds(within: Any, wanted: Any) -> bool:
    """Whether a list or dict lies somewhere inside others."""
    if not isinstance(wanted, dict | list) or not wanted:
        return False
    inside = within.values() if isinstance(within, dict) else within if isinstance(within, list) else ()
    return any((one is not wanted and one == wanted) or _holds(one, wanted) for one in inside)


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict) and value:
        for key, one in value.items():
            yield from _leaves(one, (*path, key))
    elif isinstance(value, list) and any(isinstance(one, dict | list) for one in value):
        for place, one in enumerate(value):
            yield from _leaves(one, (*path, place))
    else:
        yield path, value
