"""`rs-adapt data`: data sets, from the originals to tiles that benches read. Each verb has a file of its own."""

from __future__ import annotations

import typer

from rs_adapt.commands.data.fetch import fetch_data
from rs_adapt.commands.data.init import init
from rs_adapt.commands.data.list import list_data
from rs_adapt.commands.data.prepare import prepare
from rs_adapt.commands.data.show import show
from rs_adapt.commands.data.verify import verify

data_app = typer.Typer(no_args_is_help=True, help="Data sets: originals, tiles, checks, and benches of your own.")
data_app.command("list")(list_data)
data_app.command("fetch")(fetch_data)
data_app.command("prepare")(prepare)
data_app.command("verify")(verify)
data_app.command("show")(show)
data_app.command("init")(init)


@data_app.callback()
def root() -> None:
    """Data sets: originals, tiles, checks, and benches of your own."""
