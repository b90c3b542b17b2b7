"""`rs-adapt data clean`: list and remove prepared tiles in the cache folder."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from rs_adapt.api.progress import error_console
from rs_adapt.commands import options
from rs_adapt.commands.console import group_digits, print_json, say, shorten_path, table_console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from rs_adapt.datasets.prepared_copies import PreparedCopy


def clean(
    benches: Annotated[
        list[str] | None, typer.Argument(help="Benches, as the table names them (default: all).", metavar="BENCH...")
    ] = None,
    older_than: Annotated[
        float, typer.Option("--older-than", help="Only tiles at least this many days old.", metavar="DAYS", min=0)
    ] = 0,
    yes: Annotated[bool, typer.Option("--yes", help="Remove the tiles without asking.")] = False,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """List the prepared tiles in the cache folder, and remove them.

    A bench cuts its tiles from its scenes again when it next needs them. Nothing else in the folder is touched, and
    nothing is removed without --yes or confirmation at the terminal.

    $ rs-adapt data clean --dry-run

    $ rs-adapt data clean coast --yes

    $ rs-adapt data clean --older-than 30 --yes
    """
    from rs_adapt.config import paths
    from rs_adapt.datasets.prepared_copies import MARKER, find_damaged, find_prepared, remove_prepared

    copies = find_prepared(benches or (), older_than_days=older_than)
    if not as_json:
        _print_copies(copies, str(shorten_path(paths.home() / "prepared")))
    for folder in find_damaged():
        # On standard error, because a reader of --json has to know it too.
        error_console().print(
            f"note: {shorten_path(folder / MARKER)} is damaged, so its tiles are not listed and stay. "
            "Remove them by hand.",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    agreed = bool(copies) and not dry_run and (yes or (not as_json and _asked(len(copies))))
    left = remove_prepared(copies) if agreed else copies
    removed = [copy for copy in copies if copy not in left]
    if as_json:
        print_json([_facts(copy) | {"removed": copy in removed} for copy in copies])
        return
    if agreed:
        size = group_digits(round(sum(copy.size_bytes for copy in removed) / 1e6))
        say(f"Removed {len(removed)} of {len(copies)}, {size} MB.")
        for copy in left:
            say(f"{shorten_path(copy.folder)} is being made by another process, and stays.")
    elif copies:
        say("Nothing is removed." + ("" if dry_run else " Add --yes to remove what is listed."))


def _asked(count: int) -> bool:
    return sys.stdin.isatty() and typer.confirm(f"Remove {count} folder(s)?", err=True)


def _print_copies(copies: Sequence[PreparedCopy], home: str) -> None:
    if not copies:
        say(f"There are no prepared tiles in {home}.")
        return
    table_console().print(_table(copies))


def _table(copies: Sequence[PreparedCopy]) -> Table:
    from datetime import UTC, datetime

    from rich import box
    from rich.table import Table

    table = Table(title="prepared tiles", box=box.SIMPLE, title_justify="left")
    for heading in ("bench", "kind", "tiles", "MB", "days", "folder"):
        table.add_column(heading, justify="right" if heading in ("tiles", "MB", "days") else "left", overflow="fold")
    now = datetime.now(UTC)
    for copy in copies:
        table.add_row(
            copy.bench,
            copy.kind,
            group_digits(copy.tiles),
            f"{copy.size_bytes / 1e6:.1f}",
            f"{copy.age_days(now):.1f}",
            str(shorten_path(copy.folder)),
        )
    return table


def _facts(copy: PreparedCopy) -> dict[str, object]:
    return {
        "bench": copy.bench,
        "kind": copy.kind,
        "tiles": copy.tiles,
        "bytes": copy.size_bytes,
        "made": copy.made.isoformat(timespec="seconds"),
        "folder": str(copy.folder),
    }
