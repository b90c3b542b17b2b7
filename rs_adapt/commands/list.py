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


_FOLDER = {
    Axis.METHODS: "method",
    Axis.BACKBONES: "backbone",
    Axis.HEADS: "head",
    Axis.STRATEGIES: "strategy",
    Axis.PROTOCOLS: "protocol",
}


def list_values(axis: Annotated[Axis, typer.Argument(help="Which axis.", metavar="AXIS")]) -> None:
    """List the names that options take: benches, methods, backbones, heads, strategies, protocols.

    $ rs-adapt list benches

    $ rs-adapt list methods
    """
    from rich.console import Console

    table = _benches() if axis is Axis.BENCHES else _values(axis)
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


def _table(axis: Axis, *columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=axis.value, box=box.SIMPLE, title_justify="left", caption_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column == "name")
    return table
