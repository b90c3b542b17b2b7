"""`rs-adapt list`: what can be named on each axis, read from the config folders."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table


class Axis(StrEnum):
    """What can be listed."""

    BENCHES = "benches"
    METHODS = "methods"
    BACKBONES = "backbones"
    HEADS = "heads"
    STRATEGIES = "strategies"
    PROTOCOLS = "protocols"
    SCHEMAS = "schemas"


_FOLDER = {
    Axis.METHODS: "method",
    Axis.BACKBONES: "backbone",
    Axis.HEADS: "head",
    Axis.STRATEGIES: "strategy",
    Axis.PROTOCOLS: "protocol",
}


def list_values(
    axis: Annotated[Axis, typer.Argument(help="What to list.", metavar="AXIS")],
    name: Annotated[
        str | None, typer.Argument(help="A schema to print as JSON; only after `schemas`.", metavar="[SCHEMA]")
    ] = None,
) -> None:
    """List the names that options take: benches, methods, backbones, heads, strategies, protocols; or file schemas.

    $ rs-adapt list benches

    $ rs-adapt list methods

    $ rs-adapt list schemas bench > bench.schema.json
    """
    if name is not None:
        _print_schema(axis, name)
        return
    from rich.console import Console

    tables = {Axis.BENCHES: _benches, Axis.SCHEMAS: _schemas}
    table = tables[axis]() if axis in tables else _values(axis)
    # A pipe has no width; wrapping its lines at 80 columns would break every grep.
    Console(width=None if sys.stdout.isatty() else 240).print(table)


def _values(axis: Axis) -> Table:
    from rich.markup import escape

    from rs_adapt.config import axes

    folder = _FOLDER[axis]
    table = _table(axis, "name", "title")
    for name in axes.values(folder):
        table.add_row(name.replace("_", "-"), escape(axes.title(folder, name)))
    return table


def _benches() -> Table:
    from rich.markup import escape

    from rs_adapt.config import axes
    from rs_adapt.config.cell import bench_families, settings_of

    table = _table(Axis.BENCHES, "name", "settings", "directions", "data", "classes")
    for family, directions in bench_families().items():
        first, *others = directions
        bench = axes.load("bench", directions[first])["bench"]
        data = [bench["data"]] if isinstance(bench["data"], str) else bench["data"]
        table.add_row(
            family.replace("_", "-"),
            ", ".join(settings_of(directions[first])),
            ", ".join([f"{first} (default)", *others]) if others else first or "one",
            escape(", ".join(data)),
            escape(f"{len(bench['classes'])}: {', '.join(bench['classes'])}"),
        )
    table.caption = "--bench <name>-<setting> [--direction <direction>], such as --bench loveda-da"
    return table


def _schemas() -> Table:
    from rs_adapt.commands.schemas import file_schemas

    table = _table(Axis.SCHEMAS, "name", "file", "content")
    for name, schema in file_schemas().items():
        table.add_row(name, schema.file, schema.content)
    table.caption = "rs-adapt list schemas NAME prints the JSON schema of a file; editors complete TOML files with it"
    return table


def _print_schema(axis: Axis, name: str) -> None:
    import json

    from rs_adapt.commands.schemas import json_schema
    from rs_adapt.errors import ConfigError

    if axis is not Axis.SCHEMAS:
        raise ConfigError(f"`rs-adapt list {axis.value}` takes no further name, and {name!r} is given. Leave it out.")
    print(json.dumps(json_schema(name), indent=2))


def _table(axis: Axis, *columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=axis.value, box=box.SIMPLE, title_justify="left", caption_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column == "name")
    return table
