"""Configurations in Python text read as data: assignments of literals and `dict(...)` calls, and nothing else.

A `config.py`, or a log that holds one, may come from anybody, so the text is parsed and nothing in it is executed.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rs_adapt import limits
from rs_adapt.config.facts import ConfigNode
from rs_adapt.documents import read_bytes
from rs_adapt.errors import ConfigError, DataNotFound

_MAX_CHARACTERS = 5_000_000
_ALLOWED = (
    "Allowed are assignments of texts, numbers, True, False, None, lists, tuples, dicts and dict(...): the file is "
    "read as data, and nothing in it is executed."
)


@dataclass(frozen=True, kw_only=True)
class LiteralConfig:
    """The configuration in a text.

    Attributes:
        values: Name -> value, nested dicts, lists and tuples of plain values; a set is a list here.
        lines: Dotted key -> line in the file, from 1; entries of lists are counted from 0, as in `hooks.0.type`.
    """

    values: ConfigNode = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)


def read_literals(path: Path, *, remedy: str) -> LiteralConfig:
    """Return the configuration in a file, such as the `config.py` of a run.

    Args:
        path: A file of `NAME = literal` lines, as `rs_adapt.config.to_python` and mmengine write them.
        remedy: A sentence for the end of the errors that says what to do.

    Raises:
        DataNotFound: There is no such file.
        ConfigError: The file is not Python in UTF-8, or holds anything but literals; names file and line.
    """
    if not path.is_file():
        raise DataNotFound(f"There is no config {path}. {remedy}")
    try:
        text = read_bytes(path, most=limits.CONFIG_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}. It must be a text in UTF-8. {remedy}") from error
    return parse_literals(text, file=str(path), remedy=remedy)


def parse_literals(text: str, *, file: str, remedy: str, first_line: int = 1) -> LiteralConfig:
    """Return the configuration in a text.

    Args:
        text: `NAME = literal` lines; a docstring may stand above them.
        file: The file that holds the text, for errors.
        remedy: A sentence for the end of the errors that says what to do.
        first_line: The number of the text's first line in the file.

    Raises:
        ConfigError: The text is not Python, is longer than 5 million characters, or holds anything but literals; names
            file and line, and what is allowed.
    """
    if len(text) > _MAX_CHARACTERS:
        raise ConfigError(
            f"{file} holds a configuration of {len(text)} characters; at most {_MAX_CHARACTERS} are read. {remedy}"
        )
    reader = _Reader(first_line)
    try:
        with warnings.catch_warnings():
            # An odd escape sequence in the text does not concern the user.
            warnings.simplefilter("ignore")
            parsed = ast.parse(text)
        return reader.read(parsed)
    except _NotLiteral as error:
        line = text.splitlines()[error.line - 1].strip()
        raise ConfigError(
            f"{file}, line {error.line + first_line - 1}: `{line[:80]}` is refused: {error}. {_ALLOWED} {remedy}"
        ) from None
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        at = f", line {error.lineno + first_line - 1}" if isinstance(error, SyntaxError) and error.lineno else ""
        reason = error.msg if isinstance(error, SyntaxError) else error
        raise ConfigError(
            f"{file}{at}: the configuration is cut off or not Python ({reason}). {_ALLOWED} {remedy}"
        ) from error


class _NotLiteral(Exception):
    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


class _Reader:
    def __init__(self, first_line: int) -> None:
        self.offset = first_line - 1
        self.lines: dict[str, int] = {}

    def read(self, module: ast.Module) -> LiteralConfig:
        values = {}
        for position, node in enumerate(module.body):
            match node:
                case ast.Expr(value=ast.Constant(value=str())) if position == 0:
                    continue
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    values[name] = self._value(value, name)
                case _:
                    raise _NotLiteral(node.lineno, "it is not an assignment of a literal to one name")
        return LiteralConfig(values=values, lines=self.lines)

    def _value(self, node: ast.expr, key: str) -> Any:
        self.lines.setdefault(key, node.lineno + self.offset)
        match node:
            case ast.Constant(value=str() | int() | float() | None as plain):
                return plain
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
                return -number
            case ast.UnaryOp(op=ast.UAdd(), operand=ast.Constant(value=int() | float() as number)):
                return number
            case ast.Name(id="inf" | "nan"):
                return float(node.id)
            case ast.List() | ast.Set():
                return self._items(node.elts, key)
            case ast.Tuple():
                return tuple(self._items(node.elts, key))
            case ast.Dict():
                names = (name.value if isinstance(name, ast.Constant) else None for name in node.keys)
                lines = (name.lineno if name else node.lineno for name in node.keys)
                return self._entries(zip(names, lines, node.values, strict=True), key, node)
            case ast.Call(func=ast.Name(id="dict"), args=[]):
                return self._entries(((word.arg, word.lineno, word.value) for word in node.keywords), key, node)
        raise _NotLiteral(node.lineno, f"{key} is not a literal")

    def _items(self, nodes: list[ast.expr], key: str) -> list[Any]:
        return [self._value(node, f"{key}.{index}") for index, node in enumerate(nodes)]

    def _entries(self, entries: Iterable[tuple[object, int, ast.expr]], key: str, within: ast.expr) -> dict[Any, Any]:
        values: dict[Any, Any] = {}
        for name, line, node in entries:
            # The name of `**other` is None.
            if not isinstance(name, str | int):
                raise _NotLiteral(within.lineno, f"{key} has a key that is neither a text nor a whole number")
            self.lines[f"{key}.{name}"] = line + self.offset
            values[name] = self._value(node, f"{key}.{name}")
        return values
