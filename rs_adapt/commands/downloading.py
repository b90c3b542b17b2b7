"""Download a file for a verb: a progress bar on standard error, and a message after Ctrl-C."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from rs_adapt.api.progress import error_console
from rs_adapt.commands.console import group_digits, shorten_path

if TYPE_CHECKING:
    from pathlib import Path

    from rs_adapt.downloads import Published


def download(published: Published, path: Path) -> bool:
    """Fetch a file (see `rs_adapt.downloads.fetch`), with a progress bar if standard error is a terminal.

    Returns:
        True if the file was fetched, False if it was there already.

    Raises:
        DownloadError: The file cannot be fetched or is not the published one.
        Exit: With code 130 after Ctrl-C; how much was saved is printed.
    """
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    from rs_adapt.downloads import fetch, partial_file

    console = error_console()
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    try:
        with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
            task = bar.add_task(path.name, total=published.size_bytes)
            return fetch(
                published,
                path,
                on_progress=lambda stage, done, total: bar.update(task, completed=done, total=total),
                on_note=lambda text: console.print(text, style="dim", highlight=False, soft_wrap=True),
            )
    except KeyboardInterrupt:
        part = partial_file(path)
        saved = (
            f"{group_digits(part.stat().st_size)} bytes are saved in {shorten_path(part)}. " if part.exists() else ""
        )
        console.print(f"Stopped. {saved}Run the same command again to continue.", highlight=False, soft_wrap=True)
        raise typer.Exit(130) from None
