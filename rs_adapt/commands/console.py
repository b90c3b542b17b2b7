"""Output that all verbs share: results on standard output, everything else on standard error."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rs_adapt.render.plain_text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from rs_adapt.runs.records import Result
    from rs_adapt.scores.agreement import Agreement


def result_console() -> Console:
    """Return standard output; wide enough off a terminal that no sentence wraps."""
    from rs_adapt.render.terminal import PlainConsole

    return PlainConsole(width=None if sys.stdout.isatty() else 160)


def table_console() -> Console:
    """Return standard output for a wide table: a pipe has no width, and wrapped lines would break every grep."""
    from rs_adapt.render.terminal import PlainConsole

    return PlainConsole(width=None if sys.stdout.isatty() else 240, highlight=True)


def say(text: str = "", *, end: str = "\n") -> None:
    """Print a line or lines on standard output, without characters that control a terminal."""
    print(printable(text), end=end)


def print_json(content: object) -> None:
    """Print a result as JSON, as all verbs with `--json` do."""
    import json

    print(json.dumps(content, indent=2, allow_nan=False))


def print_result(
    console: Console,
    result: Result,
    *,
    title: str,
    folder: Path,
    others: Mapping[Path, Result] | None = None,
    agreement: Agreement | None = None,
) -> None:
    """Print the scores by class if there are any, the protocol, tuned values, and where the files are.

    Args:
        console: Where to print.
        result: The content of `result.json`.
        title: The first line.
        folder: Where the files are.
        others: Results of other evaluations of the same model by folder, to be listed.
        agreement: Whether the scores agree with those that the run stored.
    """
    from rs_adapt.reports.result_tables import (
        accuracy_table,
        calibration_line,
        conditions_line,
        groups_line,
        guard_line,
        oracle_line,
        protocol_line,
        result_table,
        selection_table,
        tuned_line,
    )

    console.print(title, style="bold", soft_wrap=True)
    if result.measures:
        _print_measures(console, result, folder=folder)
        return
    if result.protocol.report_split is not None:
        console.print(result_table(result) if result.score_key == "miou_pct" else accuracy_table(result))
    console.print(protocol_line(result), soft_wrap=True)
    if (line := groups_line(result)) is not None:
        console.print(line, soft_wrap=True)
    if (line := calibration_line(result)) is not None:
        console.print(line, soft_wrap=True)
    if (table := selection_table(result)) is not None:
        console.print(table)
    if (line := guard_line(result)) is not None:
        console.print(line, soft_wrap=True)
    if (line := oracle_line(result)) is not None:
        console.print(line, soft_wrap=True)
    if (line := tuned_line(result)) is not None:
        console.print(line, soft_wrap=True)
    for place, other in (others or {}).items():
        line = f"Also evaluated: {conditions_line(other)}: {shorten_path(place)}"
        console.print(line, soft_wrap=True)
    if agreement is not None:
        console.print(agreement.sentence, soft_wrap=True)
    for note in result.notes:
        console.print(f"Note: {note}", soft_wrap=True)
    console.print(f"Files: {shorten_path(folder)}", soft_wrap=True)


def _print_measures(console: Console, result: Result, *, folder: Path) -> None:
    from rs_adapt.reports.flow_tables import measures_table, protocol_of_images

    console.print(measures_table(result))
    console.print(protocol_of_images(result), soft_wrap=True)
    for note in result.notes:
        console.print(f"Note: {note}", soft_wrap=True)
    console.print(f"Files: {shorten_path(folder)}", soft_wrap=True)


def group_digits(count: int) -> str:
    """Return a count with its digits in groups of three, such as 1 023 489."""
    return f"{count:,}".replace(",", " ")


def shorten_path(path: str | Path) -> str:
    """Return a path as a person would type it: relative where it lies below the current folder."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
