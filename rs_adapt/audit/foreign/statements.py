"""Python statements of configurations: assignments, imports and changes of dicts and lists, and nothing else."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace

from rs_adapt.audit.foreign.budget import NotReadable
from rs_adapt.audit.foreign.calls import call_method
from rs_adapt.audit.foreign.expressions import Expressions
from rs_adapt.audit.foreign.node import Node, Symbol

# Reads a base that `from .base import *` names within `read_base()`: its level of dots, its module, and the line.
ImportBase = Callable[[int, str, int], dict[str, Node]]


def run_statements(module: ast.Module, expressions: Expressions, import_base: ImportBase) -> None:
    """Set the names of a file, statement by statement.

    Raises:
        NotReadable: A statement is none that configurations put values together with.
    """
    for statement in module.body:
        _run(statement, expressions, import_base)


def _run(statement: ast.stmt, here: Expressions, import_base: ImportBase) -> None:
    match statement:
        case ast.Expr(value=ast.Constant()) | ast.Pass():
            pass
        case ast.Assign(targets=targets, value=value):
            node = Node(here.value(value).value, here.site(statement))
            for target in targets:
                _assign(target, node, here)
        case ast.AnnAssign(target=target, value=value) if value is not None:
            _assign(target, Node(here.value(value).value, here.site(statement)), here)
        case ast.AugAssign(target=target, op=ast.Add(), value=value) if not isinstance(value, ast.Tuple) and isinstance(
            (before := here.value(_as_value(target))).value, list
        ):
            # In place, so that whoever holds the list has the new items too. What a tuple is added to is one.
            call_method(before, "extend", [here.value(value)], {}, here.budget, statement.lineno)
        case ast.AugAssign(target=target, op=sign, value=value):
            total = ast.BinOp(left=_as_value(target), op=sign, right=value)
            ast.copy_location(total, statement)
            _assign(target, Node(here.value(total).value, here.site(statement)), here)
        case ast.Expr(value=ast.Call() as call):
            here.value(call)
        case ast.Import(names=names):
            for one in names:
                name = one.asname or one.name.partition(".")[0]
                here.names[name] = Node(Symbol(one.name if one.asname else name), here.site(statement))
        case ast.ImportFrom(names=names):
            for one in names:
                if one.name != "*":
                    symbol = Symbol(f"{statement.module or ''}.{one.name}".strip("."))
                    here.names[one.asname or one.name] = Node(symbol, here.site(statement))
        case ast.With(items=[ast.withitem(context_expr=ast.Call(func=opened, args=[], keywords=[]))], body=body) if (
            ast.unparse(opened).rpartition(".")[2] == "read_base"
        ):
            for inner in body:
                _import(inner, here, import_base)
        case ast.Delete(targets=targets):
            for target in targets:
                _delete(target, here)
        case _:
            raise NotReadable(statement.lineno, "this statement is not read")


def _import(statement: ast.stmt, here: Expressions, import_base: ImportBase) -> None:
    match statement:
        case ast.ImportFrom(module=module, names=names, level=level):
            values = import_base(level, module or "", statement.lineno)
            for one in names:
                if one.name == "*":
                    here.names.update({name: node for name, node in values.items() if not name.startswith("_")})
                elif one.name in values:
                    here.names[one.asname or one.name] = values[one.name]
                else:
                    raise NotReadable(statement.lineno, f"the base has no {one.name}")
        case ast.Expr(value=ast.Constant()) | ast.Pass():
            pass
        case _:
            raise NotReadable(statement.lineno, "within read_base() only `from ... import ...` is read")


def _assign(target: ast.expr, node: Node, here: Expressions) -> None:
    if isinstance(target, ast.Attribute | ast.Subscript):
        node = Node(node.value, replace(node.site, changes=True))
    match target:
        case ast.Attribute(value=inner, attr=name):
            _entries(inner, here)[name] = node
        case ast.Subscript(value=inner, slice=index):
            key, holder = here.value(index).value, here.value(inner)
            if isinstance(holder.value, dict) and isinstance(key, str | int):
                holder.value[key] = node
            elif isinstance(holder.value, list) and isinstance(key, int) and holder.at(key) is not None:
                holder.value[key] = node
            else:
                raise NotReadable(target.lineno, f"there is no entry {key!r} to set")
        case _:
            here.bind(target, node)


def _delete(target: ast.expr, here: Expressions) -> None:
    match target:
        case ast.Name(id=name) if name in here.names:
            del here.names[name]
        case ast.Attribute(value=inner, attr=name) if name in _entries(inner, here):
            del _entries(inner, here)[name]
        case ast.Subscript(value=inner, slice=index) if (key := here.value(index).value) in _entries(inner, here):
            del _entries(inner, here)[key]  # type: ignore[arg-type]
        case _:
            raise NotReadable(target.lineno, "there is nothing of that name to delete")


def _entries(inner: ast.expr, here: Expressions) -> dict[str | int, Node]:
    value = here.value(inner).value
    if not isinstance(value, dict):
        raise NotReadable(inner.lineno, "it is no dict")
    return value


def _as_value(target: ast.expr) -> ast.expr:
    """Return the expression that reads what an assignment sets."""
    copied = ast.parse(ast.unparse(target), mode="eval").body
    for part in ast.walk(copied):
        if isinstance(part, ast.expr):
            part.lineno = target.lineno
    return copied
