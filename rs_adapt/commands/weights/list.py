"""`rs-adapt weights list`: files of base weights, and which of them are here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rs_adapt.config.weights_files import WeightsFile


def list_weights(
    verify: Annotated[
        bool, typer.Option("--verify", help="Read the files that are here and compare checksums.")
    ] = False,
) -> None:
    """List files of base weights: size, checksum, licence, and which are here.

    Without --verify, a file that is there is known by its size.

    $ rs-adapt weights list
    """
    import sys

    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from rs_adapt.commands.console import grouped, shown_path
    from rs_adapt.config.weights_files import weights_files

    table = Table(title="weights", box=box.SIMPLE, title_justify="left")
    for heading in ("name", "file", "bytes", "sha256", "licence", "state"):
        table.add_column(heading, overflow="fold", no_wrap=heading in ("name", "file", "bytes"))
    folders = set()
    for one in weights_files():
        size, digest = one.facts.get("bytes"), one.facts.get("sha256")
        folders.add(shown_path(one.path.parent))
        table.add_row(
            one.name.replace("_", "-"),
            escape(one.facts["file"]),
            grouped(size) if size else "not published",
            # The first digits tell files apart; `weights verify` has all of them.
            f"{digest[:12]}..." if digest else "not published",
            escape(one.facts.get("licence", "not stated")),
            _state(one, verify=verify),
        )
    Console(width=None if sys.stdout.isatty() else 240).print(table)
    print(f"looked for in {' and '.join(sorted(folders))}")


def _state(one: WeightsFile, *, verify: bool) -> str:
    import dataclasses

    if not one.path.is_file():
        return "by hand (gated)" if one.facts.get("gated") else "missing"
    published = one.published if verify else dataclasses.replace(one.published, md5=None, sha256=None)
    if published.fault(one.path) is not None:
        return "wrong: see weights verify"
    shipped = "in the package" if one.facts.get("shipped") else "there"
    return f"{shipped}, {published.checked()}" if verify else shipped
