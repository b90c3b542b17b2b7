"""The functions and methods that configurations call to put values together, each written out here."""

from __future__ import annotations

import posixpath
from typing import Any

from rs_adapt.audit.foreign.budget import Budget, NotReadable
from rs_adapt.audit.foreign.node import Key, Node, merged

# `Path(...)` is a text here; logs print paths as `PosixPath('...')`.
_PATHS = ("os.path.join", "Path", "PosixPath", "pathlib.Path", "pathlib.PosixPath")
_COPIES = ("copy.copy", "copy.deepcopy")
_ALLOWED = "dict, list, tuple, str, int, float, len, range, min, max, os.path.join, copy.deepcopy"


def call_function(name: str, arguments: list[Node], words: dict[Key, Node], budget: Budget, line: int) -> Any:
    """Return what a call of a function makes, such as `dict(a=1)`.

    Raises:
        NotReadable: The function is none of those that are written out here, or its arguments do not fit.
    """
    plain: list[Any] = [node.value for node in arguments]
    match name, plain:
        case "dict", [] | [{}]:
            inner = plain[0] if plain else {}
            budget.spend(len(inner), line)
            return inner | words
        case (("list" | "tuple"), [] | [list()]) if not words:
            inner = plain[0] if plain else []
            budget.spend(len(inner), line)
            return list(inner)
        case "str", [str() | int() | float() | None as value] if not words:
            return str(value)
        case "len", [list() | dict() | str() as value] if not words:
            return len(value)
        case (("int" | "float"), [int() | float() | str() as value]) if not words:
            return _number(name, value, line)
        case (("min" | "max"), [_, _, *_]) if not words and all(isinstance(value, int | float) for value in plain):
            return (min if name == "min" else max)(plain)
        case "range", [int(), *_] if not words and len(plain) <= 3 and all(isinstance(one, int) for one in plain):
            return _range(arguments, budget, line)
        case _, [str(), *_] if name in _PATHS and all(isinstance(value, str) for value in plain):
            return posixpath.join(*plain)
        case _, [value] if name in _COPIES and not words:
            return _copied(value, budget, line)
    raise NotReadable(line, f"{name}(...) is not computed, only {_ALLOWED}")


def call_method(node: Node, name: str, arguments: list[Node], words: dict[Key, Node], budget: Budget, line: int) -> Any:
    """Return what a call of a method makes; `update`, `append` and the like change the dict or list in place.

    Raises:
        NotReadable: The method is none of those that are written out here, or its arguments do not fit.
    """
    value = node.value
    plain: list[Any] = [argument.value for argument in arguments]
    if isinstance(value, dict):
        match name, plain:
            case "copy", [] if not words:
                return _copied(value, budget, line)
            case (("update" | "merge"), [] | [{}]):
                other = (plain[0] if plain else {}) | words
                budget.spend(len(other), line)
                changed = value | other
                if name == "merge":
                    # mmengine's goes into dicts within dicts, where Python's `update` replaces them.
                    whole = merged({"": node}, {"": Node(other, node.site)}, lambda number: budget.spend(number, line))
                    changed = whole[""].entries
                value.clear()
                value.update(changed)
                return None
            case "get", [str() | int() as key] if not words:
                return value[key].value if key in value else None
            case (("get" | "setdefault"), [str() | int() as key, other]) if not words:
                if name == "setdefault":
                    value.setdefault(key, arguments[1])
                return value[key].value if key in value else other
            case "pop", [str() | int() as key, *rest] if not words and (key in value or rest):
                return value.pop(key).value if key in value else rest[0]
    elif isinstance(value, list) and not words:
        return _of_list(value, name, arguments, budget, line)
    elif isinstance(value, str) and not words:
        match name, plain:
            case "join", [list() as parts] if all(isinstance(part.value, str) for part in parts):
                budget.spend(sum(len(part.text) for part in parts) // 16, line)
                return value.join(part.text for part in parts)
            case (("lower" | "upper" | "strip"), []):
                return getattr(value, name)()
    raise NotReadable(line, f"the method {name} is not computed here")


def _of_list(value: list[Node], name: str, arguments: list[Node], budget: Budget, line: int) -> Any:
    plain: list[Any] = [argument.value for argument in arguments]
    match name, plain:
        case "copy", []:
            return _copied(value, budget, line)
        case "append", [_]:
            budget.spend(1, line)
            value.append(arguments[0])
        case "extend", [list() as other]:
            budget.spend(len(other), line)
            value.extend(list(other))
        case "insert", [int() as place, _]:
            budget.spend(1, line)
            value.insert(place, arguments[1])
        case "pop", [] | [int()] if value and -len(value) <= (plain[0] if plain else -1) < len(value):
            return value.pop(*plain).value
        case _:
            raise NotReadable(line, f"the method {name} is not computed here")
    return None


def _copied(value: Any, budget: Budget, line: int) -> Any:
    budget.spend(1, line)
    if isinstance(value, dict):
        return {key: Node(_copied(node.value, budget, line), node.site) for key, node in value.items()}
    if isinstance(value, list):
        return [Node(_copied(node.value, budget, line), node.site) for node in value]
    return value


def _number(name: str, value: str | float, line: int) -> int | float:
    try:
        return int(value) if name == "int" else float(value)
    except (ValueError, OverflowError) as error:
        raise NotReadable(line, f"{value!r} is no number") from error


def _range(arguments: list[Node], budget: Budget, line: int) -> list[Node]:
    try:
        numbers = range(*(node.value for node in arguments if isinstance(node.value, int)))
    except ValueError as error:
        raise NotReadable(line, "a range with steps of 0 has no end") from error
    length = max(0, -(-(numbers.stop - numbers.start) // numbers.step))
    budget.spend(length, line)
    return [Node(number, arguments[0].site) for number in numbers]
