"""The functions and methods that configurations call to put values together, each written out here."""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace
from typing import Any

from rs_adapt.audit.foreign.arithmetic import formatted
from rs_adapt.audit.foreign.budget import Budget, NotReadable
from rs_adapt.audit.foreign.node import Key, Node, merged

# `Path(...)` is a text here; logs print paths as `PosixPath('...')`.
_PATHS = ("os.path.join", "Path", "PosixPath", "pathlib.Path", "pathlib.PosixPath")
_ALLOWED = "dict, list, tuple, str, int, float, len, range, enumerate, zip, min, max, os.path.join, copy.deepcopy"
# The fields of `'{}/{name}'.format(...)`; one with a width could make a text of any length.
_FIELD = re.compile(r"\{(\w*)\}")


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
            budget.spend_text(len(value) if isinstance(value, str) else 0, line)
            return str(value)
        case "len", [list() | dict() | str() as value] if not words:
            return len(value)
        case (("int" | "float"), [int() | float() | str() as value]) if not words:
            return _number(name, value, line)
        case (("min" | "max"), [_, _, *_]) if not words and all(isinstance(value, int | float) for value in plain):
            return (min if name == "min" else max)(plain)
        case "range", [int(), *_] if not words and len(plain) <= 3 and all(isinstance(one, int) for one in plain):
            return _range(arguments, budget, line)
        case "enumerate", [list() as values, *start] if (
            not words and all(isinstance(one, int) for one in start) and len(start) < 2
        ):
            budget.spend(3 * len(values), line)
            numbered = enumerate(values, *start)
            return [Node([Node(number, one.site), one], one.site) for number, one in numbered]
        case "zip", [list(), *_] if not words and all(isinstance(value, list) for value in plain):
            budget.spend(len(plain) * min(map(len, plain)), line)
            return [Node(list(items), items[0].site) for items in zip(*plain, strict=False)]
        case _, [str(), *_] if name in _PATHS and all(isinstance(value, str) for value in plain):
            budget.spend_text(sum(len(value) + 1 for value in plain), line)
            return posixpath.join(*plain)
        case "copy.deepcopy", [value] if not words:
            return copied(value, budget, line)
        case "copy.copy", [value] if not words:
            return _shallow(value, budget, line)
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
                return _shallow(value, budget, line)
            case (("keys" | "values" | "items"), []) if not words:
                return _listed(name, node, budget, line)
            case (("update" | "merge"), [] | [{}]):
                given = (plain[0] if plain else {}) | words
                other = {key: Node(one.value, replace(one.site, changes=True)) for key, one in given.items()}
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
    elif isinstance(value, str) and name == "format":
        return _filled_in(value, plain, words, budget, line)
    elif isinstance(value, str) and not words:
        match name, plain:
            case "join", [list() as parts] if all(isinstance(part.value, str) for part in parts):
                budget.spend_text(sum(len(part.text) + len(value) for part in parts), line)
                return value.join(part.text for part in parts)
            case (("lower" | "upper" | "strip"), []):
                # A letter may become several.
                budget.spend_text(3 * len(value), line)
                return getattr(value, name)()
    raise NotReadable(line, f"the method {name} is not computed here")


def _of_list(value: list[Node], name: str, arguments: list[Node], budget: Budget, line: int) -> Any:
    plain: list[Any] = [argument.value for argument in arguments]
    match name, plain:
        case "copy", []:
            return _shallow(value, budget, line)
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


def _shallow(value: Any, budget: Budget, line: int) -> Any:
    """Return a copy that shares the values within, as Python's `copy` does: a change deeper down is one of both."""
    if isinstance(value, dict | list):
        budget.spend(len(value), line)
        return value.copy()
    return value


def _listed(name: str, node: Node, budget: Budget, line: int) -> list[Node]:
    budget.spend(3 * len(node.entries), line)
    if name == "values":
        return list(node.entries.values())
    keys = [Node(key, entry.site) for key, entry in node.entries.items()]
    if name == "keys":
        return keys
    return [Node([key, entry], entry.site) for key, entry in zip(keys, node.entries.values(), strict=True)]


def _filled_in(text: str, plain: list[Any], words: dict[Key, Node], budget: Budget, line: int) -> str:
    values: dict[str, Any] = {str(place): value for place, value in enumerate(plain)}
    values |= {str(key): word.value for key, word in words.items()}
    rest, *fields = _FIELD.sub("", text), *_FIELD.findall(text)
    names = [field or str(place) for place, field in enumerate(fields)]
    shown = [values.get(one) for one in names]
    if "{" in rest or "}" in rest or ("" in fields and any(fields)) or not all(one in values for one in names):
        raise NotReadable(line, "only plain fields, {}, {0} and {name}, are filled in")
    texts = iter([formatted(value, "", line) for value in shown])
    budget.spend_text(len(text) + sum(len(str(value)) for value in shown), line)
    return _FIELD.sub(lambda _: next(texts), text)


def copied(value: Any, budget: Budget, line: int) -> Any:
    """Return a copy that shares no dict or list with the value, nor one part of it with another."""
    budget.spend(1, line)
    if isinstance(value, dict):
        return {key: Node(copied(node.value, budget, line), node.site) for key, node in value.items()}
    if isinstance(value, list):
        return [Node(copied(node.value, budget, line), node.site) for node in value]
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
