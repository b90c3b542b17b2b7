"""What the verbs that fetch have in common on the screen: a progress bar on stderr, and what Ctrl-C leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from rs_adapt.api.progress import error_console
from rs_adapt.commands.console import grouped, shown_path

if TYPE_CHECKING:
    from pathlib import Path

    from rs_adapt.downloads import Published


def download(published: Published, path: Path) -> bool:
    """Get a file as `rs_adapt.downloads.fetch` does, with a progress bar where stderr is a terminal.

    Returns:
        Whether it was fetched; False if it was there.

    Raises:
        DownloadError: see `fetch`.
        Exit: With 130 after Ctrl-C, when it has said how much was saved.
    """
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    from rs_adapt.downloads import fetch, partial_file

    console = error_console()
    columns = (
        TextColumn("{task.description}"),
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
                on_note=lambda text: console.print(text, style="dim", markup=False, highlight=False, soft_wrap=True),
            )
    except KeyboardInterrupt:
        part = partial_file(path)
        kept = f"{grouped(part.stat().st_size)} bytes are saved in {shown_path(part)}. " if part.exists() else ""
        console.print(
            f"Stopped. {kept}The same command continues there.", markup=False, highlight=False, soft_wrap=True
        )
        raise typer.Exit(130) from None
