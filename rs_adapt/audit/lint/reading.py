"""A config of Python assignments read as data: literals only, with the line of each key; nothing is executed."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from rs_adapt.errors import ConfigError, DataNotFound

REMEDY = "`rs-adapt show --bench ... > config.py` writes one that can be read."


def read_literals(file: Path, text: str | None = None) -> tuple[dict[str, Any], dict[str, int]]:
    """Return the values of a config, and the line (from 1) of each dotted key.

    Args:
        file: `NAME = literal` lines, as `rs_adapt.config.to_python` writes them; `dict(a=1)` counts as a literal.
        text: its content, where it is known already.

    Raises:
        DataNotFound: there is no such file.
        ConfigError: it is no Python, or holds something else than literals.
    """
    if text is None:
        if not file.is_file():
            raise DataNotFound(f"There is no config {file}. Name a run folder or a config. {REMEDY}")
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{file} cannot be read: {error}. It must be a text in UTF-8.") from error
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ConfigError(f"{file} is no Python: {error}. {REMEDY}") from error
    values: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for number, node in enumerate(module.body):
        if number == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue  # a docstring
        name = node.targets[0] if isinstance(node, ast.Assign) and len(node.targets) == 1 else None
        if not isinstance(node, ast.Assign) or not isinstance(name, ast.Name):
            raise _refused(file, node, "it is no assignment of a literal to a name")
        lines[name.id] = node.lineno
        values[name.id] = _value(node.value, name.id, file, lines)
    return values, lines


def _value(node: ast.expr, key: str, file: Path, lines: dict[str, int]) -> Any:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict" and not node.args:
        pairs = [(word.arg, word.value, word.lineno) for word in node.keywords]
    elif isinstance(node, ast.Dict):
        pairs = [
            (_name(name), value, (name or value).lineno) for name, value in zip(node.keys, node.values, strict=True)
        ]
    elif isinstance(node, ast.List | ast.Tuple):
        for index, item in enumerate(node.elts):
            lines[f"{key}.{index}"] = item.lineno
        items = [_value(item, f"{key}.{index}", file, lines) for index, item in enumerate(node.elts)]
        return items if isinstance(node, ast.List) else tuple(items)
    else:
        try:
            return ast.literal_eval(node)
        except (ValueError, TypeError, SyntaxError, RecursionError) as error:
            raise _refused(file, node, f"{key} is no literal") from error
    found: dict[str, Any] = {}
    for name, value, line in pairs:
        if name is None:
            raise _refused(file, node, f"{key} has a key that is no text")
        lines[f"{key}.{name}"] = line
        found[name] = _value(value, f"{key}.{name}", file, lines)
    return found


def _name(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _refused(file: Path, node: ast.stmt | ast.expr, why: str) -> ConfigError:
    return ConfigError(
        f"{file}, line {node.lineno}: {why}. Lint executes nothing, so texts, numbers, lists and dicts are allowed "
        f"only. {REMEDY}"
    )
