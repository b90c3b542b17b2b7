"""What the verbs that compute have in common on the screen: results on stdout, everything else on stderr."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from rs_adapt.progress import OnProgress
    from rs_adapt.runs.records import Result


def result_console() -> Console:
    """Standard output; off a terminal wide enough that no line wraps."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 160, highlight=False)


def error_console() -> Console:
    """Standard error, for progress and remarks."""
    from rich.console import Console

    return Console(stderr=True, width=None if sys.stderr.isatty() else 160)


@contextmanager
def preparing(console: Console) -> Iterator[OnProgress]:
    """Yield a callback that shows progress: a status line on a terminal, else one line for each finished stage.

    The status line disappears when a stage is complete, so that a progress bar can follow.
    """
    from rich.status import Status

    status = Status("", console=console)
    seen: set[str] = set()

    def show(stage: str, done: int, total: int | None) -> None:
        finished = total is not None and done >= total
        if not console.is_terminal:
            # A long stage prints a line for each tenth of it, a short one only when it is done.
            tenth = total is not None and total >= 1000 and done % (total // 10) == 0
            line = f"{stage}: {done}/{total}" if tenth else f"{stage}: {total}"
            if (tenth or finished) and line not in seen:
                seen.add(line)
                console.print(line, highlight=False)
        elif finished:
            status.stop()
        else:
            status.update(f"{stage} {done}" if total is None else f"{stage} {done}/{total}")
            status.start()

    try:
        yield show
    finally:
        status.stop()


def print_result(console: Console, result: Result, *, title: str, folder: Path) -> None:
    """The per-class table of a result if it was scored, how, and where the files are."""
    from rs_adapt.reports.result_tables import oracle_line, protocol_line, result_table, selection_table

    console.print(title, style="bold", soft_wrap=True)
    if result.protocol.report_split is not None:
        console.print(result_table(result))
    console.print(protocol_line(result), soft_wrap=True)
    if (table := selection_table(result)) is not None:
        console.print(table)
    if (line := oracle_line(result)) is not None:
        console.print(line, soft_wrap=True)
    console.print(f"Files: {shown_path(folder)}", soft_wrap=True)


def grouped(count: int) -> str:
    """A count with its digits in groups of three, such as 1 023 489."""
    return f"{count:,}".replace(",", " ")


def shown_path(path: str | Path) -> str:
    """A path as a person would type it: relative where it lies below the current folder."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
