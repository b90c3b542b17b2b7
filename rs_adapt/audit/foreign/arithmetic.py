"""Arithmetic, comparisons and f-strings of configurations, bounded: none makes a value far larger than its text."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from typing import Any

from rs_adapt.audit.foreign.budget import Budget, NotReadable
from rs_adapt.audit.foreign.node import Node

# A width of two digits: a larger one would make a text of any length.
_FORMAT = re.compile(r"0?\d{0,2}(?:[.]\d{1,2})?[a-zA-Z%]?")
LARGEST = 2**63
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}


def calculate(left: Any, sign: ast.operator, right: Any, budget: Budget, line: int) -> Any:
    """Return what an operator makes of two numbers, two texts, two lists, or a text or list and a number.

    Raises:
        NotReadable: It makes nothing of them, or a value that is too large.
    """
    compute = _ARITHMETIC.get(type(sign))
    numbers = isinstance(left, int | float) and isinstance(right, int | float)
    joined = isinstance(sign, ast.Add) and isinstance(left, list | str) and type(left) is type(right)
    repeated = isinstance(sign, ast.Mult) and isinstance(left, list | str) and isinstance(right, int)
    if compute is None or not (numbers or joined or repeated):
        raise NotReadable(line, "this arithmetic is not computed")
    if not numbers:
        length = len(left) + len(right) if joined else len(left) * max(right, 0)
        spend = budget.spend if isinstance(left, list) else budget.spend_text
        spend(length, line)
    elif isinstance(sign, ast.Pow) and (abs(right) > 64 or abs(left) > 1e6):
        raise NotReadable(line, "the power is too large")
    try:
        result = compute(left, right)
    except (ArithmeticError, ValueError) as error:
        raise NotReadable(line, f"it cannot be computed ({error})") from error
    if isinstance(result, complex) or (isinstance(result, int) and abs(result) > LARGEST):
        raise NotReadable(line, "the number is too large")
    return result


def compare(left: Node, sign: ast.cmpop, right: Node, line: int) -> bool:
    """Return whether a comparison of plain values, or of lists of them, holds; a dict stands for its keys.

    Raises:
        NotReadable: They cannot be compared.
    """
    if isinstance(sign, ast.Is | ast.IsNot) and None in (left.value, right.value):
        return (left.value is right.value) is isinstance(sign, ast.Is)
    try:
        return bool(_COMPARISONS[type(sign)](_flat(left, line), _flat(right, line)))
    except TypeError as error:
        raise NotReadable(line, "it compares values of different kinds") from error


def _flat(node: Node, line: int) -> Any:
    inner: list[Any] = list(node.entries) if isinstance(node.value, dict) else [item.value for item in node.items]
    # Values within values may be far more than the text that makes them.
    if any(isinstance(value, dict | list) for value in inner):
        raise NotReadable(line, "only plain values are compared")
    return inner if isinstance(node.value, dict | list) else node.value


def formatted(value: Any, form: str, line: int) -> str:
    """Return a plain value as an f-string prints it.

    Raises:
        NotReadable: The value is no plain one, or the format does not fit it or has a width of three digits.
    """
    if isinstance(value, str | int | float | None) and _FORMAT.fullmatch(form):
        try:
            return format(value, form)
        except (ValueError, TypeError) as error:
            raise NotReadable(line, f"the value does not fit its format ({error})") from error
    raise NotReadable(line, "only plain values are put into an f-string")
