"""`rs-adapt weights list`: list files of base weights, and which of them are on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rs_adapt.commands import options
from rs_adapt.commands.console import group_digits, print_json, say, shorten_path, table_console

if TYPE_CHECKING:
    from rich.table import Table

    from rs_adapt.config.weights_files import WeightsFile


def list_weights(
    verify: Annotated[
        bool, typer.Option("--verify", help="Read the files on this machine and compare their checksums.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """List files of base weights: size, checksum, licence, and which are on this machine.

    Without --verify, a file is recognised by its size.

    $ rs-adapt weights list
    """
    from rs_adapt.config.weights_files import weights_files

    files = weights_files()
    rows = [_facts(file, verify=verify) for file in files]
    if as_json:
        print_json(rows)
        return
    table_console().print(_table(rows))
    say(f"Folders searched: {' and '.join(sorted({shorten_path(file.path.parent) for file in files}))}")


def _facts(file: WeightsFile, *, verify: bool) -> dict[str, str | int | None]:
    return {
        "name": file.name.replace("_", "-"),
        "file": file.facts["file"],
        "bytes": file.facts.get("bytes"),
        "sha256": file.facts.get("sha256"),
        "licence": file.facts.get("licence", "not stated"),
        "state": _state(file, verify=verify),
        "path": str(file.path),
    }


def _table(rows: list[dict[str, str | int | None]]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title="weights", box=box.SIMPLE, title_justify="left")
    for heading in ("name", "file", "bytes", "sha256", "licence", "state"):
        table.add_column(heading, overflow="fold", no_wrap=heading in ("name", "file", "bytes"))
    for row in rows:
        size, digest = row["bytes"], row["sha256"]
        table.add_row(
            str(row["name"]),
            str(row["file"]),
            group_digits(size) if isinstance(size, int) else "not published",
            # The first digits tell files apart; `weights verify` and --json have all of them.
            f"{str(digest)[:12]}..." if digest else "not published",
            str(row["licence"]),
            str(row["state"]),
        )
    return table


def _state(file: WeightsFile, *, verify: bool) -> str:
    import dataclasses

    if not file.path.is_file():
        if file.facts.get("gated"):
            open_name = file.facts.get("alternative", "").replace("_", "-")
            return "by hand (gated)" + (f"; open: {open_name}" if open_name else "")
        return "missing" if file.published.urls else "by hand (no address)"
    published = file.published if verify else dataclasses.replace(file.published, md5=None, sha256=None)
    if published.fault(file.path) is not None:
        return "wrong: see weights verify"
    shipped = "in the package" if file.facts.get("shipped") else "there"
    return f"{shipped}, {published.describe_check()}" if verify else shipped
