"""`rs-adapt list`: the names that options take, read from the configuration folders."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from rs_adapt.commands import options
from rs_adapt.commands.console import print_json, table_console

if TYPE_CHECKING:
    from rich.table import Table


class Axis(StrEnum):
    """A list that can be printed."""

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
        str | None, typer.Argument(help="A schema to print as JSON; only after `schemas`.", metavar="SCHEMA")
    ] = None,
    plugins: options.Plugins = None,
    as_json: options.AsJson = False,
) -> None:
    """List the names that options take, and the schemas of files.

    Names: benches, methods, backbones, heads, strategies, protocols. Schemas let an editor complete TOML files.

    $ rs-adapt list benches

    $ rs-adapt list methods --json

    $ rs-adapt list schemas bench > bench.schema.json
    """
    if name is not None:
        _print_schema(axis, name)
        return
    rows = _list_rows(axis)
    if axis in _FOLDER:
        from rs_adapt.api.progress import error_console
        from rs_adapt.config.listing import axis_faults

        for fault in axis_faults(_FOLDER[axis]):
            error_console().print(f"warning: {fault}", markup=False, highlight=False, soft_wrap=True)
    if as_json:
        print_json(rows)
    else:
        table_console().print(_table(axis, rows))


def _list_rows(axis: Axis) -> list[dict[str, object]]:
    if axis is Axis.SCHEMAS:
        from rs_adapt.api.schemas import file_schemas

        schemas = file_schemas()
        return [{"name": name, "file": schema.file, "content": schema.content} for name, schema in schemas.items()]
    from rs_adapt.config.listing import list_axis, list_bench_families

    return [asdict(entry) for entry in (list_bench_families() if axis is Axis.BENCHES else list_axis(_FOLDER[axis]))]


def _print_schema(axis: Axis, name: str) -> None:
    from rs_adapt.api.schemas import json_schema
    from rs_adapt.errors import ConfigError

    if axis is not Axis.SCHEMAS:
        raise ConfigError(f"`rs-adapt list {axis.value}` takes no further name, and {name!r} is given. Leave it out.")
    print_json(json_schema(name))


_CAPTIONS = {
    Axis.BENCHES: "--bench <name>-<setting> [--direction <direction>], such as --bench loveda-da",
    Axis.SCHEMAS: "rs-adapt list schemas NAME prints the JSON schema of a file; editors complete TOML files with it",
}


def _table(axis: Axis, rows: list[dict[str, object]]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=axis.value, box=box.SIMPLE, title_justify="left", caption_justify="left")
    for column in rows[0]:
        table.add_column(column, overflow="fold", no_wrap=column == "name")
    for row in rows:
        table.add_row(*(_cell_text(column, value) for column, value in row.items()))
    table.caption = _CAPTIONS.get(axis)
    return table


def _cell_text(column: str, value: object) -> str:
    if not isinstance(value, tuple):
        return str(value)
    if column == "directions":
        default, *others = value or ("one",)
        return ", ".join([f"{default} (default)", *others]) if others else default
    text = ", ".join(value)
    return f"{len(value)}: {text}" if column == "classes" else text
