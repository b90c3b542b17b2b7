"""Python expressions of configurations, computed from their syntax tree: no code of the file runs.

What is computed is what configurations use to put values together: names, dicts, lists, arithmetic, f-strings,
comprehensions, `{{_base_.x}}`. Everything else raises `NotReadable`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from rs_adapt.audit.foreign.arithmetic import LARGEST, calculate, compare, formatted
from rs_adapt.audit.foreign.budget import Budget, NotReadable
from rs_adapt.audit.foreign.calls import call_function, call_method
from rs_adapt.audit.foreign.node import Key, Node, Site, Symbol

# mmengine's own: `{{_base_.name}}`, `{{ fileDirname }}` and `{{$VARIABLE:default}}`.
_FILE = "fileDirname|fileBasename|fileBasenameNoExtension|fileExtname"
_PLACEHOLDER = re.compile(r"\{\{\s*(_base_(?:\.\w+)+|" + _FILE + r"|\$\w+:[^{}]*)\s*\}\}")

# An item or an entry that a comprehension makes.
Made = TypeVar("Made")


class Expressions:
    """The expressions of one file.

    Args:
        names: The variables of the file so far; shared with whoever reads its statements.
        places: What mmengine puts in place of `{{ fileDirname }}` and the like.
        file: The file, for places.
        offset: Added to the lines of the syntax tree, where the text begins further down in its file.
        budget: What may still be read.
    """

    def __init__(
        self, names: dict[str, Node], *, places: Mapping[str, str], file: str, offset: int, budget: Budget
    ) -> None:
        self.names = names
        self._places = places
        self._file = file
        self._offset = offset
        self.budget = budget

    def site(self, at: ast.AST) -> Site:
        """Return the place of a part of the syntax tree."""
        return Site(file=self._file, line=getattr(at, "lineno", 1) + self._offset)

    def value(self, expr: ast.expr) -> Node:
        """Return the value of an expression.

        Raises:
            NotReadable: It holds something that is not computed.
        """
        self.budget.spend(1, expr.lineno)
        return Node(self._value(expr), self.site(expr))

    def _value(self, expr: ast.expr) -> Any:
        match expr:
            case ast.Constant(value=str(text)):
                return self._filled(text, expr)
            case ast.Constant(value=int(whole)) if abs(whole) > LARGEST:
                raise NotReadable(expr.lineno, "the number is too large")
            case ast.Constant(value=int() | float() | None as plain):
                return plain
            case ast.Name(id=name):
                return self._named(name, expr)
            case ast.Set(elts=[ast.Set(elts=[inner])]):
                return self._placeholder(ast.unparse(inner), expr)
            case ast.List(elts=elts) | ast.Tuple(elts=elts) | ast.Set(elts=elts):
                return self._items(elts)
            case ast.Dict():
                return self._dict(expr)
            case ast.Attribute(value=inner, attr=name):
                return self._attribute(self.value(inner), name, expr)
            case ast.Subscript(value=inner, slice=index):
                return self._subscript(self.value(inner), index)
            case ast.JoinedStr(values=parts):
                return self._joined(parts)
            case ast.ListComp(elt=elt, generators=loops) | ast.GeneratorExp(elt=elt, generators=loops):
                return self._comprehension(loops, lambda: self.value(elt))
            case ast.DictComp(key=name, value=value, generators=loops):
                return dict(self._comprehension(loops, lambda: self._entry(name, value)))
            case ast.Call():
                return self._call(expr)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self.value(body if self.value(test).value else orelse).value
        return self._computed(expr)

    def _computed(self, expr: ast.expr) -> Any:
        match expr:
            case ast.BinOp(left=left, op=sign, right=right):
                return calculate(self.value(left).value, sign, self.value(right).value, self.budget, expr.lineno)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self._number(operand)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self._number(operand)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return not self.value(operand).value
            case ast.BoolOp(op=sign, values=values):
                result = self.value(values[0]).value
                for other in values[1:]:
                    if bool(result) is isinstance(sign, ast.Or):
                        break
                    result = self.value(other).value
                return result
            case ast.Compare(left=left, ops=[sign], comparators=[right]):
                return compare(self.value(left), sign, self.value(right), expr.lineno)
        raise NotReadable(expr.lineno, "this expression is not computed")

    def _named(self, name: str, expr: ast.expr) -> Any:
        if name in self.names:
            return self.names[name].value
        if name in ("inf", "nan"):
            return float(name)
        raise NotReadable(expr.lineno, f"{name} is not set in this file or in its bases")

    def _filled(self, text: str, expr: ast.expr) -> Any:
        """Return a text with mmengine's placeholders filled; a value of a base, where the text is one placeholder."""
        if whole := _PLACEHOLDER.fullmatch(text):
            return self._placeholder(whole[1], expr)
        filled = _PLACEHOLDER.sub(lambda match: str(self._placeholder(match[1], expr)), text)
        self.budget.spend_text(len(filled), expr.lineno)
        return filled

    def _placeholder(self, name: str, expr: ast.expr) -> Any:
        if name in self._places:
            return self._places[name]
        if name.startswith("$"):
            # The variables of this machine are not those of the training, so the default stands.
            return name.partition(":")[2]
        first, *keys = name.split(".")
        node = self.names.get(first) if first == "_base_" else None
        found = node.at(*keys) if node is not None and keys else None
        if found is None:
            raise NotReadable(expr.lineno, f"{name} is in none of the bases")
        return found.value

    def _items(self, elts: list[ast.expr]) -> list[Node]:
        items: list[Node] = []
        for elt in elts:
            if isinstance(elt, ast.Starred):
                inner = self.value(elt.value).value
                if not isinstance(inner, list):
                    raise NotReadable(elt.lineno, "only a list can be unpacked here")
                self.budget.spend(len(inner), elt.lineno)
                items += inner
            else:
                items.append(self.value(elt))
        return items

    def _dict(self, expr: ast.Dict) -> dict[Key, Node]:
        entries: dict[Key, Node] = {}
        for name, value in zip(expr.keys, expr.values, strict=True):
            if name is None:
                entries |= self._unpacked(value)
                continue
            key, node = self._entry(name, value)
            entries[key] = node
        return entries

    def _entry(self, name: ast.expr, value: ast.expr) -> tuple[Key, Node]:
        key = self.value(name).value
        if not isinstance(key, str | int):
            raise NotReadable(name.lineno, "a key is neither a text nor a whole number")
        return key, Node(self.value(value).value, self.site(name))

    def _unpacked(self, value: ast.expr) -> dict[Key, Node]:
        inner = self.value(value).value
        if not isinstance(inner, dict):
            raise NotReadable(value.lineno, "only a dict can be unpacked here")
        self.budget.spend(len(inner), value.lineno)
        return inner

    def _attribute(self, node: Node, name: str, expr: ast.expr) -> Any:
        if isinstance(node.value, Symbol):
            return Symbol(f"{node.value.name}.{name}")
        if name in node.entries:
            return node.entries[name].value
        raise NotReadable(expr.lineno, f"there is no key {name!r}")

    def _subscript(self, node: Node, index: ast.expr) -> Any:
        if isinstance(index, ast.Slice):
            bounds = (index.lower, index.upper, index.step)
            parts: list[Any] = [None if bound is None else self.value(bound).value for bound in bounds]
            if isinstance(node.value, list | str) and all(part is None or isinstance(part, int) for part in parts):
                length = len(range(*slice(*parts).indices(len(node.value)))) if parts[2] != 0 else 0
                spend = self.budget.spend if isinstance(node.value, list) else self.budget.spend_text
                spend(length, index.lineno)
                return node.value[slice(*parts)] if parts[2] != 0 else node.value
            raise NotReadable(index.lineno, "only lists and texts are cut, at whole numbers")
        key = self.value(index).value
        found = node.at(key) if isinstance(key, str | int) else None
        if found is None:
            raise NotReadable(index.lineno, f"there is no entry {key!r}")
        return found.value

    def _joined(self, parts: list[ast.expr]) -> str:
        text = ""
        for part in parts:
            match part:
                case ast.Constant(value=str(constant)):
                    text += constant
                    self.budget.spend_text(len(text), part.lineno)
                case ast.FormattedValue(value=inner, conversion=-1, format_spec=spec):
                    form = self._joined(spec.values) if isinstance(spec, ast.JoinedStr) else ""
                    text += formatted(self.value(inner).value, form, part.lineno)
                    self.budget.spend_text(len(text), part.lineno)
                case _:
                    raise NotReadable(part.lineno, "only plain values are put into an f-string")
        return text

    def _comprehension(self, loops: list[ast.comprehension], made: Callable[[], Made]) -> list[Made]:
        outer = dict(self.names)
        try:
            return [made() for _ in self._looped(loops)]
        finally:
            # In place: whoever reads the statements holds the same dict.
            self.names.clear()
            self.names.update(outer)

    def _looped(self, loops: list[ast.comprehension]) -> Iterator[None]:
        if not loops:
            yield
            return
        loop, *inner = loops
        node = self.value(loop.iter)
        if not isinstance(node.value, list | dict) or loop.is_async:
            raise NotReadable(loop.iter.lineno, "a comprehension runs over a list or a dict only")
        items = node.items or [Node(key, entry.site) for key, entry in node.entries.items()]
        for item in items:
            self.bind(loop.target, item)
            if all(self.value(test).value for test in loop.ifs):
                yield from self._looped(inner)

    def bind(self, target: ast.expr, node: Node) -> None:
        """Give a value to a name, or its items to several names.

        Raises:
            NotReadable: The target is no name, or there are more or fewer items than names.
        """
        match target:
            case ast.Name(id=name):
                self.names[name] = node
            case ast.Tuple(elts=elts) | ast.List(elts=elts) if len(elts) == len(node.items):
                for elt, item in zip(elts, node.items, strict=True):
                    self.bind(elt, item)
            case _:
                raise NotReadable(target.lineno, "it is not an assignment to names")

    def _call(self, expr: ast.Call) -> Any:
        arguments = self._items(expr.args)
        words: dict[Key, Node] = {}
        for word in expr.keywords:
            if word.arg is None:
                words |= self._unpacked(word.value)
            else:
                words[word.arg] = Node(self.value(word.value).value, self.site(word))
        match expr.func:
            case ast.Name(id=name) if name not in self.names:
                return call_function(name, arguments, words, self.budget, expr.lineno)
            case ast.Attribute(value=inner, attr=name) if not isinstance((node := self.value(inner)).value, Symbol):
                return call_method(node, name, arguments, words, self.budget, expr.lineno)
        symbol = self.value(expr.func).value
        if isinstance(symbol, Symbol):
            return call_function(symbol.name, arguments, words, self.budget, expr.lineno)
        raise NotReadable(expr.lineno, "this call is not computed")

    def _number(self, expr: ast.expr) -> int | float:
        value = self.value(expr).value
        if not isinstance(value, int | float):
            raise NotReadable(expr.lineno, "only numbers have a sign")
        return value
